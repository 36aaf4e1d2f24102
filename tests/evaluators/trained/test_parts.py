"""Children that are really trained in part: they come to what a whole training comes to."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym import search
from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import Evaluation, Fidelity
from nas_gym.evaluators.trained import checkpoints
from nas_gym.evaluators.trained.checkpoints import ChildCheckpoints, HalfTrained, default_folder
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.text import LanguageModelEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell

CELLS = NASNetCell(blocks=1)
RECURRENT = RNNCell(base=2)
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"name": "quick"},
    "with noise and averages": {
        "name": "quick", "drop_path": 0.2, "ema": 0.9, "flip": True, "optimizer": "adamw",
        "learning_rate": 0.01,
    },
    "of steps": {"name": "quick", "epochs": 1, "steps": 24},
}  # fmt: skip


def images(tmp_path: Path, recipe: str = "plain", **options: Any) -> TrainingEvaluator:
    small = {"epochs": 6, "filters": 2, "batch_size": 256} | RECIPES[recipe]
    return TrainingEvaluator(CELLS, recipe=small, checkpoints=tmp_path / "kept", **options)


def text(tmp_path: Path, **options: Any) -> LanguageModelEvaluator:
    folder = tmp_path / "text"
    folder.mkdir(exist_ok=True)
    words = np.random.default_rng(0).choice(["one", "two", "three", "four"], 4000)
    for part in ("train", "valid", "test"):
        (folder / f"{part}.txt").write_text(" ".join(words))
    recipe = {"name": "quick-text", "epochs": 6, "hidden": 8, "dropout_output": 0.2}
    return LanguageModelEvaluator(
        RECURRENT, str(folder), recipe=recipe, checkpoints=tmp_path / "kept", **options
    )


def first_of(evaluator: Any, seed: int = 0) -> Architecture[Any]:
    space = evaluator.space
    return architecture_of(space, random_tokens(space, np.random.default_rng(seed)))


def evaluated(evaluator: Any, part: Fidelity | None, seed: int = 7) -> Evaluation:
    parts = {} if part is None else {"fidelities": [part]}
    (answer,) = evaluator.evaluate([first_of(evaluator)], [seed], **parts)
    assert answer.failure is None, answer.detail
    return replace(answer, seconds=0.0)


def in_parts(evaluator: Any, ends: Sequence[int]) -> list[Evaluation]:
    begun, answers = 0, []
    for end in ends:
        answers.append(evaluated(evaluator, Fidelity(end, begun)))
        begun = end
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_parts_come_to_the_whole_bit_for_bit(recipe: str, tmp_path: Path) -> None:
    evaluator = images(tmp_path, recipe)
    most = evaluator.most_epochs
    assert most == (20 if recipe == "of steps" else 6)
    whole = evaluated(evaluator, None)
    parts = in_parts(evaluator, [1, 3, 0])
    assert parts[-1].metrics == whole.metrics
    assert not list((tmp_path / "kept").glob("*/*"))  # what is whole is not kept
    assert evaluated(evaluator, Fidelity(3)).metrics == parts[1].metrics  # trained at once


@pytest.mark.slow
def test_a_language_model_in_parts(tmp_path: Path) -> None:
    evaluator = text(tmp_path, curve=True)
    whole = evaluated(evaluator, None)
    parts = in_parts(evaluator, [2, 5, 0])
    assert parts[-1].metrics == whole.metrics
    assert parts[-1].curve == whole.curve
    assert len(whole.curve) == 6
    assert [len(part.curve) for part in parts] == [2, 5, 6]
    assert parts[0].curve == whole.curve[:2]
    assert whole.metrics["perplexity"] == min(whole.curve[-5:])


@pytest.mark.slow
def test_a_curve_is_the_accuracy_after_each_epoch(tmp_path: Path) -> None:
    plain, curved = images(tmp_path), images(tmp_path, curve=True)
    whole = evaluated(curved, None)
    assert whole.metrics == evaluated(plain, None).metrics
    assert evaluated(plain, None).curve == ()
    assert len(whole.curve) == 6
    assert whole.metrics["accuracy"] == max(whole.curve[-5:])
    assert whole.metrics["final_accuracy"] == whole.curve[-1]
    part = evaluated(curved, Fidelity(3))
    assert part.curve == whole.curve[:3]
    assert part.metrics["accuracy"] == max(whole.curve[:3])
    assert curved.protocol == {**plain.protocol, "curve": True}


def kept_file(tmp_path: Path) -> Path:
    (file,) = (tmp_path / "kept").glob(f"*/*{checkpoints.SUFFIX}")
    return file


def spoil_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        spoil_a_byte,
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(b""),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["gone", "a byte", "cut", "empty", "a folder"],
)
def test_a_child_that_is_lost_is_trained_from_the_beginning(spoil: Any, tmp_path: Path) -> None:
    evaluator = images(tmp_path)
    whole = evaluated(evaluator, None)
    evaluated(evaluator, Fidelity(3))
    file = kept_file(tmp_path)
    spoil(file)
    assert evaluated(evaluator, Fidelity(0, 3)).metrics == whole.metrics


@pytest.mark.slow
def test_a_child_of_another_network_is_no_beginning(tmp_path: Path) -> None:
    evaluator = images(tmp_path)
    evaluated(evaluator, Fidelity(3))
    wider = images(tmp_path, "with noise and averages")
    evaluated(wider, Fidelity(3))
    files = sorted((tmp_path / "kept").glob("*/*"))
    assert len(files) == 2
    assert files[0].name == files[1].name
    (mine,) = [f for f in files if f.parent == evaluator.kept.folder]
    (other,) = [f for f in files if f != mine]
    shutil.copy(other, mine)
    whole = evaluated(evaluator, None)
    assert evaluated(evaluator, Fidelity(0, 3)).metrics == whole.metrics


@pytest.mark.slow
def test_a_child_really_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of its first epochs are not taken again."""
    from nas_gym.training.images.train import ImageTraining

    steps: list[int] = []
    advance = ImageTraining.advance
    monkeypatch.setattr(
        ImageTraining, "advance", lambda self: (steps.append(self.epoch), advance(self))[1]
    )
    evaluator = images(tmp_path)
    in_parts(evaluator, [2, 3, 0])
    assert steps == sorted(steps)
    assert set(steps) == set(range(6))
    counts = {steps.count(epoch) for epoch in range(6)}
    assert len(counts) == 1


