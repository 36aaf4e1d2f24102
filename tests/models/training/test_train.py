"""``nas_gym.train`` and ``nas-gym train``: to the end, cut and gone on with, refused."""

import csv
import json
import os
import random
import shlex
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
import yaml
from PIL import Image
from scipy.stats import binomtest

import nas_gym
from nas_gym import load_model
from nas_gym.cli.main import main
from nas_gym.errors import InvalidModel, InvalidOption, TrainingDiverged, UnknownName
from nas_gym.models.architectures import Found
from nas_gym.models.training.checkpoint import write_checked
from nas_gym.models.training.report import lines_of
from nas_gym.models.training.train import Trained
from nas_gym.registry import make
from nas_gym.runs.findings import best_rows
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.store import load_run
from nas_gym.training.images.dataset import split_dataset
from nas_gym.training.images.presets import RECIPES
from nas_gym.training.images.sources import load_dataset
from nas_gym.training.images.train import ImageTraining
from nas_gym.training.text.dataset import text_from_strings

SMALL = {"name": "modern", "epochs": 2, "repeats": 1, "filters": 4, "batch_size": 16}
HELD = Path(__file__).with_name("held.py")
OPTIONS = [
    "--recipe", "modern", "--epochs", "2", "--repeats", "1", "--filters", "4", "--threads", "1",
    "--set", "recipe.batch_size=16", "recipe.ema=0.9", "recipe.dropout=0.2",
]  # fmt: skip


class Cut(Exception):
    """What ends a training in the middle."""


def stripes(count: int = 90, classes: int = 3) -> Any:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    images = rng.integers(0, 100, (count, 3, 8, 8)).astype(np.uint8)
    for label in range(1, classes):
        images[labels == label, :, :: 1 + label] += 120
    names = [f"class {label}" for label in range(classes)]
    return split_dataset("stripes", images, labels, shares=(0.2, 0.2), class_names=names)


CELL = Found(*PUBLISHED["darts-v2"])


def train(to: Path, **changes: Any) -> Trained:
    given: dict[str, Any] = {"recipe": SMALL, "dataset": stripes(), "threads": 1, **changes}
    return nas_gym.train(given.pop("model", CELL), to, **given)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("trained") / "model")


def test_a_training_ends_with_a_model_that_knows_its_data(trained: Trained) -> None:
    model, folder = load_model(trained.folder), trained.folder
    assert not model.fresh
    assert model.preprocessing.classes == ("class 0", "class 1", "class 2")
    assert model.preprocessing.height == 8
    data = stripes()
    assert np.allclose(model.preprocessing.mean, data.mean.flatten() / 255)
    figures = model.figures
    assert figures["dataset"] == "stripes"
    assert figures["train_images"] == len(data.train_labels)
    assert figures["recipe"]["filters"] == 4
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[-1]["validation_accuracy"]) == figures["validation_accuracy"]
    assert (folder / "curve.png").is_file()
    assert (folder / "curve.svg").is_file()
    assert not list(folder.glob("checkpoint*"))
    card = (folder / "README.md").read_text()
    assert "class 1" in card
    assert f"{figures['test_accuracy']:.6g}" in card


def test_the_figures_are_those_of_the_model(trained: Trained) -> None:
    import torch

    model, data = load_model(trained.folder), stripes()
    for part in ("validation", "test"):
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        with torch.inference_mode():
            right = model.network(data.normalise(images)).argmax(1) == labels
        assert float(right.double().mean()) == model.figures[f"{part}_accuracy"]
        sure = binomtest(int(right.sum()), len(right)).proportion_ci(0.95, "wilson")
        ends = [round(sure.low, 4), round(sure.high, 4)]
        assert model.figures[f"{part}_accuracy_interval"] == ends
        shown = (
            f"{right.sum()} of {len(right)} images; 95 % interval {ends[0]:.4f} to {ends[1]:.4f}"
        )
        assert shown in "".join(lines_of(trained))
        card = (trained.folder / "README.md").read_text()
        assert f"| {part}_accuracy_interval | {ends[0]:.6g} to {ends[1]:.6g} |" in card


