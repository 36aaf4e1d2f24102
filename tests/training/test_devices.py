"""Devices by name: what they mean, who takes which, and which are refused."""

import subprocess
import sys

import pytest
import torch

from nas_gym.errors import InvalidOption
from nas_gym.training.devices import (
    check_there,
    device_of,
    devices_of,
    moved,
    one_device,
    sharing_in_words,
)
from nas_gym.training.loop import training_device

GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0


def test_devices_are_named_one_by_one() -> None:
    assert devices_of("cpu") == ("cpu",)
    assert devices_of("cuda:0, cuda:1,cuda:0") == ("cuda:0", "cuda:1", "cuda:0")
    assert one_device(" cuda ") == "cuda"
    with pytest.raises(InvalidOption, match="give one, only trainings share several"):
        one_device("cpu,cpu")


@pytest.mark.parametrize(
    "given",
    ["", ",", "cpu,", "gpu", "meta", "mps", "cuda:", "cuda:x", "cuda:-1", "CUDA", "cuda 1", 3],
)
def test_what_is_no_device_is_refused(given: str) -> None:
    with pytest.raises(InvalidOption, match=r"^device is .*: give "):
        devices_of(given)


def test_devices_are_of_one_kind() -> None:
    with pytest.raises(InvalidOption, match="give devices of one kind"):
        devices_of("cuda:0,cpu")


def test_workers_take_them_in_turns() -> None:
    assert [device_of("cuda:0,cuda:1,cuda:5", i) for i in range(5)] == [
        "cuda:0", "cuda:1", "cuda:5", "cuda:0", "cuda:1",
    ]  # fmt: skip
    assert sharing_in_words("cuda:0,cuda:1", 3) == "3 workers: 2 on cuda:0, 1 on cuda:1"
    assert sharing_in_words("cuda:0,cuda:1", 1) == "1 worker: 1 on cuda:0, 0 on cuda:1"
    assert sharing_in_words("cuda:1", 0) == "1 worker: 1 on cuda:1"


def test_what_is_not_there_is_refused() -> None:
    missing = f"cuda:{GPUS}"
    for refuse in (training_device, check_there, lambda d: check_there(f"{d},{d}")):
        with pytest.raises(InvalidOption, match=f"device is '{missing}', and torch finds .* here"):
            refuse(missing)
    with pytest.raises(InvalidOption, match="give cpu, cuda or cuda:N"):
        training_device("nonsense")
    assert training_device("cpu") == torch.device("cpu")
    assert training_device(torch.device("cpu")) == torch.device("cpu")
    check_there(None)
    check_there("cpu")


def test_nonsense_is_refused_without_torch() -> None:
    code = (
        "import sys\n"
        "from nas_gym.cli.main import main\n"
        "try: main(['search', '--device', 'gpu'])\n"
        "except SystemExit as ended: print(ended.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "2 False\n", done.stderr


def test_a_network_is_moved_or_stays() -> None:
    network = torch.nn.Linear(2, 2)
    assert moved(network, None) == moved(network, "cpu") == torch.device("cpu")


@pytest.mark.skipif(GPUS == 0, reason="no GPU")
def test_a_gpu_is_there() -> None:
    assert training_device("cuda").type == "cuda"
    assert moved(torch.nn.Linear(2, 2), "cuda:0") == torch.device("cuda:0")
