"""Evaluators say whether their answers have noise, through whatever runs them; it is so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.evaluators.evaluation import noise_free
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.tables.file import TableFile
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.registry import make
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.testing import BitCount, BitString, FailingEvaluator, SlowEvaluator

BITS = BitString(4)
CHEAP = {"proxies": ("parameters", "synflow"), "pool": 2, "images": 2}
CHEAP["task"] = {"height": 8, "width": 8, "repeats": 1, "filters": 2}  # type: ignore[assignment]


def table(folder: Path, trainings: int, seeds: str | int, **options: Any) -> TableFile:
    everything = list(enumerate_tokens(BITS))
    noise = np.random.default_rng(0).random((len(everything), trainings))
    path = folder / "table.npz"
    np.savez(path, architecture=[",".join(map(str, t)) for t in everything], accuracy=noise)
    return TableFile(BITS, path, "fraction", form="tokens", seeds=seeds, **options)


MADE: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "landscape": (lambda folder: Landscape(BITS), True),
    "landscape in epochs": (lambda folder: Landscape(BITS, epochs=4), True),
    "noisy landscape": (lambda folder: Landscape(BITS, noise=0.01), False),
    "fresh noise": (lambda folder: Landscape(BITS, noise=0.01, fresh_noise=True), False),
    "bits": (lambda folder: BitCount(noise=0.0), True),
    "noisy bits": (lambda folder: BitCount(), False),
    "mean of a table": (lambda folder: table(folder, 2, "mean"), True),
    "trainings of a table": (lambda folder: table(folder, 2, "random"), False),
    "a table of a function": (lambda folder: table(folder, 1, "random", exact=True), True),
}


@pytest.mark.parametrize(("made", "said"), MADE.values(), ids=MADE)
def test_what_is_said_is_so(made: Callable[[Path], Any], said: bool, tmp_path: Path) -> None:
    evaluator = made(tmp_path)
    architectures = [architecture_of(BITS, [0, 1, 1, 0])] * 8
    answers = {each.accuracy for each in evaluator.evaluate(architectures, range(8))}
    assert (len(answers) == 1) == noise_free(evaluator) == said


@pytest.mark.parametrize(("trainings", "seeds"), [(1, "mean"), (1, "random"), (2, 0), (2, 1)])
def test_one_recorded_training_is_noisy_though_it_answers_alike(
    trainings: int, seeds: str | int, tmp_path: Path
) -> None:
    assert noise_free(table(tmp_path, trainings, seeds)) is False


def test_a_table_says_whether_what_made_it_has_noise(tmp_path: Path) -> None:
    for noise, said in ((0.0, True), (0.1, False)):
        path = tmp_path / f"{said}.npz"
        nas_gym.tabulate(BITS, path, Landscape(BITS, noise=noise), seeds=1, store=tmp_path / "s")
        assert noise_free(TableFile(BITS, path)) is said


def test_proxies_have_no_noise_and_trainings_have() -> None:
    space = make("space", "nasbench201")
    evaluator = make("evaluator", {"name": "zero-cost", **CHEAP}, space=space)
    evaluator.settle()
    assert noise_free(evaluator)
    cell = architecture_of(space, [3] * 6)
    one, other = evaluator.evaluate([cell, cell], [0, 1])
    assert one.metrics == other.metrics
    assert noise_free(make("evaluator", "training", space=space)) is False
    assert noise_free(make("evaluator", "weight-sharing", space=space)) is False


@pytest.mark.parametrize(("noise", "said"), [(0.0, True), (0.1, False)])
def test_who_runs_it_changes_nothing_and_the_environment_says_it(noise: float, said: bool) -> None:
    inner = Landscape(BITS, noise=noise)
    for evaluator in (
        FailingEvaluator(inner, 0.5), SlowEvaluator(inner, 0.0), ParallelEvaluator(inner, 1)
    ):  # fmt: skip
        assert noise_free(evaluator) is said
        assert NASVectorEnv(BITS, evaluator).noise_free is said
        assert NASAsyncVectorEnv(BITS, evaluator, in_flight=2).noise_free is said


def test_who_does_not_say_is_not_known() -> None:
    class Silent:
        stateful = False

        def evaluate(self, architectures: Any, seeds: Any) -> Any:
            raise NotImplementedError

        def close(self) -> None:
            pass

    assert NASVectorEnv(BITS, Silent()).noise_free is None
