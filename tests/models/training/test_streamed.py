"""``nas-gym train`` on images that are streamed from a folder, by data workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nas_gym
from nas_gym import load_model
from nas_gym.errors import InvalidDataset

HELD = Path(__file__).with_name("held.py")
OPTIONS = [
    "darts-v1", "--image-size", "32", "--stream", "--data-workers", "1", "--recipe", "quick",
    "--epochs", "3", "--repeats", "1", "--filters", "4", "--threads", "1", "--set",
    "recipe.batch_size=16", "recipe.stem=pooled", "recipe.resized_crop=0.5", "recipe.flip=true",
    "recipe.trivial_augment=true", "recipe.ema=0.9",
]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, red and blue in noise, with a test folder of their own."""
    root, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    for part, count in (("train", 40), ("val", 12), ("test", 12)):
        for label, name in enumerate(("red", "blue")):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 120, (70, 90, 3)).astype(np.uint8)
                pixels[:, :, 2 * label] += 130
                Image.fromarray(pixels).save(root / part / name / f"{number}.jpg", quality=95)
    return root


def command(photos: Path, to: Path, *more: str, processes: int = 1) -> list[str]:
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    return [*start, "nas_gym", "train", *OPTIONS, "--dataset", str(photos), "--to", str(to), *more]


def run(words: list[str]) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, env=env)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_streamed_training_is_learnt_killed_and_gone_on_with(
    photos: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = run(command(photos, whole, "--json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["test_accuracy"] > 0.9
    model = load_model(whole)
    assert model.preprocessing.classes == ("blue", "red")
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    minutes = ("--checkpoint-minutes", "0.001")
    held = [sys.executable, str(HELD), "epoch 1/", *command(photos, cut, *minutes)[3:]]
    with subprocess.Popen(held, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 1/"):
                process.send_signal(signal.SIGKILL)
                break
    again = run(command(photos, cut, "--resume", "--data-workers", "0"))
    assert again.returncode == 0, again.stderr
    assert "goes on after step" in again.stderr
    assert weights(whole) == weights(cut)
    predicted = run([sys.executable, "-m", "nas_gym", "predict", str(cut),
                     str(photos / "test" / "blue"), "--json"])  # fmt: skip
    names = [each["classes"][0]["class"] for each in json.loads(predicted.stdout)]
    assert names.count("blue") >= 10


@pytest.mark.slow
def test_two_processes_share_what_is_streamed(photos: Path, tmp_path: Path) -> None:
    folders = [tmp_path / str(count) for count in (1, 2)]
    for count, folder in enumerate(folders, 1):
        # What has no even areas: there, rounding decides for many pixels at once what ReLU does.
        # That variation is the same for any number is seen in tests/training/images/test_stream.py.
        words = command(photos, folder, processes=count)
        words = [w for w in words if not w.startswith(("recipe.trivial", "recipe.resized"))]
        words[words.index("--dataset") : 0] = ["recipe.learning_rate=0.001"]
        done = run(words)
        assert done.returncode == 0, done.stderr
    losses = [
        [float(line.split(",")[3]) for line in (f / "log.csv").read_text().splitlines()[1:]]
        for f in folders
    ]
    assert np.allclose(*losses, rtol=2e-3)


def test_large_images_are_streamed_by_themselves(photos: Path, tmp_path: Path) -> None:
    recipe = {"name": "quick", "steps": 2, "repeats": 1, "filters": 2, "stem": "pooled"}
    found = nas_gym.train("darts-v1", tmp_path / "m", dataset=str(photos), image_size=128,
                          recipe=recipe, threads=1, data_workers=0)  # fmt: skip
    assert json.loads((tmp_path / "m" / "training.json").read_text())["streamed"] is True
    assert "--stream" in found.model.figures["command"]
    assert found.model.preprocessing.height == 128


@pytest.mark.slow
def test_a_picture_that_cannot_be_read_ends_it_in_a_sentence(photos: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(photos, tmp_path / "photos"))
    recipe = {"name": "quick", "epochs": 3, "repeats": 1, "filters": 2, "stem": "pooled"}
    picture = data / "test" / "red" / "3.jpg"
    good = picture.read_bytes()

    def spoil(line: str) -> None:
        if line.startswith("epoch 1/"):
            picture.write_bytes(b"x" * len(good))

    with pytest.raises(InvalidDataset, match=r"red/3\.jpg"):
        nas_gym.train("darts-v1", tmp_path / "m", dataset=str(data), stream=True, recipe=recipe,
                      say=spoil, threads=1, data_workers=0)  # fmt: skip
    assert (tmp_path / "m" / "checkpoint.json").exists()
    picture.write_bytes(good)
    nas_gym.train(str(tmp_path / "m"), resume=True, data_workers=0)
    assert (tmp_path / "m" / "model.safetensors").exists()
