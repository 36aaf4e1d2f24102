"""Several processes that train one network: the same training, by ``torchrun``, on CPUs."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

IMAGES = [
    "nasnet-a", "--recipe", "quick", "--epochs", "3", "--repeats", "1", "--filters", "4",
    "--set", "recipe.flip=true", "recipe.crop_padding=1", "recipe.ema=0.9", "recipe.batch_size=64",
    "recipe.auxiliary_weight=0.4", "recipe.gradient_clip=5",
]  # fmt: skip
TEXT = [
    "nas-cell", "--recipe", "quick-text", "--epochs", "2", "--set", "recipe.hidden=8",
    "recipe.batch_size=4", "recipe.bptt=10", "evaluator.level=character",
]  # fmt: skip


def run(
    to: Path, processes: int, options: list[str], *more: str
) -> "subprocess.CompletedProcess[str]":
    start = [sys.executable, "-m"]
    if processes > 1:
        start += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    return subprocess.run(
        [*start, "nas_gym", "train", *options, "--to", str(to), "--threads", "1", *more],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def curve(folder: Path) -> dict[str, list[float]]:
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0] if name != "seconds"}


def text_options(folder: Path) -> list[str]:
    for part, times in (("train", 30), ("valid", 4), ("test", 4)):
        (folder / f"{part}.txt").write_text("the cat sat on the mat\nthe dog sat\n" * times)
    return [*TEXT, "--dataset", str(folder)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["images", "text"])
def test_two_processes_train_as_one(kind: str, tmp_path: Path) -> None:
    options = IMAGES if kind == "images" else text_options(tmp_path)
    done = [run(tmp_path / str(count), count, options, "--json") for count in (1, 2)]
    for each in done:
        assert each.returncode == 0, each.stderr
    one, two = (curve(tmp_path / str(count)) for count in (1, 2))
    assert np.allclose(one["loss"], two["loss"], rtol=2e-3)
    assert one["steps"] == two["steps"]
    first, second = (load_file(tmp_path / str(n) / "model.safetensors") for n in (1, 2))
    assert first.keys() == second.keys()
    figures = [json.loads(each.stdout) for each in done]
    name = "test_accuracy" if kind == "images" else "test_perplexity"
    assert figures[0][name] == pytest.approx(figures[1][name], rel=0.05)
    assert done[1].stderr.count("epoch 1/") == 1  # one of them speaks


@pytest.mark.slow
@pytest.mark.parametrize(("begin", "end"), [(1, 2), (2, 1)])
def test_a_checkpoint_of_one_number_goes_on_with_another(
    begin: int, end: int, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run(whole, 1, IMAGES).returncode == 0
    process: Any = subprocess.Popen(
        [sys.executable, "-c", CUT_AFTER_ONE, str(begin), str(HELD), *IMAGES],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUT_TO": str(cut)},
    )
    assert process.wait(300) == 0
    assert (cut / "checkpoint.json").exists()
    assert not (cut / "config.json").exists()
    done = run(cut, end, IMAGES, "--resume")
    assert done.returncode == 0, done.stderr
    assert "goes on after step" in done.stderr
    one, two = curve(whole), curve(cut)
    assert one["steps"] == two["steps"]
    assert np.allclose(one["loss"], two["loss"], rtol=2e-3)


HELD = Path(__file__).with_name("held.py")
# Starts a training, and kills all of its processes when the first epoch is written.
CUT_AFTER_ONE = """
import os, signal, subprocess, sys, time
count, held, *options = sys.argv[1:]
to = os.environ["CUT_TO"]
start = [sys.executable]
if int(count) > 1:
    start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count]
process = subprocess.Popen(
    [*start, held, "epoch 1/", "train", *options, "--to", to, "--threads", "1"],
    stderr=subprocess.PIPE, text=True, start_new_session=True,
)
for line in process.stderr:
    if line.startswith("epoch 1/"):
        os.killpg(process.pid, signal.SIGKILL)
        break
process.wait()
# torchrun gives each process a session of its own.
while subprocess.run(["pkill", "-9", "-f", to]).returncode == 0:
    time.sleep(0.1)
"""


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path / "m", 2, [*IMAGES[:-3], "recipe.batch_size=63"])
    assert done.returncode != 0
    assert "a batch has 63 examples, and there are 2 processes" in done.stderr
