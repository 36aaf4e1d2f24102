"""``nas-gym validate``, and the report that shows it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.findings import best_rows
from nas_gym.runs.validate import validate
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, Store, load_run
from nas_gym.training.images.presets import QUICK

SPACE = NASNetCell(blocks=1)
SHORT = {"name": "quick", "epochs": 1, "filters": 2, "learning_rate": 0.1}
STORE = "runs/store.sqlite"
Run = Callable[..., int]


def search(run: str, evaluator: Any, store: Path | str = STORE, **options: Any) -> RunData:
    settings = {"budget": 4, "run": run, "store": store} | options
    nas_gym.search(SPACE, evaluator, "random-search", **settings)
    return load_run(run, store)


def figures(validations: list[Validation]) -> list[tuple[Any, ...]]:
    """All but the time they took."""
    return [(v.key, v.tokens, v.seed, v.accuracy, v.test_accuracy, v.failure) for v in validations]


def npz(path: str, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    np.savez(path, images=images, labels=np.arange(60) % 2)


@pytest.mark.slow
def test_the_command_validates_and_the_report_shows_it(
    run: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = search("mine", {"name": "training", "recipe": SHORT}, budget=2)
    asked = ("validate", "mine", "--best", "2", "--repeats", "2", "--workers", "1")
    assert run(*asked) == 0
    shown = capsys.readouterr()
    assert "final validation" in shown.out
    assert shown.out.count("±") == 5  # validation and test of two, and the words below
    assert "recipe" not in shown.out
    assert "4/4 final trainings" in shown.err
    assert run(*asked, "--json") == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert shown.err.splitlines()[:-1] == ["4/4 final trainings"]  # nothing is left to do
    recorded = load_run("mine", STORE).validations
    assert figures(list(recorded)) == figures(validate(data, best=2, repeats=2))
    for rank, group in enumerate(result["validations"], start=1):
        mine = [v for v in recorded if v.tokens == best_rows(data, 2)[rank - 1].tokens]
        assert group["rank"] == rank
        assert group["test_accuracies"] == [v.test_accuracy for v in mine]
        assert group["test_accuracy_mean"] == pytest.approx(np.mean(group["test_accuracies"]))
        assert group["accuracy_std"] == pytest.approx(np.std(group["accuracies"], ddof=1))
    assert run("report", "mine") == 0
    shown = capsys.readouterr()
    assert "final validation" in shown.out
    assert run("report", "mine", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["validations"] == result["validations"]


@pytest.mark.slow
def test_another_recipe_is_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    search("mine", {"name": "training", "recipe": SHORT}, budget=2)
    asked = ("validate", "mine", "--repeats", "1", "--workers", "1")
    assert run(*asked, "--best", "2") == 0
    capsys.readouterr()
    assert run(*asked, "--best", "1", "--recipe", "quick") == 0
    assert "quick" in capsys.readouterr().out
    assert run("report", "mine") == 0
    assert "as in the search" in capsys.readouterr().out
    assert run("report", "mine", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [group["rank"] for group in report["validations"]] == [1, 1, 2]


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with three runs."""
    store = tmp_path_factory.mktemp("three") / Path(STORE).name
    search("mine", {"name": "training", "recipe": SHORT}, store, budget=1)
    search("synthetic", Landscape(SPACE), store, budget=2)
    diverges = {**SHORT, "learning_rate": 1e30}
    search("failed", {"name": "training", "recipe": diverges}, store, budget=1)
    return store.parent


def test_failed_trainings_are_no_success(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    npz("mine.npz", 0)
    data = search("mine", {"name": "training", "dataset": "mine.npz", "recipe": SHORT}, budget=1)
    failed = replace(validate(data, best=1, repeats=1)[0], failure="diverged", accuracy=None)
    with Store(STORE) as store:
        store.save_validation("mine", replace(failed, test_accuracy=None))
    assert run("validate", "mine", "--best", "1", "--repeats", "1", "--workers", "1") == 1
    assert "rank 1: 1 x diverged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("validate mien", "did you mean 'mine'"),
        ("validate mine --best 0", "--best is 0: give 1 or more"),
        ("validate mine --repeats 0", "--repeats is 0: give 1 or more"),
        ("validate mine --workers 0", "--workers is 0: give 1 or more"),
        ("validate mine --timeout 0", "--timeout is 0.0"),
        ("validate mine --recipe quik", "did you mean 'quick'"),
        ("validate mine --set recipe.epoch=3", "did you mean 'epochs'"),
        ("validate mine --set recipe.epochs=0", "epochs of the recipe of run 'mine' is 0"),
        ("validate mine --set agent.seed=3", "unknown part for --set 'agent'"),
        ("validate mine --set epochs=3", "write it as recipe.epochs=4"),
        ("validate mine --set recipe.name=quick", "give --recipe"),
        ("validate mine --image-size 0", "--image-size is 0: give 1 or more"),
        ("validate mine --image-size 16", "only a folder of images can be read at another size"),
        ("validate mine --dataset no/where", "say where it lies now with --dataset"),
        ("validate synthetic", "'landscape' has no test part"),
        ("validate failed", "nothing to validate"),
        ("validate mine --store nothing.sqlite", "no results database"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    run: Run, line: str, message: str, three_runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(three_runs, Path(STORE).parent)
    assert run(*line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (sentence,) = shown.err.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert message in sentence
    assert load_run("mine", STORE).validations == ()


@pytest.mark.slow
def test_options_of_the_recipe_change_that_of_the_run(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    data = search("mine", {"name": "training", "recipe": SHORT}, budget=1)
    own = data.config["protocol"]["recipe"]
    asked = ("validate", "mine", "--best", "1", "--repeats", "1", "--workers", "1", "--json")
    changes = ("--set", "recipe.epochs=2", "recipe.filters=3")
    for more, expected in [
        (changes, {**own, "epochs": 2, "filters": 3}),
        (("--recipe", "quick", *changes), QUICK.to_json() | {"epochs": 2, "filters": 3}),
    ]:
        assert run(*asked, *more) == 0
        (group,) = json.loads(capsys.readouterr().out)["validations"]
        assert group["protocol"]["recipe"] == expected
    assert len(load_run("mine", STORE).validations) == 2


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done(run: Run) -> None:
    search("mine", {"name": "training", "recipe": SHORT}, budget=1)
    asked = ("validate", "mine", "--best", "1", "--workers", "1", "--repeats")
    process = subprocess.Popen(
        [sys.executable, "-m", "nas_gym", *asked, "1000"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while len(load_run("mine", STORE).validations) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    _, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    assert "the trainings that were done are recorded" in err
    assert "Traceback" not in err
    done = len(load_run("mine", STORE).validations)
    assert done >= 2
    assert run(*asked, str(done)) == 0
    assert len(load_run("mine", STORE).validations) == done
