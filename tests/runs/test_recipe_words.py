"""Trainings whose length is in steps have parts, and nobody calls them epochs."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import nas_gym
from nas_gym import train
from nas_gym.cli.main import main
from nas_gym.models.training.log import LOG
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.findings import Findings
from nas_gym.runs.html import story
from nas_gym.runs.report import print_summary
from nas_gym.store import load_run

SIZE = {"repeats": 1, "filters": 4, "batch_size": 10}
LENGTHS = [({"steps": 3}, "part", "epoch"), ({"epochs": 3}, "epoch", "part")]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    np.savez("noise.npz", images=images, labels=np.arange(60) % 3)


@pytest.mark.few(1)
@pytest.mark.parametrize(("length", "unit", "other"), LENGTHS)
def test_a_run_counts_by_the_right_unit(length: dict[str, int], unit: str, other: str) -> None:
    recipe: dict[str, Any] = {"name": "quick", **SIZE, **length}
    evaluator = {"name": "training", "dataset": "noise.npz", "recipe": recipe}
    nas_gym.search(
        "nasbench201", evaluator, "random-search", budget_epochs=3, run="a", store="s.sqlite"
    )
    found = Findings.of(load_run("a", "s.sqlite"))
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(found, console)
    card = card_as_markdown(card_of(found, found.ranked[0], 1)).partition("## Recipe")[0]
    shown = console.export_text() + card + " ".join(story.counts(found))
    assert f" and 24 {unit}s of child time" in shown  # a batch is 8 children
    told = "(a part is one of the 3 into which the steps of a whole training are divided)"
    assert (told in shown) == (unit == "part")
    assert f"after the last {unit} |" in shown
    assert f"{other}s of child" not in shown
    assert f"last {other}" not in shown
    assert (f"{unit}s" in story.counts(found), f"{other}s" in story.counts(found)) == (True, False)


@pytest.mark.slow
@pytest.mark.parametrize(("length", "unit", "other"), LENGTHS)
def test_a_training_goes_on_by_the_right_unit(
    length: dict[str, int], unit: str, other: str
) -> None:
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if line.startswith(f"{unit} 1/"):
            raise KeyboardInterrupt

    options: dict[str, Any] = {
        "model": "nasnet-a", "to": "m", "dataset": "noise.npz", "threads": 1,
        "recipe": {"name": "modern", **SIZE, **length},
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        train(**options, say=say)
    train(**options, resume=True, say=told.append)
    assert any(f"steps in 3 {unit}s on" in line for line in told)
    assert any(f"({unit} 1 is done)" in line for line in told)
    assert any(line.startswith(f"{unit} 3/3: loss") for line in told)
    assert not any(other in line.replace("test part", "") for line in told)
    lines = Path("m", LOG).read_text().splitlines()
    assert lines[0].startswith(f"{unit},steps,")
    assert [line.partition(",")[0] for line in lines[1:]] == ["1", "2", "3"]


@pytest.mark.few(1)
@pytest.mark.parametrize(("length", "unit", "other"), LENGTHS)
def test_a_budget_is_named_by_the_right_unit(
    length: dict[str, int], unit: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    del other
    recipe: dict[str, Any] = {"name": "quick", **SIZE, **length}
    evaluator = {"name": "training", "dataset": "noise.npz", "recipe": recipe}
    nas_gym.search(
        "nasbench201", evaluator, "random-search", budget_epochs=3, run="a", store="s.sqlite"
    )
    with pytest.raises(SystemExit) as ended:
        main(["resume", "a", "--store", "s.sqlite", "--budget", "9", "--workers", "1"])
    assert ended.value.code == 2
    assert f"has a budget of 3 {unit}s of training (give more with --budget-epochs)" in (
        capsys.readouterr().err
    )