@pytest.mark.slow
def test_the_test_part_is_opened_once_when_all_is_over(tmp_path: Path, trained: Trained) -> None:
    data = stripes()
    wrong = replace(data, test_labels=(data.test_labels + 1) % 3)
    other = train(tmp_path / "m", dataset=replace(wrong, fingerprint="another"))
    assert weights(other.folder) == weights(trained.folder)
    without = replace(data, test_images=data.test_images[:0], test_labels=data.test_labels[:0])
    found = train(tmp_path / "n", dataset=without)
    assert "test_accuracy" not in found.model.figures
    assert weights(found.folder) == weights(trained.folder)


def cut_after(lines: int) -> Callable[[str], None]:
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if len([each for each in told if each.startswith("epoch")]) == lines:
            raise Cut

    return say


@pytest.mark.slow
def test_what_was_cut_goes_on_to_the_same_weights(tmp_path: Path, trained: Trained) -> None:
    with pytest.raises(Cut):
        train(tmp_path / "m", say=cut_after(1))
    assert not (tmp_path / "m" / "config.json").exists()
    with pytest.raises(InvalidModel, match="not finished"):
        load_model(tmp_path / "m")
    told: list[str] = []
    train(tmp_path / "m", resume=True, say=told.append)
    assert any("goes on after step" in line for line in told)
    assert weights(tmp_path / "m") == weights(trained.folder)
    rows = [(trained.folder / "log.csv").read_text(), (tmp_path / "m" / "log.csv").read_text()]
    plain = [[line.split(",")[:-1] for line in text.splitlines()] for text in rows]
    assert plain[0] == plain[1]
    again = train(tmp_path / "m", resume=True, say=told.append)
    assert "is done" in told[-1]
    assert again.model.figures == load_model(tmp_path / "m").figures


@pytest.mark.slow
def test_a_cut_while_an_epoch_is_measured(
    tmp_path: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(training: ImageTraining) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(ImageTraining, "validate", cut)
        with pytest.raises(Cut):
            train(tmp_path / "m", checkpoint_minutes=1e-9)
    assert (tmp_path / "m" / "checkpoint.json").exists()
    train(tmp_path / "m", resume=True)
    assert weights(tmp_path / "m") == weights(trained.folder)
    folders = (tmp_path / "m", trained.folder)
    logs = [(folder / "log.csv").read_text().splitlines() for folder in folders]
    rates = [[line["learning_rate"] for line in csv.DictReader(log)] for log in logs]
    assert rates[0] == rates[1]


@pytest.mark.slow
def test_language_models_as_well(tmp_path: Path) -> None:
    for part, times in (("train", 60), ("valid", 8), ("test", 8)):
        (tmp_path / f"{part}.txt").write_text("the cat sat on the mat\nthe dog sat\n" * times)
    options: dict[str, Any] = {
        "model": "nas-cell", "dataset": str(tmp_path), "level": "character",
        "recipe": {"name": "modern-text", "epochs": 2, "hidden": 8, "bptt": 10, "batch_size": 4},
    }  # fmt: skip
    whole = train(tmp_path / "a", **options)
    with pytest.raises(Cut):
        train(tmp_path / "b", **options, say=cut_after(1))
    nas_gym.train(tmp_path / "b", resume=True)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    figures = whole.model.figures
    assert 1 < figures["test_perplexity"] < 15
    assert load_model(tmp_path / "a").preprocessing.level == "character"


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "its seed is 0, and 1 is asked for"),
        ({"recipe": {**SMALL, "epochs": 3}}, "its recipe.epochs is 2, and 3 is asked for"),
        ({"model": "nasnet-a"}, "its space is"),
        ({"dataset": stripes(93)}, "is not what it was when it began"),
    ],
)
def test_another_training_does_not_go_on(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(Cut):
        train(tmp_path / "m", say=cut_after(1))
    before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "m").iterdir())
    with pytest.raises(InvalidModel, match=message):
        train(tmp_path / "m", resume=True, **changes)
    with pytest.raises(InvalidModel, match="has a training"):
        train(tmp_path / "m", **changes)
    assert before == sorted((p.name, p.read_bytes()) for p in (tmp_path / "m").iterdir())


