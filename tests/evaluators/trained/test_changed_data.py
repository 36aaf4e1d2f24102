"""Data that changes while a run lives: every process that loads it compares."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.errors import InvalidDataset, InvalidOption
from nas_gym.evaluators.evaluation import Job
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.text import LanguageModelEvaluator
from nas_gym.evaluators.workers.jobs import dump_evaluator, evaluate_job, job_of, load_evaluator
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.training.images.sources import load_dataset
from nas_gym.training.text.dataset import text_from_strings

CELL = NASNetCell(blocks=1)


def arrays(folder: Path, seed: int) -> str:
    images = np.random.default_rng(seed).integers(0, 255, (30, 8, 8), dtype=np.uint8)
    np.savez(folder / "data.npz", images=images, labels=np.arange(30) % 2)
    return str(folder / "data.npz")


def pictures(folder: Path, seed: int) -> str:
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 255, (2, 4, 8, 8, 3), dtype=np.uint8)
    for label in range(2):
        (folder / "photos" / str(label)).mkdir(parents=True, exist_ok=True)
        for i, each in enumerate(pixels[label]):
            Image.fromarray(each).save(folder / "photos" / str(label) / f"{i}.png")
    return str(folder / "photos")


def texts(folder: Path, seed: int) -> str:
    words = np.random.default_rng(seed).integers(0, 9, 400)
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text(" ".join(map(str, words)) + "\n", encoding="utf-8")
    return str(folder)


Write = Callable[[Path, int], str]
KINDS: list[Any] = [
    (arrays, lambda place: TrainingEvaluator(CELL, place)),
    pytest.param(
        pictures,
        lambda place: TrainingEvaluator(CELL, place, image_size=8),
        marks=pytest.mark.slow,  # imports torchvision
    ),
    (texts, lambda place: LanguageModelEvaluator(RNNCell(), place)),
]


@pytest.mark.parametrize(("write", "make"), KINDS)
def test_a_process_that_finds_other_data_says_so(
    write: Write, make: Callable[..., Any], tmp_path: Path
) -> None:
    evaluator = make(write(tmp_path, 0))
    sent = dump_evaluator(evaluator)  # in the main process, which has the data
    evaluator.close()  # and lends no images any more
    write(tmp_path, 1)
    worker = load_evaluator(sent)
    job = job_of(Job(architecture_of(evaluator.space, _first(evaluator.space)), 0))
    for _ in range(2):  # no child after the first is taken in, either
        outcome = evaluate_job(worker, job)
        assert isinstance(outcome, InvalidDataset)
        assert "has changed since the run began" in str(outcome)
    for again in (copy.deepcopy(evaluator), pickle.loads(pickle.dumps(evaluator))):
        with pytest.raises(InvalidDataset, match="has changed"):
            _ = again.protocol
    assert again == evaluator
    assert replace(evaluator).protocol["fingerprint"] != evaluator.protocol["fingerprint"]
    write(tmp_path, 0)
    load_evaluator(sent).settle()  # type: ignore[attr-defined]


def _first(space: Any) -> tuple[int, ...]:
    from nas_gym.envs.episode import Episode
    from nas_gym.search_spaces.choice_table import ChoiceTable

    episode = Episode(ChoiceTable(space))
    while episode.open is not None:
        episode.take(0)
    return tuple(episode.tokens)


def test_files_that_are_gone_or_half_written_fail_no_child(tmp_path: Path) -> None:
    evaluator = TrainingEvaluator(CELL, arrays(tmp_path, 0))
    sent = dump_evaluator(evaluator)
    job = job_of(Job(architecture_of(CELL, _first(CELL)), 0))
    file = Path(str(evaluator.dataset))
    file.write_bytes(file.read_bytes()[:1000])
    assert isinstance(evaluate_job(load_evaluator(sent), job), InvalidDataset)
    file.unlink()
    assert isinstance(evaluate_job(load_evaluator(sent), job), InvalidDataset)


class Odd(TrainingEvaluator):
    """Whose data cannot be read for a reason that nobody thought of."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        raise PermissionError(13, "Permission denied")


def test_whatever_reading_raises_is_no_childs_fault() -> None:
    with pytest.raises(InvalidDataset, match=r"'digits' cannot be read .PermissionError"):
        list(Odd(CELL).evaluate([architecture_of(CELL, _first(CELL))], [0]))


def test_a_data_set_of_another_kind_is_refused_when_it_is_given() -> None:
    text = text_from_strings("t", "a b c " * 50, "a b c " * 50, "a b c " * 50)
    for wrong in (text, 3, True, b"digits", np.zeros(3), object):
        with pytest.raises(InvalidOption, match="give a name, a path or the data set"):
            TrainingEvaluator(CELL, wrong)  # type: ignore[arg-type]
    for wrong in (load_dataset("digits"), 3, np.zeros(3)):
        with pytest.raises(InvalidOption, match="give a name, a path or the data set"):
            LanguageModelEvaluator(RNNCell(), wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("write", "make"), KINDS)
def test_a_path_object_is_a_path(write: Write, make: Callable[..., Any], tmp_path: Path) -> None:
    place = write(tmp_path, 0)
    assert make(Path(place)) == make(place)