@pytest.mark.slow
def test_workers_hand_a_child_over(tmp_path: Path) -> None:
    evaluator = images(tmp_path)
    whole = evaluated(evaluator, None)
    one, two = (ParallelEvaluator(evaluator, 1) for _ in range(2))
    try:
        assert in_parts_of(one, evaluator, Fidelity(2)).failure is None
        late = in_parts_of(two, evaluator, Fidelity(0, 2))
    finally:
        one.close()
        two.close()
    assert late.metrics == whole.metrics


def in_parts_of(workers: Any, evaluator: Any, part: Fidelity) -> Evaluation:
    (answer,) = workers.evaluate([first_of(evaluator)], [7], [part])
    return answer  # type: ignore[no-any-return]


def test_the_oldest_children_make_room(tmp_path: Path) -> None:
    import torch

    kept = ChildCheckpoints(tmp_path, {"of": "x"}, largest=10_000)
    child = HalfTrained({"w": torch.zeros(1000)}, [[0.5]])
    for seed in range(4):
        kept.keep("key", seed, child)
        os.utime(kept._path("key", seed), ns=(seed, seed))
    assert [kept.load("key", seed) is not None for seed in range(4)] == [False, False, True, True]
    kept.clear()
    assert not kept.folder.exists()


def test_children_that_killed_searches_left_make_room(tmp_path: Path) -> None:
    import torch

    child = HalfTrained({"w": torch.zeros(1000)}, [[0.5]])
    left, kept = (ChildCheckpoints(tmp_path, {"of": of}, largest=10_000) for of in ("x", "y"))
    left.keep("key", 0, child)
    cut = left.folder / f".0{checkpoints.SUFFIX}.new"  # killed in the middle of a write
    cut.write_bytes(bytes(4000))
    for path in (left._path("key", 0), cut):
        os.utime(path, ns=(0, 0))
    for seed in range(2):
        kept.keep("key", seed, child)
    assert [kept.load("key", seed) is not None for seed in range(2)] == [True, True]
    assert not list(left.folder.iterdir())


def test_a_full_disk_is_said_when_the_child_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_file", full)
    evaluator = images(tmp_path)
    asked = [first_of(evaluator), first_of(evaluator, 1)]
    answers = evaluator.evaluate(asked, [7, 7], [Fidelity(1), Fidelity(1)])
    assert next(answers).failure is None
    with pytest.raises(
        InvalidOption, match=r"cannot be kept in .*kept \(No space left on device\): make room"
    ):
        next(answers)


@pytest.mark.slow
def test_a_run_that_could_not_keep_its_children_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator, store = images(tmp_path), tmp_path / "s.sqlite"
    agent = {"name": "successive-halving", "proposer": {"name": "random-search", "batch_size": 2}}
    whole = search(CELLS, evaluator, agent, budget=6)
    write, written = checkpoints.write_file, 0

    def full_after_two(*args: Any, **options: Any) -> None:
        nonlocal written
        written += 1
        if written > 2:
            raise OSError(28, "No space left on device")
        write(*args, **options)

    monkeypatch.setattr(checkpoints, "write_file", full_after_two)
    with pytest.raises(NASGymError, match="make room there, or repeat the command"):
        search(CELLS, evaluator, agent, budget=6, run="r", store=store)
    monkeypatch.setattr(checkpoints, "write_file", write)
    elsewhere = replace(evaluator, checkpoints=tmp_path / "elsewhere")
    more = search(CELLS, elsewhere, agent, budget=6, run="r", store=store, resume=True)
    assert (tmp_path / "elsewhere").is_dir()
    assert [(a.evaluation.epochs, a.reward) for a in more.answers] == [
        (a.evaluation.epochs, a.reward) for a in whole.answers
    ]


@pytest.mark.slow
def test_nothing_is_left_of_a_finished_search(tmp_path: Path) -> None:
    evaluator = images(tmp_path)
    agent = {"name": "successive-halving", "proposer": {"name": "random-search", "batch_size": 2}}
    search(CELLS, evaluator, agent, budget=4)
    assert not list((tmp_path / "kept").glob("*/*"))


def test_a_place_that_is_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = default_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.write_text("")
    with pytest.raises(InvalidOption, match=r"cannot be kept in .*: name another folder with"):
        default_folder()
    folder.unlink()
    folder.symlink_to(tmp_path / "else")
    with pytest.raises(InvalidOption, match="name another folder with"):
        default_folder()


@pytest.mark.slow
def test_a_search_with_asha_is_the_same_in_workers(tmp_path: Path) -> None:
    histories = []
    for workers in (0, 2):
        evaluator = images(tmp_path / str(workers))
        agent = {"name": "asha", "proposer": {"name": "random-search", "batch_size": 4}}
        result = search(CELLS, evaluator, agent, budget=24, workers=workers, asynchronous=False)
        histories.append([(a.evaluation.epochs, a.reward) for a in result.answers])
    assert histories[0] == histories[1]
