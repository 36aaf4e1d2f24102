import asyncio
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation, Job
from nas_gym.evaluators.guard import Guard
from nas_gym.evaluators.metrics import Metric
from nas_gym.options.printable import shown
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.testing import BitCount, BitString

SPACE = BitString(3)


class Given:
    """An evaluator that answers as a function of the architectures says."""

    stateful = False

    def __init__(self, answers: Any) -> None:
        self.answers = answers
        self.asked: list[list[tuple[int, ...]]] = []

    def evaluate(self, architectures: Any, seeds: Any) -> Iterator[Evaluation]:
        self.asked.append([a.tokens for a in architectures])
        yield from self.answers(architectures)

    def close(self) -> None:
        pass


def jobs(*tokens: tuple[int, ...]) -> dict[int, Job]:
    return {10 + i: Job(architecture_of(SPACE, each), i) for i, each in enumerate(tokens)}


def test_positions_come_back_in_the_order_of_the_answers() -> None:
    evaluator = Given(lambda asked: [Evaluation(a, {"accuracy": 0.5}) for a in reversed(asked)])
    asked = jobs((0, 0, 0), (0, 0, 1))
    found = list(Guard(evaluator).evaluations(asked))
    assert [position for position, _ in found] == [11, 10]
    assert all(each.architecture is asked[p].architecture for p, each in found)
    assert list(Guard(evaluator).evaluations({})) == []
    assert len(evaluator.asked) == 1


def test_the_same_tokens_are_asked_in_turn() -> None:
    evaluator = Given(lambda asked: [Evaluation(a, {"accuracy": 0.5}) for a in asked])
    found = Guard(evaluator).evaluations(jobs((0, 0, 0), (0, 0, 1), (0, 0, 0), (0, 0, 0)))
    assert sorted(position for position, _ in found) == [10, 11, 12, 13]
    assert evaluator.asked == [[(0, 0, 0), (0, 0, 1)], [(0, 0, 0)], [(0, 0, 0)]]


def test_silence_and_what_is_no_number_are_failures() -> None:
    for value in (float("nan"), float("inf"), np.float32("nan"), 10**400, None):
        evaluator = Given(lambda asked, value=value: [Evaluation(asked[1], {"accuracy": value})])
        found = dict(Guard(evaluator).evaluations(jobs((0, 0, 0), (0, 0, 1))))
        assert found[11].failure == f"error: the metric accuracy is {shown(value)}"
        assert found[10].failure == "error: the evaluator gave no answer"
        assert found[11].metrics == found[10].metrics == {}


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, "1", None, 1e300])
def test_a_time_that_is_none_is_refused(seconds: Any) -> None:
    evaluator = Given(lambda asked: [Evaluation(asked[0], {"accuracy": 0.5}, seconds)])
    with pytest.raises(InvalidOption, match=r"^seconds of an Evaluation is .*: give a number"):
        list(Guard(evaluator).evaluations(jobs((0, 0, 0))))


def test_an_evaluator_that_answers_twice_is_refused() -> None:
    twice = Given(lambda asked: [Evaluation(asked[0], {"accuracy": 0.5})] * 2)
    with pytest.raises(InvalidOption, match="once more than it was asked"):
        list(Guard(twice).evaluations(jobs((0, 0, 0))))


def test_what_is_no_evaluation_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"the evaluator gave 0\.5: an evaluator yields"):
        list(Guard(Given(lambda asked: [0.5])).evaluations(jobs((0, 0, 0))))


@pytest.mark.parametrize(
    "name",
    ["test_accuracy", "accuracy_test", "TestAccuracy", "x-test", "valTest", "finalTestAccuracy"],
)
def test_no_search_sees_a_test_figure(name: str) -> None:
    class Leaking(BitCount):
        stateful = False

        def evaluate(self, architectures: Any, seeds: Any) -> Iterator[Evaluation]:
            for evaluation in super().evaluate(architectures, seeds):
                yield replace(evaluation, metrics={**evaluation.metrics, name: 0.5})

    env = NASVectorEnv(SPACE, Leaking(), budget=10)
    with pytest.raises(InvalidOption, match="no search may see a figure of the test part"):
        env.play([(0, 0, 1)])


