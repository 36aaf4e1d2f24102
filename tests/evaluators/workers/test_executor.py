import multiprocessing
import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import gymnasium as gym
import pytest

from nas_gym.errors import InvalidDataset, InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.workers.executor import ExecutorEvaluator
from nas_gym.runs.search import search
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitCount, BitString, Landscape
from nas_gym.testing.evaluator_suite import EvaluatorSuite

sys.path.append(str(Path(__file__).parent))  # processes get it as well
from unruly import NoReturn, UnrulyEvaluator

START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def children(*orders):
    return [Architecture((n,), order, str(n)) for n, order in enumerate(orders)]


def by_place(evaluator, *orders):
    asked = children(*orders)
    answers = list(evaluator.evaluate(asked, range(100, 100 + len(asked))))
    return sorted(answers, key=lambda evaluation: evaluation.architecture.tokens)


def new_processes(workers=2):
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(START))


@pytest.fixture(scope="module")
def processes():
    with new_processes() as executor:
        yield executor


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


class TestInThreads(EvaluatorSuite):
    @pytest.fixture
    def evaluator(self, space, threads):
        return ExecutorEvaluator(Landscape(space), threads)


class TestInProcesses(EvaluatorSuite):
    @pytest.fixture
    def evaluator(self, space, processes):
        return ExecutorEvaluator(Landscape(space), processes)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_bad_children_are_rows(request, kind):
    executor = request.getfixturevalue(kind)
    evaluator = ExecutorEvaluator(UnrulyEvaluator(), executor)
    fine, raised, left, odd, last = by_place(evaluator, "fine", "raise", "exit 0", "odd", "fine")
    assert (fine.failure, fine.accuracy, last.accuracy) == (None, 0.1, 0.104)
    assert (fine.metrics["pid"] == os.getpid()) == (kind == "threads")
    assert raised.failure == "error: RuntimeError: on purpose"
    assert raised.detail.endswith("RuntimeError: on purpose")
    assert left.failure == "error: SystemExit: 0"
    assert odd.failure == "error: Odd: its __str__ raises ValueError"
    with pytest.raises(InvalidDataset, match="the data is gone"):
        by_place(evaluator, "no data")
    evaluator.close()
    assert by_place(evaluator, "fine")[0].failure is None  # the executor is its owner's


def test_each_process_loads_the_evaluator_once(processes):
    evaluator = ExecutorEvaluator(LoadCounter(), processes)
    by_process = {}
    for evaluation in by_place(evaluator, *["fine"] * 10):
        by_process.setdefault(evaluation.metrics["pid"], set()).add(evaluation.metrics["loads"])
    assert all(loads == {1} for loads in by_process.values())


class LoadCounter:
    stateful = False
    loads = 0

    def __setstate__(self, state):
        LoadCounter.loads += 1

    def __getstate__(self):
        return {"for": "__setstate__ to be called"}

    def evaluate(self, architectures, seeds):
        for architecture in architectures:
            metrics = {"accuracy": 0.5, "pid": os.getpid(), "loads": LoadCounter.loads}
            yield Evaluation(architecture, metrics)

    def close(self):
        pass


def test_an_evaluator_that_cannot_be_loaded(processes):
    with pytest.raises(InvalidOption, match="cannot load the evaluator"):
        by_place(ExecutorEvaluator(UnrulyEvaluator(NoReturn()), processes), "fine")


def test_a_child_that_breaks_the_executor_ends_with_one_clear_sentence():
    with new_processes(1) as executor:
        evaluator = ExecutorEvaluator(UnrulyEvaluator(), executor)
        for _ in range(2):  # at the result, then at the next submit
            with pytest.raises(
                NASGymError, match=r"the executor broke.*`nas-gym resume`.*workers="
            ):
                by_place(evaluator, "exit")


def test_an_executor_that_is_shut_down():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(NASGymError, match="give one that is not shut down"):
        by_place(ExecutorEvaluator(UnrulyEvaluator(), executor), "fine")


def test_an_executor_may_have_limits_of_its_own():
    class Strict(ThreadPoolExecutor):
        def submit(self, function, /, *arguments):
            future = Future()
            future.set_exception(TimeoutError("took more than a minute"))
            return future

    with Strict(1) as executor:
        (answer,) = by_place(ExecutorEvaluator(UnrulyEvaluator(), executor), "fine")
    assert (answer.failure, answer.detail) == ("timeout", "took more than a minute")


def test_stopping_early_cancels_what_waits(tmp_path):
    free, begun = tmp_path / "free", tmp_path / "begun"
    with ThreadPoolExecutor(1) as executor:
        answers = ExecutorEvaluator(UnrulyEvaluator(), executor).evaluate(
            children("fine", f"until {free}", f"once {begun}"), range(3)
        )
        next(answers)
        answers.close()
        free.touch()
        assert executor.submit(int).result(60) == 0
    assert not begun.exists()


def test_only_an_executor_is_one():
    with pytest.raises(InvalidOption, match="executor is 3: give a live"):
        ExecutorEvaluator(UnrulyEvaluator(), 3)


def test_make_vec_takes_an_executor(threads):
    space = NASNetCell(blocks=1)
    env = gym.make_vec(
        "NASNetCell-v0", num_envs=2, space=space, evaluator=Landscape(space), executor=threads
    )
    assert isinstance(env.ledger.evaluator, ExecutorEvaluator)
    played = env.play([[0] * space.max_length])
    assert 0 <= played[0].reward <= 1
    env.close()


def test_a_search_with_an_executor_and_no_end(threads):
    result = search(
        BitString(3), BitCount(), "random-search", budget=4, executor=threads, child_seed=0
    )
    assert [answer.evaluation.failure for answer in result.answers] == [None] * 4
