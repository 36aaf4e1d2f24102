"""``--device`` of all commands."""

import json
from collections.abc import Callable

import pytest
import torch

from nas_gym.store import load_run

Run = Callable[..., int]
STORE = "runs/store.sqlite"
SEARCH = (
    "search", "--agent", "random-search", "--num-envs", "1", "--workers", "2", "--set",
    "space.blocks=1", "recipe.epochs=1",
)  # fmt: skip
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")


@pytest.mark.slow
@NO_GPU
def test_a_run_keeps_its_device_and_resume_may_change_it(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*SEARCH, "--run", "mine", "--device", "cpu,cpu", "--budget", "2") == 0
    assert "2 workers: 2 on cpu\n" in capsys.readouterr().err
    data = load_run("mine", STORE)
    assert data.config["evaluator"]["device"] == "cpu,cpu"
    assert data.config["protocol"]["device"] == "cpu"
    asked = ("resume", "mine", "--workers", "1", "--budget")
    assert run(*asked, "3", "--device", "cuda") == 2
    assert "device is 'cuda', and run 'mine' was begun on cpu" in capsys.readouterr().err
    assert run(*asked, "3") == 0
    assert "1 worker: 1 on cpu\n" in capsys.readouterr().err
    assert run(*asked, "4", "--device", "cpu") == 0
    assert "on cpu\n" not in capsys.readouterr().err
    resumed = load_run("mine", STORE)
    assert resumed.config["evaluator"]["device"] == "cpu"
    assert run(*SEARCH, "--run", "plain", "--budget", "4") == 0
    capsys.readouterr()
    plain = load_run("plain", STORE)
    assert "device" not in plain.config["evaluator"]
    assert plain.config["protocol"] == resumed.config["protocol"]
    plainly, named = ([(r.key, r.reward) for r in data.rows] for data in (plain, resumed))
    assert plainly == named
    validate = ("validate", "mine", "--best", "1", "--repeats", "1", "--workers", "1")
    assert run(*validate, "--device", "cpu", "--json") == 0
    (group,) = json.loads(capsys.readouterr().out)["validations"]
    assert group["protocol"] == resumed.config["protocol"]
    assert run(*validate, "--device", "cuda") == 2
    assert len(load_run("mine", STORE).validations) == 1


@NO_GPU
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("search --device gpu", "device is 'gpu': give cpu, cuda or cuda:N"),
        ("search --device cuda:7", "device is 'cuda:7', and torch finds no GPU here: give cpu"),
        ("search --device cpu,cuda", "give devices of one kind"),
        ("search --device cpu --set evaluator.device=cpu", "give --device"),
        ("search --space nasbench201 --evaluator nasbench201 --device cpu", "leave out --device"),
        ("describe nasnet-a --device cpu", "--device is only for --latency"),
        ("describe nasnet-a --latency --device cuda", "torch finds no GPU here"),
        ("describe nasnet-a --latency --device cpu,cpu", "give one"),
        ("describe --dataset digits --device cpu", "--device says nothing about a data set"),
        ("export mine --device cpu", "--device is only for a network"),
        ("export nasnet-a --to m --device cpu", "--device is only for --latency"),
        ("export nasnet-a --to m --latency --device cuda:3", "torch finds no GPU here"),
        ("predict m x.png --device meta", "device is 'meta'"),
        ("predict m x.png --device cuda", "torch finds no GPU here"),
    ],
)
def test_bad_devices_get_one_clear_sentence(
    run: Run, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (sentence,) = shown.err.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert message in sentence


@pytest.mark.slow
def test_a_run_that_trains_nothing_has_no_device(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    table = ("search", "--space", "nasbench201", "--evaluator", "nasbench201", "--run", "table")
    assert run(*table, "--budget", "2", "--agent", "random-search") == 0
    for command in ("resume", "validate"):
        more = ("--budget", "3") if command == "resume" else ()
        assert run(command, "table", *more, "--device", "cpu") == 2
        assert "device is 'cpu', and the" in capsys.readouterr().err