@pytest.mark.parametrize(
    "changes",
    [{"recipe": {"epochs": 9}}, {"seed": 5}, {"to": "n"}, {"image_size": 9}, {"rank": 2},
     {"validation": 0.3}],
)  # fmt: skip
def test_what_is_on_record_is_not_said_again(
    changes: dict[str, Any], tmp_path: Path, trained: Trained
) -> None:
    with pytest.raises(InvalidOption, match=r"has it on record: leave it out"):
        nas_gym.train(str(trained.folder), dataset=stripes(), resume=True, **changes)


@pytest.mark.skipif(os.name != "posix", reason="there are no such locks")
def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, trained: Trained) -> None:
    folder = Path(shutil.copytree(trained.folder, tmp_path / "m"))
    program = (
        "import sys; from pathlib import Path; from nas_gym.models.training.hold import held\n"
        "with held(Path(sys.argv[1])): print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline()
        for how in ("resume", "replace"):
            with pytest.raises(InvalidModel, match="another process trains in"):
                train(folder, **{how: True})
        assert weights(folder) == weights(trained.folder)
    train(folder, resume=True)


def test_going_on_is_not_beginning_again(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="are both given"):
        train(tmp_path / "m", resume=True, replace=True)


@pytest.mark.slow
def test_what_is_in_the_folder_is_not_lost(tmp_path: Path, trained: Trained) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("dear")
    with pytest.raises(InvalidModel, match="files and no training"):
        train(tmp_path / "full", replace=True)
    copy = Path(shutil.copytree(trained.folder, tmp_path / "copy"))
    with pytest.raises(InvalidModel, match="has a training"):
        train(copy)
    (copy / "training.json").unlink()
    with pytest.raises(InvalidModel, match="has a model in it"):
        train(copy)
    again = train(copy, replace=True, seed=4)
    assert weights(copy) != weights(trained.folder)
    assert again.model.figures["seed"] == 4


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(n, d, marks=[] if (n, d) == ("tensors", "flip") else [pytest.mark.slow])
        for n in ("tensors", "json", "record")
        for d in ("cut", "flip", "gone")
    ],
)
def test_a_damaged_checkpoint_is_one_sentence(name: str, damage: str, tmp_path: Path) -> None:
    with pytest.raises(Cut):
        train(tmp_path / "m", say=cut_after(1))
    patterns = {"tensors": "checkpoint-*", "json": "checkpoint.json", "record": "training.json"}
    (path,) = (tmp_path / "m").glob(patterns[name])
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    else:
        path.unlink()
    if (name, damage) == ("json", "gone"):  # as before its first checkpoint: it begins
        train(tmp_path / "m", resume=True)
        return
    with pytest.raises(InvalidModel) as caught:
        train(tmp_path / "m", resume=True)
    assert len(str(caught.value)) < 400
    assert not (tmp_path / "m" / "config.json").exists()


@pytest.mark.slow
def test_a_disk_that_is_full_keeps_the_last_checkpoint(
    tmp_path: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Cut):
        train(tmp_path / "m", say=cut_after(1))
    before = (tmp_path / "m" / "checkpoint.json").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InvalidModel, match="No space left on device"):
            train(tmp_path / "m", resume=True)
    assert (tmp_path / "m" / "checkpoint.json").read_bytes() == before
    train(tmp_path / "m", resume=True)
    assert weights(tmp_path / "m") == weights(trained.folder)


