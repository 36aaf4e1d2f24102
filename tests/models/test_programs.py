"""``model.pt2`` and ``model.onnx`` give the numbers of the network, for any batch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.models.folder import Model, write_model
from nas_gym.networks.latency import measure_latency
from tests.models.conftest import example, logits, published_model, random_model, unusual_fields

NETWORKS = ["nasnet-a", "nas-v1-dense", "nasbench201"]


def model_of(name: str) -> Model:
    fields = unusual_fields(name)
    random = name == "nasbench201"
    return random_model(name, 3, **fields) if random else published_model(name, **fields)


def check_close(found: Any, expected: Any, tolerance: float) -> None:
    scale = float(expected.abs().max())
    torch.testing.assert_close(found / scale, expected / scale, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_pt2_in_a_fresh_process_without_the_package(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    write_model(model, tmp_path / "m", programs=["model.pt2"])
    inputs = {batch: example(model, batch) for batch in (1, 5)}
    torch.save(inputs, tmp_path / "x.pt")
    code = """
import json, sys
sys.modules["nas_gym"] = None  # whoever imports it fails
import torch
network = torch.export.load("model.pt2").module()
given = torch.load(sys.argv[1])
print(json.dumps([network(given[batch]).tolist() for batch in (1, 5)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.pt")], cwd=tmp_path / "m",
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for found, batch in zip(json.loads(done.stdout), (1, 5), strict=True):
        check_close(torch.tensor(found), logits(model.network, inputs[batch]), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_by_its_runtime(name: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = model_of(name)
    write_model(model, tmp_path / "m", programs=["model.onnx"])
    session = runtime.InferenceSession(tmp_path / "m" / "model.onnx")
    for batch in (1, 5):
        inputs = example(model, batch)
        (found,) = session.run(["logits"], {"images": inputs.numpy()})
        check_close(torch.from_numpy(found), logits(model.network, inputs), 1e-4)


def test_a_language_model_is_no_such_program(tmp_path: Path) -> None:
    for name in ("model.pt2", "model.onnx"):
        with pytest.raises(InvalidOption, match="this is a language model"):
            write_model(random_model("rnn-cell", 0), tmp_path / "m", programs=[name])
    with pytest.raises(UnknownName, match=r"unknown program 'model\.tflite'"):
        write_model(random_model("nasbench201", 0), tmp_path / "m", programs=["model.tflite"])
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_missing_packages_are_named(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InvalidOption, match=r"pip install 'nas-gym\[onnx\]'"):
        write_model(random_model("nasbench201", 0), tmp_path / "m", programs=["model.onnx"])
    assert list(tmp_path.iterdir()) == []


def test_programs_of_an_earlier_model_do_not_stay(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    (place / "model.pt2").write_bytes(b"of another network")
    write_model(random_model("nasbench201", 0), place, replace=True)
    assert not (place / "model.pt2").exists()


@pytest.mark.parametrize("name", ["nasbench201", "rnn-cell"])
def test_latency_is_measured_by_batch(name: str) -> None:
    model = random_model(name, 0)
    threads = torch.get_num_threads()
    found = measure_latency(model.network, model.task, batches=(1, 4), seconds=0.01)
    assert [(each.batch, each.threads, each.device) for each in found] == [
        (1, 1, "cpu"), (4, 1, "cpu"),
    ]  # fmt: skip
    assert all(0 < each.median <= each.p90 and each.blocks >= 1 for each in found)
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_the_commands_measure_it_on_request(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("nas_gym.networks.latency.SECONDS", 0.01)
    sizes = ["--repeats", "1", "--filters", "4", "--image-size", "8"]
    for command in (
        ["describe", "nasnet-a", *sizes, "--latency", "--json"],
        ["export", str(folder), "--to", str(tmp_path / "m"), "--latency", "--json"],
        ["describe", "nasnet-a", *sizes, "--latency", "--json", "--device", "cpu"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 0
        latency = json.loads(capsys.readouterr().out)["latency"]
        assert [each["batch"] for each in latency] == [1, 64]
