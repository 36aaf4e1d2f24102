"""Futures of children: from workers, from an executor, and from evaluators that answer at once."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators import submit
from nas_gym.evaluators.workers.executor import ExecutorEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.testing import BitCount, BitString, SlowEvaluator

sys.path.append(str(Path(__file__).parent))  # workers get it as well
from unruly import UnrulyEvaluator

SPACE = BitString(4)
ARCHITECTURES = [architecture_of(SPACE, tuple(map(int, f"{n:04b}"))) for n in range(16)]


def children(*orders: str) -> list[Architecture[str]]:
    return [Architecture((n,), order, str(n)) for n, order in enumerate(orders)]


def test_workers_train_what_comes_in_while_others_run(tmp_path: Path) -> None:
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=2)
    free = tmp_path / "free"
    held, *others = children(f"until {free}", "fine", "fine", "fine")
    try:
        first = evaluator.submit(held, 1)
        while not first.running():
            time.sleep(0.01)
        futures = {evaluator.submit(a, 100 + a.tokens[0]): a for a in others}
        answers = {futures[future]: future.result() for future in as_completed(futures, 200)}
        assert not first.done()  # two at a time
        free.touch()
        answers[held] = first.result(200)
        assert {a.tokens[0]: e.accuracy for a, e in answers.items()} == {
            0: 0.001, 1: 0.101, 2: 0.102, 3: 0.103,
        }  # fmt: skip
        assert all(answer.architecture is a for a, answer in answers.items())
    finally:
        evaluator.close()


def test_a_child_that_goes_wrong_is_an_evaluation() -> None:
    assert failures_of("fine", "exit", "raise", "fine") == [
        None, "crashed", "error: RuntimeError: on purpose", None,
    ]  # fmt: skip


@pytest.mark.slow
def test_a_child_that_takes_too_long_is_an_evaluation() -> None:
    assert failures_of("fine", "hang", "fine") == [None, "timeout", None]


def failures_of(*orders: str) -> list[str | None]:
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=2, timeout=5.0)
    try:
        futures = [evaluator.submit(architecture, 100) for architecture in children(*orders)]
        return [future.result(60).failure for future in futures]
    finally:
        evaluator.close()


def test_what_waits_can_be_cancelled_and_the_rest_is_at_the_end() -> None:
    evaluator = ParallelEvaluator(SlowEvaluator(BitCount(noise=0.0), seconds=1000), workers=1)
    futures = [evaluator.submit(a, 1) for a in ARCHITECTURES[:3]]
    while not futures[0].running():
        time.sleep(0.01)
    with pytest.raises(InvalidOption, match="submitted are in flight: take their results"):
        list(evaluator.evaluate(ARCHITECTURES[:1], [1]))
    begun = time.monotonic()
    evaluator.close()
    assert time.monotonic() - begun < 100  # and not after a thousand seconds
    assert all(future.done() for future in futures)
    assert [e.metrics["accuracy"] for e in _quick(evaluator)] == [0.0]


def test_only_what_a_worker_has_is_running(tmp_path: Path) -> None:
    """What waits for one can be cancelled, and is then not trained."""
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    free, never = tmp_path / "free", tmp_path / "never"
    asked = children("fine", f"until {free}", "fine", f"once {never}")
    try:
        futures = [evaluator.submit(a, 100 + a.tokens[0]) for a in asked]
        assert futures[0].result(200).failure is None
        assert not futures[3].running()
        assert futures[3].cancel()
        free.touch()
        assert [f.result(200).accuracy for f in futures[:3]] == [0.1, 0.101, 0.102]
        assert evaluator.submit(asked[0], 104).result(200).accuracy == 0.104
        assert not never.exists()
    finally:
        evaluator.close()


def test_batches_and_single_children_may_follow_each_other() -> None:
    evaluator = ParallelEvaluator(BitCount(noise=0.0), workers=2)
    try:
        for _ in range(2):
            assert evaluator.submit(ARCHITECTURES[3], 1).result(60).accuracy == 0.5
            batch = evaluator.evaluate(ARCHITECTURES[:4], [1, 2, 3, 4])
            assert sorted(e.accuracy or 0.0 for e in batch) == [0.0, 0.25, 0.25, 0.5]
    finally:
        evaluator.close()


def test_what_ends_the_workers_is_said_by_every_future() -> None:
    """Also by those that no worker had, and to whoever waits for them."""
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    asked = [Architecture((n,), "no data", str(n)) for n in range(3)]
    try:
        futures = [evaluator.submit(architecture, 100) for architecture in asked]
        assert wait(futures, timeout=60).not_done == set()
        for future in futures:
            with pytest.raises(NASGymError, match="the data is gone"):
                future.result()
    finally:
        evaluator.close()


def _quick(evaluator: ParallelEvaluator) -> Any:
    quick = ParallelEvaluator(BitCount(noise=0.0), workers=1)
    try:
        return list(quick.evaluate(ARCHITECTURES[:1], [1]))
    finally:
        quick.close()
        evaluator.close()


def test_an_executor_gives_futures_of_evaluations() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        evaluator = ExecutorEvaluator(BitCount(noise=0.0), executor)
        futures = [evaluator.submit(a, 1) for a in ARCHITECTURES]
        counted = [future.result(60).metrics["accuracy"] for future in futures]
        evaluator.close()
    assert counted == [sum(a.tokens) / 4 for a in ARCHITECTURES]


def test_closing_cancels_what_waits_in_an_executor(tmp_path: Path) -> None:
    free = tmp_path / "free"
    with ThreadPoolExecutor(1) as executor:
        evaluator = ExecutorEvaluator(UnrulyEvaluator(), executor)
        futures = [evaluator.submit(a, 1) for a in children(f"until {free}", *["fine"] * 15)]
        while not (tmp_path / "free.waits").exists():
            time.sleep(0.01)
        evaluator.close()
        free.touch()
    assert [future.result(1).failure is None for future in futures] == [True] + [False] * 15


def test_an_evaluator_that_answers_at_once_gives_a_future_that_is_done() -> None:
    future = submit(BitCount(noise=0.0), ARCHITECTURES[3], 1)
    assert future.done()
    assert future.result().metrics["accuracy"] == 0.5
