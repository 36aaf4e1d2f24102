"""Every command that decodes a folder of images says how far it is, if that takes a while."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nas_gym

SHORT = ("recipe.name=quick", "recipe.epochs=1", "recipe.filters=2")
READ = "40/40 files of the data set read"
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of 40 images; nobody is patient."""
    monkeypatch.setattr("nas_gym.runs.preparing.PATIENCE", 0.0)
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(20):
            values = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(values).save(tmp_path / "pets" / name / f"{number}.png")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "command",
    [
        ("describe", "--dataset", "pets"),
        ("tabulate", "nasbench201", "--to", "t.npz", "--sample", "1", "--seeds", "1",
         "--dataset", "pets", "--recipe", "quick", "--set", *SHORT[1:], "--workers", "1"),
        ("train", "1 1 1 1 1 1", "--space", "nasbench201", "--dataset", "pets", "--recipe", "quick",
         "--to", "model", "--epochs", "1", "--set", SHORT[2]),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_a_command_shows_what_is_read(
    run: Run, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run(*command) == 0
    assert READ in capsys.readouterr().err


@pytest.mark.slow
def test_a_training_says_how_far_an_epoch_is(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--recipe", "quick", "--set", SHORT[2], "recipe.batch_size=8", "--epochs", "2")
    assert run("train", "1 1 1 1 1 1", "--space", "nasbench201", "--dataset", "pets", *options) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "the training of 1 1 1 1 1 1 begins; it writes to the folder 1-1-1-1-1-1-pets"
    last = told.index("3/3 steps of epoch 2/2")
    assert told[last + 1].startswith("epoch 2/2: loss ")


def test_a_validation_shows_what_is_read(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = {"name": "quick", "epochs": 1, "filters": 2}
    evaluator = {"name": "training", "dataset": "pets", "recipe": recipe}
    options = {"budget": 1, "run": "r", "store": "runs/store.sqlite"}
    nas_gym.search("nasbench201", evaluator, "random-search", **options)
    assert READ not in capsys.readouterr().err
    assert run("validate", "r", "--best", "1", "--repeats", "1", "--workers", "1",
               "--store", "runs/store.sqlite") == 0  # fmt: skip
    assert READ in capsys.readouterr().err