def test_names_that_only_sound_like_a_test_figure() -> None:
    metrics = {"latest_accuracy": 0.5, "contest": 1.0}
    evaluator = Given(lambda asked: [Evaluation(asked[0], metrics)])
    assert dict(Guard(evaluator).evaluations(jobs((0, 0, 0))))[10].metrics == metrics


@pytest.mark.parametrize("lazily", [True, False])
def test_what_raises_for_one_child_fails_that_child_alone(lazily: bool) -> None:
    class Raising(BitCount):
        stateful = False

        def evaluate(self, architectures: Any, seeds: Any) -> Iterator[Evaluation]:
            def answers() -> Iterator[Evaluation]:
                for architecture, seed in zip(architectures, seeds, strict=True):
                    if architecture.tokens == (0, 1, 0):
                        raise ValueError("a bad child")
                    yield from super(Raising, self).evaluate([architecture], [seed])

            return answers() if lazily else iter(list(answers()))

    env = NASVectorEnv(SPACE, Raising(noise=0.0), budget=10)
    played = env.play([(1, 1, 1), (0, 1, 0), (0, 0, 1), (0, 1, 0)])
    failures = [each.evaluation.failure for each in played]
    assert failures == [None, "error: ValueError: a bad child"] * 2
    assert [each.reward for each in played] == [1.0, 0.0, pytest.approx(1 / 3), 0.0]


def test_errors_that_concern_all_children_are_raised() -> None:
    def refuses(asked: Any) -> Any:
        raise InvalidOption("the data cannot be read")

    with pytest.raises(InvalidOption, match="the data cannot be read"):
        list(Guard(Given(refuses)).evaluations(jobs((0, 0, 0), (0, 0, 1))))


def checked(metrics: Any, leading: Any = "accuracy", **fields: Any) -> Evaluation:
    """Return the guard's answer for one child with these metrics."""
    evaluator = Given(lambda asked: [replace(Evaluation(asked[0], metrics), **fields)])
    evaluator.leading_metric = leading  # type: ignore[attr-defined]
    ((_, found),) = Guard(evaluator).evaluations(jobs((0, 0, 0)))
    return found


OUTSIDE = (
    ("accuracy", 93.4, "a fraction from 0 to 1"),
    ("accuracy", -0.1, "a fraction from 0 to 1"),
    ("final_accuracy", np.float32(93.4), "a fraction from 0 to 1"),
    ("perplexity", 0.5, "a number of 1 or more"),
    ("final_perplexity", torch.tensor(0.5), "a number of 1 or more"),
    ("bits_per_character", -1, "a number of 0 or more"),
    ("parameters", -1, "a number of 0 or more"),
    ("multiply_adds", np.int64(-1), "a number of 0 or more"),
    ("share", 2.0, "a number from -1 to 1"),
    ("final_share", 2, "a number from -1 to 1"),
)


@pytest.mark.parametrize(("name", "value", "expected"), OUTSIDE)
def test_a_figure_out_of_its_range_is_refused(name: str, value: Any, expected: str) -> None:
    share = Metric("share", least=-1, most=1)
    with pytest.raises(InvalidOption, match=rf"^{name} is .*: give {expected}"):
        checked({"accuracy": 0.5, name: value}, share)


@pytest.mark.parametrize("value", ["0.5", True, np.True_, [0.5], np.ones(1), 1j, object()])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match=r"accuracy is .*: an evaluator gives numbers"):
        checked({"accuracy": value})
    with pytest.raises(InvalidOption, match="1: give a text as a metric's name"):
        checked({1: 0.5})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "0,0,0"), ("metrics", [0.5]), ("source", None), ("detail", 3),
        ("failure", ValueError("x")), ("failure", ""), ("failure", True), ("seconds", -1.0),
        ("seconds", float("nan")), ("seconds", float("inf")), ("seconds", "1"), ("seconds", True),
    ],
)  # fmt: skip
def test_fields_of_the_wrong_type_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=f"^{field} of an Evaluation is "):
        checked(**{"metrics": {"accuracy": 0.5}, field: value})


