"""The latency of children, measured in a search."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import nas_gym
from nas_gym.cli.main import main
from nas_gym.envs.rewards import AccuracyUnderTarget
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.metrics import LATENCY, metric_named
from nas_gym.evaluators.trained import alone
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.text import LanguageModelEvaluator
from nas_gym.registry import spec_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.store import load_run

SPACE = NASNetCell(blocks=1)
SHORT = {"name": "quick", "epochs": 1, "filters": 2, "learning_rate": 0.1}
ASKED = {"name": "training", "recipe": SHORT, "latency": True}
UNDER = {"name": "accuracy-under-target", "metric": "latency", "target": 1e-5}
STORE = "runs/store.sqlite"


@pytest.fixture(autouse=True)
def _quickly_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(alone, "SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", "120")


def search(run: str, evaluator: Any = ASKED, space: Any = SPACE, **options: Any) -> Any:
    settings = {"budget": 3, "run": run, "store": STORE} | options
    nas_gym.search(space, evaluator, "random-search", **settings)
    return load_run(run, STORE)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_search_is_rewarded_by_latency(workers: int) -> None:
    run = search("fast", reward=UNDER, workers=workers, asynchronous=False)
    for row in run.rows:
        latency = row.metrics["latency"]
        assert 1e-5 < latency < 10
        assert row.seconds > latency
        assert row.reward == pytest.approx(row.accuracy * 1e-5 / latency)
    plain = search("plain", {"name": "training", "recipe": SHORT})
    measured = run.config["protocol"].pop("latency")
    assert (measured["batch"], measured["threads"]) == (1, 1)
    assert measured["processor"]
    assert run.config["protocol"] == plain.config["protocol"]
    assert "latency" not in plain.config["evaluator"]
    for row, other in zip(run.rows, plain.rows, strict=True):
        assert other.metrics == {n: v for n, v in row.metrics.items() if n != "latency"}


def test_language_models_have_one() -> None:
    Path("text").mkdir()
    for part in ("train", "valid", "test"):
        Path("text", f"{part}.txt").write_text("the cat sat on the mat\nthe dog sat\n" * 9)
    recipe = {"epochs": 1, "batch_size": 4, "bptt": 5, "hidden": 4}
    spec = {"name": "language-model", "recipe": recipe, "dataset": "text", "latency": True}
    run = search("text", spec, RNNCell(base=2), budget=2)
    assert all(row.metrics["latency"] > 0 for row in run.rows)


def test_it_is_measured_on_request_only() -> None:
    usual = TrainingEvaluator(SPACE)
    assert "latency" not in usual.gives
    assert "latency" not in spec_of("evaluator", usual)
    assert "latency" in TrainingEvaluator(SPACE, latency=True).gives
    assert "latency" in LanguageModelEvaluator(RNNCell(base=2), latency=True).gives
    assert metric_named("latency") is LATENCY
    assert LATENCY.better == "lower"
    assert LATENCY.in_words(0.0012345) == "0.00123"
    with pytest.raises(InvalidOption, match="latency of evaluator 'training' is 1: give true or"):
        search("odd", {**ASKED, "latency": 1})


@pytest.mark.parametrize("workers", [0, 2])
def test_a_reward_says_how_to_ask_for_it(workers: int) -> None:
    message = r"'latency', which .* only if it is asked to: give --set evaluator.latency=true"
    with pytest.raises(InvalidOption, match=message):
        search("x", {"name": "training"}, reward=UNDER, workers=workers)
    with pytest.raises(InvalidOption, match="needs the metric 'lat', but the evaluator gives"):
        search("x", {"name": "nasbench201"}, "nasbench201", reward={**UNDER, "metric": "lat"})


@pytest.mark.slow
def test_the_command_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([
            "search", "--agent", "random-search", "--num-envs", "1", "--budget", "1", "--workers",
            "1", "--run", "mine", "--reward", "accuracy-under-target", "--set",
            "space.blocks=1", "recipe.epochs=1", "evaluator.latency=true",
            "reward.metric=latency", "reward.target=0.005",
        ])  # fmt: skip
    assert ended.value.code == 0
    assert "latency, s" in capsys.readouterr().out
    (row,) = load_run("mine", STORE).rows
    reward = AccuracyUnderTarget(0.005, "latency")
    over = max(1.0, row.metrics["latency"] / 0.005)
    assert row.reward == pytest.approx(row.accuracy / over)
    assert reward.needs == ("accuracy", "latency")


# ---------------------------------------------------------------- one at a time

SCRIPT = """
import sys, time, torch
from nas_gym.evaluators.trained import alone
from nas_gym.networks.task import Task

class Timed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        print(time.monotonic(), flush=True)
        time.sleep(0.02)
        return x

alone.SECONDS = float(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
alone.latency_alone(Timed(), Task(channels=1, height=4, width=4, classes=2))
"""
Start = Callable[[float], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """A process that is about to measure, and prints when the network computes."""

    def started(seconds: float) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    return started


@pytest.mark.slow
def test_no_two_processes_measure_at_once(start: Start) -> None:
    processes = [start(0.3) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    times = [[float(t) for t in p.communicate(timeout=200)[0].split()] for p in processes]
    assert all(p.returncode == 0 for p in processes)
    spans = sorted((found[0], found[-1]) for found in times)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


@pytest.mark.slow
def test_a_process_killed_while_it_measures_holds_nobody_up(start: Start) -> None:
    holder, other = start(1000), start(0.1)
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("go\n")
    holder.stdin.flush()
    holder.stdout.readline()  # it measures
    with pytest.raises(subprocess.TimeoutExpired):
        other.communicate("go\n", timeout=1)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    out, _ = other.communicate(timeout=200)
    assert other.returncode == 0
    assert out


def test_without_a_place_for_the_lock_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing" / "deeper"))
    monkeypatch.setattr(alone, "_lock_file", lambda: Path(os.devnull, "x.lock"))
    with pytest.raises(InvalidOption, match="workers cannot measure one after the other"):
        search("nowhere")


def test_the_processor_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert alone.processor_of(torch.device("cpu"))
    monkeypatch.setattr(alone, "CPUS", Path("nothing"))
    assert alone.processor_of(torch.device("cpu"))
    json.dumps(alone.processor_of(torch.device("cpu")))
