"""What comes before the first answer is told to whoever watches the search."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas_gym
from nas_gym.envs.recorder import Answer
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.training.once import loaded_once, once
from nas_gym.training.preparation import tell, telling, told_to

SMALL = {"height": 8, "width": 8, "repeats": 1, "filters": 2}
CHEAP = {"task": SMALL, "images": 2, "pool": 3}
POOL, SCORED, STEPS = "networks of the proxies' pool", "networks scored", "steps of the supernet"


class Listening:
    """A watcher that keeps what it is told before the first answer."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []
        self.before: int | None = None  # that came before the first answer

    def started(self) -> None:
        pass

    def preparing(self, what: str, done: int, total: int) -> None:
        self.told.append((what, done, total))

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        pass

    def evaluated(self, answer: Answer, seed: int) -> None:
        if self.before is None:
            self.before = len(self.told)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        pass


def told_by(evaluator: Any, agent: Any = "random-search", budget: int = 1) -> Listening:
    listening = Listening()
    nas_gym.search("nasbench201", evaluator, agent, budget=budget, watcher=listening)
    return listening


def test_the_pool_of_an_evaluator_by_proxies() -> None:
    listening = told_by({"name": "zero-cost", "proxies": ("parameters",), **CHEAP})
    assert listening.told == [(POOL, done, 3) for done in (1, 2, 3)]
    assert listening.before == 3


def test_the_pool_of_an_agent_with_a_proxy_and_what_it_scores() -> None:
    agent = {
        "name": "with-proxy", "proxies": ("parameters",), "proxy_options": CHEAP,
        "agent": "random-search", "scored": 4, "first": 1,
    }  # fmt: skip
    listening = told_by("nasbench201", agent)
    pool, scored = ([(what, done, n) for done in range(1, n + 1)]
                    for what, n in ((POOL, 3), (SCORED, 4)))  # fmt: skip
    assert listening.told == pool + scored
    assert listening.before == 7


@pytest.mark.few(1)
@pytest.mark.parametrize("sampling", ["uniform", "in-turn"])
def test_the_steps_of_a_supernet(sampling: str, tmp_path: Path) -> None:
    evaluator = {
        "name": "weight-sharing", "sampling": sampling, "warm_up": 12, "turn": 1,
        "checkpoints": str(tmp_path), "minibatch": 10, "recipe": {"steps": 12, "batch_size": 8},
    }  # fmt: skip
    listening = told_by(evaluator)
    assert listening.told == [(STEPS, 10, 12), (STEPS, 12, 12)]
    assert listening.before == 2


def test_nobody_has_to_listen() -> None:
    heard: list[int] = []
    with told_to(lambda what, done, total: heard.append(done)):
        assert list(telling("ab", "letters")) == ["a", "b"]
        with told_to(None):  # somebody within who does not listen: then who does hears it
            tell("letters", 3, 3)
        with told_to(lambda what, done, total: None):
            tell("letters", 4, 4)
    tell("letters", 5, 5)
    assert heard == [1, 2, 3]


def test_a_watcher_hears_of_the_files_of_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though they are read before the search begins, for its record."""
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            picture = Image.new("RGB", (4, 4), (number, 0, len(name)))
            picture.save(tmp_path / "pets" / name / f"{number}.png")
    recipe = {"name": "quick", "epochs": 1, "filters": 2}
    evaluator = {"name": "training", "dataset": "pets", "image_size": 8, "recipe": recipe}
    listening = Listening()
    nas_gym.search("nasbench201", evaluator, "random-search", budget=1, run="r", watcher=listening)
    assert listening.told == [("files of the data set read", done, 20) for done in range(1, 21)]
    assert listening.before == 20


def test_data_is_loaded_once_in_a_block_by_what_is_asked_for() -> None:
    def load(name: str, size: int) -> list[int]:
        return [size]

    with loaded_once():
        first = once(load, "pets", size=1)
        assert once(load, "pets", size=1) is first
        assert once(load, "pets", size=2) == [2]
        assert once(load, "cars", size=1) is not first
    assert once(load, "pets", size=1) is not first


def test_evaluators_share_data_in_a_block(tmp_path: Path) -> None:
    images = np.zeros((30, 8, 8), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(30) % 2)
    space = NASNetCell(blocks=1)
    made = [TrainingEvaluator(space, str(tmp_path / "mine.npz"), "quick") for _ in range(3)]
    with loaded_once():
        assert made[0].data is made[1].data
    assert made[2].data is not made[0].data
