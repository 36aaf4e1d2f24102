"""Images of a folder are decoded once, by the main process; its workers map them."""

import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas_gym.errors import NASGymError
from nas_gym.evaluators.evaluation import Job
from nas_gym.evaluators.trained.checkpoints import default_folder
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.lent import SUFFIX, Loan
from nas_gym.evaluators.workers.engines.dask import Dask
from nas_gym.evaluators.workers.engines.evaluator import EngineEvaluator
from nas_gym.evaluators.workers.engines.mpi import MPI
from nas_gym.evaluators.workers.engines.ray import Ray
from nas_gym.evaluators.workers.engines.slurm import Slurm
from nas_gym.evaluators.workers.executor import is_here
from nas_gym.evaluators.workers.jobs import dump_evaluator, evaluate_job, job_of, load_evaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.training.images.sources import load_dataset

CELL = NASNetCell(blocks=1)
SMALL = {"name": "quick", "epochs": 1, "filters": 4, "batch_size": 8}
FIELDS = ("images", "labels")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test's own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return default_folder("images")


def pictures(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def evaluator_of(folder: Path) -> TrainingEvaluator:
    return TrainingEvaluator(CELL, str(folder), SMALL, image_size=8)


def lent_files(place: Path) -> list[Path]:
    return list(place.glob(f"*{SUFFIX}"))


def assert_same(one: object, other: object) -> None:
    for part in ("train", "validation", "test"):
        for name in FIELDS:
            assert torch.equal(getattr(one, f"{part}_{name}"), getattr(other, f"{part}_{name}"))


def test_workers_do_not_decode(tmp_path: Path, place: Path) -> None:
    """The folder is gone when they start, and they train on it all the same."""
    folder = pictures(tmp_path / "pets")
    alone = evaluator_of(folder)
    architectures = [architecture_of(CELL, [token] * CELL.max_length) for token in (0, 1, 1)]
    wanted = {e.architecture.key: e.metrics for e in alone.evaluate(architectures[:2], [3, 4])}
    spread = ParallelEvaluator(evaluator_of(folder), workers=2)
    spread.settle()
    shutil.rmtree(folder)
    found = {e.architecture.key: e.metrics for e in spread.evaluate(architectures[:2], [3, 4])}
    assert found == wanted
    assert len(lent_files(place)) == 1
    spread.close()
    assert list(place.iterdir()) == []


def test_a_pickle_maps_the_very_images(tmp_path: Path, place: Path) -> None:
    folder = pictures(tmp_path / "pets")
    evaluator = evaluator_of(folder)
    sent = dump_evaluator(evaluator)
    whole = load_dataset(folder, image_size=8)
    assert len(sent) < 20_000
    shutil.rmtree(folder)
    there = load_evaluator(sent)
    assert isinstance(there, TrainingEvaluator)
    for data in (there.data, evaluator.data):
        assert_same(data, whole)
        assert data.fingerprint == whole.fingerprint
        assert data.summary.to_json() == whole.summary.to_json()
    (file,) = lent_files(place)
    assert file.stat().st_size == 16 * 3 * 8 * 8
    there.close()  # what is lent is not its own
    assert lent_files(place) == [file]
    assert dump_evaluator(evaluator) == sent  # executors know an evaluator by its bytes
    evaluator.close()
    evaluator.close()
    assert lent_files(place) == []
    assert_same(there.data, whole)  # who has it keeps it


def test_without_the_file_the_folder_is_read(tmp_path: Path, place: Path) -> None:
    folder = pictures(tmp_path / "pets")
    evaluator = evaluator_of(folder)
    sent = dump_evaluator(evaluator)
    whole = evaluator.data
    (file,) = lent_files(place)
    for change in (lambda: file.write_bytes(file.read_bytes()[:100]), file.unlink):
        change()
        there = load_evaluator(sent)
        assert isinstance(there, TrainingEvaluator)
        assert there.data.fingerprint == whole.fingerprint
    evaluator.close()
    again = load_evaluator(dump_evaluator(evaluator))  # after close, too
    assert len(lent_files(place)) == 1
    assert again.data.fingerprint == whole.fingerprint  # type: ignore[attr-defined]
    evaluator.close()


def test_no_room_is_said_and_each_reads_for_itself(
    tmp_path: Path, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = pictures(tmp_path / "pets")
    evaluator = evaluator_of(folder)
    evaluator.settle()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # bytes of a file
    try:
        sent = dump_evaluator(evaluator)
        sent = dump_evaluator(evaluator)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [r.message for r in caplog.records] == [
        "the images of pets cannot be lent to the workers, so that each reads the folder itself "
        "(File too large): make room in the folder for temporary files, or name another one in "
        "TMPDIR"
    ]
    assert list(place.iterdir()) == []
    job = job_of(Job(architecture_of(CELL, [0] * CELL.max_length), 0))
    outcome = evaluate_job(load_evaluator(sent), job)
    assert getattr(outcome, "failure", outcome) is None


def test_only_folders_are_lent(tmp_path: Path, place: Path) -> None:
    evaluator = TrainingEvaluator(CELL, "digits", SMALL)
    dump_evaluator(evaluator)
    assert lent_files(place) == []
    evaluator.close()


def test_nothing_is_lent_to_other_machines(tmp_path: Path, place: Path) -> None:
    evaluator = evaluator_of(pictures(tmp_path / "pets"))
    nowhere = Dask(address="tcp://127.0.0.1:1")
    spread = EngineEvaluator(evaluator, nowhere)
    architecture = architecture_of(CELL, [0] * CELL.max_length)
    with pytest.raises(NASGymError, match=r"127\.0\.0\.1:1"):  # after it was made ready to be sent
        spread.submit(architecture, 0)
    assert "data" in vars(evaluator)
    assert lent_files(place) == []
    spread.close()
    far = [nowhere, Dask(scheduler_file="shared.json"), Ray(address="auto"), Slurm(), MPI()]
    assert not any(is_here(executor) for executor in far)
    for executor in (Dask(), Ray(), Slurm(local=True), ThreadPoolExecutor(1)):
        assert is_here(executor)


def test_an_evaluator_that_is_forgotten_leaves_nothing(tmp_path: Path, place: Path) -> None:
    evaluator = evaluator_of(pictures(tmp_path / "pets"))
    dump_evaluator(evaluator)
    assert len(lent_files(place)) == 1
    del evaluator
    gc.collect()
    assert list(place.iterdir()) == []


def test_a_fork_takes_nothing_back(tmp_path: Path, place: Path) -> None:
    evaluator = evaluator_of(pictures(tmp_path / "pets"))
    dump_evaluator(evaluator)
    child = os.fork()
    if child == 0:
        evaluator.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(lent_files(place)) == 1
    evaluator.close()


PROGRAM = """
import sys, time
from pathlib import Path
from nas_gym.evaluators.trained.lent import Loan
from nas_gym.training.images.sources import load_dataset
loan = Loan(load_dataset(sys.argv[1], image_size=8))
print("lent", flush=True)
time.sleep(1000)
"""


@pytest.mark.slow
def test_what_a_killed_process_has_left_is_removed_by_the_next(tmp_path: Path, place: Path) -> None:
    folder = pictures(tmp_path / "pets")
    programs = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, folder], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == b"lent\n"
        assert len(lent_files(place)) == 2
        programs[0].send_signal(signal.SIGKILL)
        programs[0].wait()
        assert len(lent_files(place)) == 2
        loan = Loan(load_dataset(folder, image_size=8))
        assert len(lent_files(place)) == 2  # its own, and that of the other, which lives
        loan.close()
        assert len(lent_files(place)) == 1
    finally:
        for program in programs:
            program.kill()
            program.wait()
            assert program.stdout is not None
            program.stdout.close()