def test_a_training_that_diverges_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="diverged in epoch 1"):
        train(tmp_path / "m", recipe={**SMALL, "learning_rate": 1e30, "gradient_clip": 0.0})
    assert not (tmp_path / "m" / "config.json").exists()


@pytest.mark.slow
def test_the_best_of_a_run(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    space = NASNetCell(blocks=1)
    evaluator = {"name": "training", "dataset": "digits", "validation": 0.3,
                 "recipe": {"name": "quick", "epochs": 1, "filters": 2}}  # fmt: skip
    nas_gym.search(space, evaluator, "random-search", budget=3, run="r", store=store)
    run = load_run("r", store)
    found = train(tmp_path / "m", model="r", store=store, dataset=None, rank=2)
    assert found.model.figures["architecture"] == "number 2 of run r"
    assert found.model.figures["dataset"] == "digits"
    data = load_dataset("digits", validation=0.3)  # as the run's
    assert found.model.figures["validation_images"] == len(data.validation_labels)
    assert found.model.genotype == space.genotype_from_json(best_rows(run, 2)[1].genotype)
    with pytest.raises(UnknownName, match="; and there is no run 'nothing' in"):
        train(tmp_path / "n", model="nothing", store=store)
    with pytest.raises(nas_gym.NASGymError, match="has 3 different architectures"):
        train(tmp_path / "n", model=run, rank=4)


@pytest.mark.slow
def test_that_nothing_was_learnt_goes_to_the_log_if_nobody_else_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hopeless = {**SMALL, "epochs": 1, "learning_rate": 1e-9, "train_share": 0.1}
    figures = train(tmp_path / "m", recipe=hopeless).model.figures
    assert "learnt nothing" in caplog.text
    assert figures["train_images"] == 6  # of 54, 18 of each class
    caplog.clear()
    told: list[str] = []
    train(tmp_path / "n", recipe=hopeless, say=told.append)
    assert "learnt nothing" not in caplog.text
    assert sum(line.startswith("warning: a network") for line in told) == 1


def test_options_that_say_nothing_here_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="image_size"):
        train(tmp_path / "m", model="nas-cell", dataset="python-docs", image_size=8, recipe=None)
    with pytest.raises(InvalidOption, match="stream is asked for"):
        train(tmp_path / "m", stream=True)
    with pytest.raises(UnknownName, match="hidden"):
        train(tmp_path / "m", recipe={"name": "modern", "hidden": 8})
    assert not (tmp_path / "m").exists()


def test_a_recipe_that_leaves_nothing_of_the_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="nothing would ever be left of images of 8 x 8"):
        # Its paper's recipe cuts out 16 x 16 pixels.
        nas_gym.train("nasnet-a", tmp_path / "m", dataset="digits")
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_a_recipe_for_imagenet_means_its_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.jpg")
    recipe = {"name": "nasnet-imagenet-mobile", "epochs": 1, "repeats": 1, "filters": 4,
              "batch_size": 8, "learning_rate": 0.01}  # fmt: skip
    told: list[str] = []
    found = train(tmp_path / "m", model="nasnet-a", dataset=str(tmp_path / "photos"), recipe=recipe,
                  data_workers=0, say=told.append)  # fmt: skip
    assert found.model.task.height == 224
    assert told[0] == f"the training of nasnet-a begins; it writes to the folder {tmp_path / 'm'}"
    assert "(3 x 224 x 224 pixels)" in told[1]
    smaller = train(tmp_path / "n", model="nasnet-a", dataset=str(tmp_path / "photos"),
                    recipe=recipe, image_size=64)  # fmt: skip
    assert smaller.model.task.height == 64


@pytest.mark.slow
def test_what_stands_in_for_no_data_is_not_trained_as_in_a_paper(tmp_path: Path) -> None:
    found = train(tmp_path / "m", model="darts-v1", dataset=None,
                  recipe={"epochs": 1, "repeats": 1, "filters": 2})  # fmt: skip
    assert found.model.figures["recipe"]["cutout"] == 0
    named = train(tmp_path / "n", model="darts-v1",
                  recipe={"epochs": 1, "repeats": 1, "filters": 2, "cutout": 3})  # fmt: skip
    assert named.model.figures["recipe"]["drop_path"] == RECIPES["darts-cifar"].drop_path