def test_a_source_that_no_store_gives_back_is_refused() -> None:
    assert checked(source="x" * 200, metrics={"accuracy": 0.5}).source == "x" * 200
    with pytest.raises(InvalidOption, match="source of an Evaluation has 201 characters"):
        checked(source="x" * 201, metrics={"accuracy": 0.5})


@given(st.floats(0, 1), st.sampled_from([float, np.float32, np.float64, np.asarray, torch.tensor]))
def test_numbers_of_other_libraries_become_pythons(value: float, kind: Any) -> None:
    given = {"accuracy": kind(value), "anything": kind(-7.5), "parameters": np.int64(3)}
    found = checked(given, seconds=np.float32(2.5))
    assert found.metrics == {
        "accuracy": kind(value).item() if kind is not float else value,
        "anything": -7.5,
        "parameters": 3,
    }
    assert {type(each) for each in (*found.metrics.values(), found.seconds)} == {int, float}


def test_a_child_that_ends_the_process_has_failed_and_a_signal_ends_the_search() -> None:
    def leaves(status: Any) -> Any:
        def answers(asked: Any) -> Iterator[Evaluation]:
            sys.exit(status)
            yield

        return Guard(Given(answers)).evaluations(jobs((0, 0, 0), (0, 0, 1)))

    assert [e.failure for _, e in leaves(0)] == ["error: SystemExit: 0"] * 2
    assert [e.failure for _, e in leaves("so")] == ["error: SystemExit: so"] * 2
    with pytest.raises(SystemExit):
        list(leaves(128 + signal.SIGTERM))


@pytest.mark.parametrize(
    "raised",
    [
        GeneratorExit("so"),
        KeyboardInterrupt("so"),
        asyncio.CancelledError("so"),
        BaseExceptionGroup("so", [GeneratorExit()]),
        type("Odd", (BaseException,), {})("so"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_what_ends_the_caller_is_no_childs(raised: BaseException) -> None:
    def answers(asked: Any) -> Iterator[Evaluation]:
        raise raised
        yield

    with pytest.raises(type(raised)):
        list(Guard(Given(answers)).evaluations(jobs((0, 0, 0), (0, 0, 1))))


def test_the_caller_s_exceptions_and_its_leaving_are_no_child_s() -> None:
    closed = []

    def answers(asked: Any) -> Iterator[Evaluation]:
        try:
            yield from (Evaluation(a, {"accuracy": 0.5}) for a in asked)
        finally:
            closed.append(True)

    found = Guard(Given(answers)).evaluations(jobs((0, 0, 0), (0, 0, 1)))
    next(found)
    found.close()
    assert closed == [True]
    assert list(found) == []


@pytest.mark.parametrize("answer", [None, 0.5, Given])
def test_what_cannot_be_gone_through_is_refused_once(answer: Any) -> None:
    evaluator = Given(None)
    evaluator.evaluate = lambda *_: answer  # type: ignore[method-assign]
    with pytest.raises(InvalidOption, match=r"the evaluator gave .*an evaluator yields"):
        list(Guard(evaluator).evaluations(jobs((0, 0, 0), (0, 0, 1))))


def test_values_that_cannot_be_shown_are_refused_all_the_same() -> None:
    class Unshown:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    with pytest.raises(InvalidOption, match="accuracy is of type Unshown: an evaluator gives"):
        checked({"accuracy": Unshown()})


def test_long_reasons_are_cut() -> None:
    evaluator = Given(
        lambda asked: [Evaluation(a, failure="f" * 10**6, detail="d" * 10**6) for a in asked]
    )
    ((_, found),) = Guard(evaluator).evaluations(jobs((0, 0, 0)))
    assert found.failure is not None
    assert found.detail is not None
    assert len(found.failure) <= 500
    assert len(found.detail) <= 4000
