"""A run's name that is almost right: every command that takes one says which is near."""

from collections.abc import Callable

import pytest

import nas_gym

Run = Callable[..., int]
NEAR = "there is no run 'firts' in runs/store.sqlite: did you mean 'first'?"


@pytest.fixture
def recorded() -> None:
    nas_gym.search("nasbench201", "landscape", "random-search", budget=2, run="first")


@pytest.mark.few(3)
@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    "line",
    [
        "report firts",
        "report first firts --html",
        "resume firts",
        "validate firts",
        "check firts",
        "export firts",
        "export firts --front",
        "export firts --optuna sqlite:///study.db",
        "train firts",
        "train firts --best 2 --to models",
    ],
)
def test_the_nearest_run_is_said(line: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*line.split()) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.endswith(NEAR)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("given", ["FIRST", "first-2", "fi"])
def test_capitals_and_beginnings_are_near(
    given: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report", given) == 2
    assert capsys.readouterr().err.endswith("did you mean 'first'?\n")