@pytest.mark.slow
def test_outputs_that_are_no_numbers_are_said(tmp_path: Path) -> None:
    data = stripes()
    small = {
        f"{part}_images": getattr(data, f"{part}_images") / 2550
        for part in ("train", "validation", "test")
    }
    small["test_images"][0] = 3e38  # finite, and no float any more when it is normalised
    floats = replace(data, **small, mean=data.mean / 2550, deviation=data.deviation / 2550)
    told: list[str] = []
    recipe = {**SMALL, "trivial_augment": False}
    found = train(tmp_path / "m", dataset=floats, recipe=recipe, say=told.append)
    assert "test_accuracy" not in found.model.figures
    assert any("not finite" in line for line in told)


def test_what_was_trained_on_an_object_is_done_without_it(trained: Trained) -> None:
    again = nas_gym.train(trained.folder, resume=True)
    assert again.model.figures == trained.model.figures


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_end_keeps_the_checkpoint(
    tmp_path: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nas_gym.models.folder.sha256_of", full)
        with pytest.raises(InvalidModel, match=r"over.*No space left on device.*resume=True"):
            train(tmp_path / "m")
    assert (tmp_path / "m" / "checkpoint.json").exists()
    train(tmp_path / "m", resume=True)
    assert weights(tmp_path / "m") == weights(trained.folder)


# ---------------------------------------------------------------- the command


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = str(tmp_path / "m")
    quick = [option.replace("batch_size=16", "batch_size=64") for option in OPTIONS]
    with pytest.raises(SystemExit) as ended:
        main(["train", "darts-v1", "--to", to, *quick, "--json", "--latency"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["epochs"] == 2
    assert found["recipe"]["ema"] == 0.9
    assert len(found["latency"]) == 2
    assert err.startswith(f"the training of darts-v1 begins; it writes to the folder {to}\n")
    assert "epoch 2/2: loss" in err
    assert ", by the time of the first steps" in err
    with pytest.raises(SystemExit) as ended:
        main(["train", to, "--resume"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert f"test accuracy: {found['test_accuracy']:.4f}" in out
    for wrong in (["--set", "agent.x=1"], ["--set", "evaluator.folder=x"], ["--best", "2"],
                  ["--epochs", "3", "--set", "recipe.epochs=4"], ["--set", "recipe.nothing=1"],
                  ["--device", "moon"]):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(["train", "darts-v1", *wrong])
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def command(to: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "nas_gym", "train", "darts-v1", "--to", str(to), *OPTIONS,
        "--checkpoint-minutes", "0.005", *more,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_any_moment_changes_nothing(seed: int, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command(whole), capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    with (whole / "log.csv").open() as file:
        took = sum(float(row["seconds"]) for row in csv.DictReader(file))
    rng, kills = random.Random(seed), 0
    held = [sys.executable, str(HELD), "epoch 1/", *command(cut, "--resume")[3:]]
    for again in range(5):
        with subprocess.Popen(
            command(cut, "--resume") if again else held, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True, env=env,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("about "):  # from here on it trains
                    break
            time.sleep(rng.uniform(0.0, 0.5) * took)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
    assert kills
    subprocess.run(command(cut, "--resume"), check=True, capture_output=True, env=env)
    assert weights(cut) == weights(whole)


@pytest.mark.slow
def test_the_command_on_the_card_does_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "d.npz", images=np.asarray(stripes().train_images),
             labels=np.asarray(stripes().train_labels))  # fmt: skip
    first = train(
        tmp_path / "m", model="amoebanet-a", dataset=str(tmp_path / "d.npz"), validation=0.3,
        recipe={**SMALL, "mixup": 0.3, "drop_path": 0.0}, seed=7,
    )  # fmt: skip
    written = first.model.figures["command"]
    assert str(tmp_path) not in written  # nobody else has such a folder
    monkeypatch.chdir(tmp_path)
    assert written in (tmp_path / "m" / "README.md").read_text()
    words = shlex.split(written)
    assert words[:2] == ["nas-gym", "train"]
    with pytest.raises(SystemExit) as ended:
        main([*words[1:], "--to", str(tmp_path / "n")])
    assert ended.value.code == 0
    assert weights(tmp_path / "m") == weights(tmp_path / "n")


def test_the_front_matter_is_yaml_that_the_hub_reads(trained: Trained) -> None:
    _, front, _ = (trained.folder / "README.md").read_text().split("---\n", 2)
    found = yaml.safe_load(front)
    (result,) = found["model-index"][0]["results"]
    assert result["dataset"]["name"] == "stripes"
    assert result["metrics"] == [
        {"type": "accuracy", "value": trained.model.figures["test_accuracy"]}
    ]
    assert found["pipeline_tag"] == "image-classification"


OF_SPACES = {
    "nasbench201": (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
        {"name": "modern", "repeats": 1, "filters": 4},
    ),
    "nats-size": ("8:8:8:8:8", {"name": "modern"}),
    "conv-net": (None, {"name": "modern", "width_multiplier": 0.1}),
    "enas-rnn-cell": (None, {"name": "modern-text", "hidden": 6, "bptt": 8, "batch_size": 4}),
    "rnn-cell": (None, {"name": "zoph2016-ptb", "hidden": 6, "bptt": 8, "batch_size": 4}),
    "amoebanet-cell": (None, {"name": "amoebanet-cifar", "repeats": 1, "filters": 4}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_SPACES)
def test_every_kind_of_space(name: str, tmp_path: Path) -> None:
    text, recipe = OF_SPACES[name]
    space = make("space", name)
    if text is None:
        text = ",".join(map(str, random_tokens(space, np.random.default_rng(3))))
    recipe = {**recipe, "epochs": 2}
    data: Any = stripes()
    if "rnn" in name:
        line = "the cat sat on the mat\n"
        data = text_from_strings("cats", train=line * 40, validation=line * 5, test=line * 5)
    found = train(tmp_path / "m", model=text, space=name, recipe=recipe, dataset=data)
    assert len((tmp_path / "m" / "log.csv").read_text().splitlines()) == 3
    figures = load_model(tmp_path / "m").figures
    assert figures == found.model.figures
    assert ("test_perplexity" if "rnn" in name else "test_accuracy") in figures


ODD: list[Any] = [None, [], {}, "x", -1, 1e300, True, {"name": "os:system"}, [[]], "../x"]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    np.savez(folder / "d.npz", images=np.asarray(stripes().train_images),
             labels=np.asarray(stripes().train_labels))  # fmt: skip
    with pytest.raises(Cut):
        train(folder / "m", model="darts-v1", dataset=str(folder / "d.npz"), say=cut_after(1))
    return folder / "m"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["training.json", "checkpoint.json"])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_what_somebody_wrote_by_hand_is_one_sentence(
    name: str, odd: Any, begun: Path, tmp_path: Path
) -> None:
    content = json.loads((begun / name).read_text())
    fields = content["facts"] if name == "checkpoint.json" else content
    for field in [f for f in fields if f not in ("checksum", "shown", "argument", "format")]:
        place = Path(shutil.copytree(begun, tmp_path / field))
        changed = json.loads(json.dumps(content))
        changed.pop("checksum")
        within = changed["facts"] if name == "checkpoint.json" else changed
        if within[field] == odd:
            continue
        within[field] = odd
        write_checked(place / name, changed)
        with pytest.raises((nas_gym.NASGymError, Cut)) as caught:
            nas_gym.train(str(place), resume=True, threads=1, say=cut_after(1))
        assert "\n" not in str(caught.value)
        assert not (place / "os").exists()
