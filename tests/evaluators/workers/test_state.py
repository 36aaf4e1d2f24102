"""One process holds the state of an evaluator that has some."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.envs.registration import make_vector_env
from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import keeps_state
from nas_gym.evaluators.landscapes import BitCount, Landscape
from nas_gym.evaluators.workers.executor import ExecutorEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run
from nas_gym.testing.evaluators import FailingEvaluator, SlowEvaluator

sys.path.append(str(Path(__file__).parent))  # processes get it as well
from unruly import Counter

SPACE = NASNetCell(blocks=1)


@pytest.mark.parametrize("wrap", [lambda inner: inner, lambda inner: SlowEvaluator(inner, 0)])
def test_it_is_never_spread(wrap: Any) -> None:
    counter = wrap(Counter())
    for make in (
        lambda: in_workers(counter, 2),
        lambda: ParallelEvaluator(counter, 2),
        lambda: make_vector_env(SPACE, counter, num_envs=2, workers=2),
        lambda: nas_gym.search(SPACE, counter, "random-search", budget=2, workers=2),
    ):
        with pytest.raises(InvalidOption, match=r"^workers is 2, .* is stateful, .* workers=1"):
            make()
    with ThreadPoolExecutor(1) as executor:
        for make in (
            lambda: in_workers(counter, 0, executor=executor),
            lambda: ExecutorEvaluator(counter, executor),
        ):
            with pytest.raises(InvalidOption, match=r"executor, .* is stateful, .* workers=1"):
                make()
    assert in_workers(counter, 0) is counter
    assert in_workers(counter, 1) == ParallelEvaluator(counter, 1)


def test_seeds_are_no_state() -> None:
    for seeded in (BitCount(), Landscape(SPACE, noise=0.1, fresh_noise=True)):
        assert seeded.stateful
        for evaluator in (seeded, FailingEvaluator(seeded)):
            assert not keeps_state(evaluator)
            assert in_workers(evaluator, 2) == ParallelEvaluator(evaluator, 2)


@pytest.mark.slow
def test_one_worker_counts_on() -> None:
    result = nas_gym.search(SPACE, Counter(), "random-search", budget=12, num_envs=4, workers=1)
    assert sorted(round(100 * answer.reward) for answer in result.answers) == list(range(1, 13))


@pytest.mark.slow
def test_a_run_ends_when_the_state_is_lost(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    options: dict[str, Any] = {"budget": 12, "run": "a", "store": store, "seed": 1}
    agent = {"name": "random-search", "batch_size": 4}
    with pytest.raises(NASGymError, match="worker process that held the state of the"):
        nas_gym.search(SPACE, Counter(dies_at=6), agent, workers=1, **options)
    run = load_run("a", store)
    assert (len(run.rows), len(run.unanswered)) == (4, 2)
    failures = [row.failure for row in (*run.rows, *run.unanswered)]
    assert [failure for failure in failures if failure] == ["crashed"]
    again = nas_gym.search(SPACE, Counter(), agent, workers=1, resume=True, **options)
    assert len(again.answers) == 12
