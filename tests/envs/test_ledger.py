import math
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from nas_gym.envs.children import child_seed
from nas_gym.envs.env import NASEnv
from nas_gym.envs.ledger import Ledger, LedgerOptions
from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.envs.rewards import (
    Accuracy,
    AccuracyCubed,
    AccuracyUnderTarget,
    BalancedAccuracy,
    InversePerplexity,
    InversePerplexitySquared,
)
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import BudgetExceeded, InvalidOption, TimeUp, UnknownName
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitCount, BitString

SPACE = NASNetCell(blocks=2)


def architectures(count: int, seed: int = 0) -> list[Architecture[Any]]:
    rng = np.random.default_rng(seed)
    return [architecture_of(SPACE, random_tokens(SPACE, rng)) for _ in range(count)]


class Events(Recorder):
    """A record that notes what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def evaluated(self, answer: Answer, seed: int) -> None:
        self.events.append(("evaluated", answer.evaluation.architecture.key, seed))

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        sources = [answer.evaluation.source for answer in answers]
        self.events.append(("requested", first, len(answers), sources))


def test_answers_come_in_the_order_asked(counting: Any) -> None:
    asked = architectures(7)
    answers = Ledger(counting, Accuracy()).request(asked)
    assert [a.evaluation.architecture for a in answers] == asked
    assert [a.reward for a in answers] == [sum(a.tokens) / 1000 for a in asked]


def test_nothing_is_evaluated_twice(counting: Any) -> None:
    ledger = Ledger(counting, Accuracy(), budget=10)
    one, two, three = architectures(3)
    first = ledger.request([one, two, one])
    second = ledger.request([two, three])
    assert [a.evaluation.source for a in first] == ["trained", "trained", "memo"]
    assert [a.evaluation.source for a in second] == ["memo", "trained"]
    assert first[0].reward == first[2].reward
    assert counting.batches == [[one.tokens, two.tokens], [three.tokens]]
    assert ledger.remaining == 5  # repeats are requests as well


def test_designs_that_compute_the_same_share_an_evaluation(counting: Any) -> None:
    swapped = NASNetCell(blocks=1)
    one = architecture_of(swapped, (0, 1, 4, 8, 0, 0, 1, 4, 8, 0))
    other = architecture_of(swapped, (1, 0, 8, 4, 0, 0, 1, 4, 8, 0))
    answers = Ledger(counting, Accuracy()).request([one, other])
    assert [a.evaluation.source for a in answers] == ["trained", "memo"]
    assert answers[0].evaluation.architecture is one
    assert answers[1].evaluation.architecture is other
    assert counting.batches == [[one.tokens]]


def test_the_budget_is_never_exceeded(counting: Any) -> None:
    ledger = Ledger(counting, Accuracy(), budget=3)
    with pytest.raises(BudgetExceeded, match="4 evaluations were asked for, but only 3"):
        ledger.request(architectures(4))
    assert counting.batches == []
    ledger.request(architectures(3))
    assert ledger.remaining == 0


@pytest.mark.parametrize("budget", [0, -1, 1.5, "10", True])
def test_a_budget_below_one_is_refused(budget: Any, counting: Any) -> None:
    with pytest.raises(InvalidOption, match="give a whole number of 1 or more"):
        Ledger(counting, Accuracy(), budget=budget)


WRONG = (True, "3", math.nan, math.inf, -math.inf, -1)
MAKERS: list[Callable[..., object]] = [
    lambda **options: Ledger(BitCount(), Accuracy(), **options),
    lambda **options: NASEnv(BitString(3), BitCount(), **options),
    lambda **options: NASVectorEnv(BitString(3), BitCount(), **options),
    lambda **options: gym.make("NASBench201-v0", **options),
    lambda **options: gym.make_vec("NASBench201-v0", **options),
]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("option", LedgerOptions.__annotations__)
def test_options_are_refused_everywhere_with_one_sentence(
    option: str, make: Callable[..., object]
) -> None:
    fine = {"failure_reward": (-1,)}.get(option, ())
    for value in WRONG:
        if value not in fine:
            with pytest.raises(InvalidOption, match=f"^{option} is {value!r}: give a [^:]*$"):
                make(**{option: value})


@pytest.mark.parametrize("make", MAKERS)
def test_options_that_are_not_known_get_a_hint(make: Callable[..., object]) -> None:
    with pytest.raises(UnknownName, match="did you mean 'budget"):
        make(budgt=3)


def test_child_seeds_depend_on_run_architecture_and_repeat_alone(counting: Any) -> None:
    asked = architectures(4)
    Ledger(counting, Accuracy(), seed=5).request(asked)
    forwards = counting.seeds.copy()
    counting.seeds.clear()
    ledger = Ledger(counting, Accuracy(), seed=5)
    for architecture in reversed(asked):
        ledger.request([architecture])
    assert counting.seeds == forwards[::-1]
    assert len({*forwards, child_seed(6, asked[0].key, 0), child_seed(5, asked[0].key, 1)}) == 6
    assert all(0 <= seed < 2**31 for seed in forwards)


def test_everything_is_recorded_before_the_answer(counting: Any) -> None:
    events = Events()
    ledger = Ledger(counting, Accuracy(), record=events)
    one, two = architectures(2)
    ledger.request([one, two, two])
    ledger.request([one])
    kinds = [event[0] for event in events.events]
    assert kinds == ["evaluated", "evaluated", "requested", "requested"]
    assert {event[1] for event in events.events[:2]} == {one.key, two.key}
    assert dict(event[1:] for event in events.events[:2]) == dict(
        zip([one.key, two.key], counting.seeds, strict=True)
    )
    assert events.events[2:] == [
        ("requested", 0, 3, ["trained", "trained", "memo"]),
        ("requested", 3, 1, ["memo"]),
    ]


class Broken:
    """Fails, is silent, or gives no finite number, by position."""

    stateful = False

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        yield Evaluation(architectures[0], failure="diverged")
        yield Evaluation(architectures[2], {"accuracy": float("nan")})

    def close(self) -> None:
        pass


def test_a_failed_child_gets_the_declared_reward() -> None:
    answers = Ledger(Broken(), AccuracyCubed(), failure_reward=-1.0).request(architectures(3))
    assert [a.reward for a in answers] == [-1.0] * 3
    assert [a.evaluation.failure for a in answers] == [
        "diverged",
        "error: the evaluator gave no answer",
        "error: the metric accuracy is nan",
    ]


def test_rewards() -> None:
    architecture = architectures(1)[0]
    evaluation = Evaluation(architecture, {"accuracy": 0.9, "parameters": 2000.0})
    assert Accuracy()(evaluation) == 0.9
    assert AccuracyCubed()(evaluation) == pytest.approx(0.729)
    assert AccuracyUnderTarget(4000)(evaluation) == 0.9
    assert AccuracyUnderTarget(1000)(evaluation) == pytest.approx(0.45)
    assert AccuracyUnderTarget(1000, exponent=-0.07)(evaluation) == pytest.approx(0.9 * 2**-0.07)
    with pytest.raises(InvalidOption, match="multiply_adds"):
        AccuracyUnderTarget(1000, metric="multiply_adds")(evaluation)
    for bad in (0, -1):
        with pytest.raises(InvalidOption, match="above 0"):
            AccuracyUnderTarget(bad)


@pytest.mark.parametrize(
    ("perplexity", "squared", "plain"), [(100.0, 0.008, 0.8), (62.4, 0.02055, 1.28205)]
)
def test_rewards_of_language_models(perplexity: float, squared: float, plain: float) -> None:
    evaluation = Evaluation(architectures(1)[0], {"perplexity": perplexity})
    assert InversePerplexitySquared()(evaluation) == pytest.approx(squared, abs=5e-6)
    assert InversePerplexity()(evaluation) == pytest.approx(plain, abs=5e-6)
    assert InversePerplexity(c=1.0)(evaluation) == pytest.approx(1 / perplexity)
    with pytest.raises(InvalidOption, match="needs the metric 'accuracy'"):
        Accuracy()(evaluation)
    with pytest.raises(InvalidOption, match="c is 0: give a finite number above 0"):
        InversePerplexitySquared(0)


def test_a_child_is_recorded_even_if_its_reward_raises(counting: Any) -> None:
    events = Events()

    def raises(_: Evaluation) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Ledger(counting, raises, record=events).request(architectures(1))
    assert [event[0] for event in events.events] == ["evaluated"]


def test_a_reward_that_is_not_finite_keeps_the_metrics(counting: Any) -> None:
    ledger = Ledger(counting, lambda _: float("inf"), failure_reward=-1.0)
    evaluation, reward = ledger.request(architectures(1))[0]
    assert (reward, evaluation.failure) == (-1.0, "error: the reward is inf")
    assert evaluation.accuracy is not None


class Word:
    def __init__(self, given: Any) -> None:
        self.given = given

    def __call__(self, _: Evaluation) -> Any:
        return self.given


@pytest.mark.parametrize(
    "given", ["high", "0.5", None, 1j, [0.5], True, np.zeros(1), np.bool_(True), object(), {}]
)
def test_a_reward_that_is_no_number_is_one_sentence(counting: Any, given: Any) -> None:
    events = Events()
    with pytest.raises(InvalidOption, match=r"^the reward is .*: give a reward that returns a fin"):
        Ledger(counting, Word(given), record=events).request(architectures(1))
    assert [event[0] for event in events.events] == ["evaluated"]  # the child was paid for


@pytest.mark.parametrize(
    "given", [1, 0.5, np.float32(0.5), np.int64(2), np.array(0.5), Fraction(1)]
)
def test_numbers_of_all_kinds_are_rewards(counting: Any, given: Any) -> None:
    ((_, reward),) = Ledger(counting, Word(given)).request(architectures(1))
    assert type(reward) is float
    assert reward == given


def test_a_reward_of_what_is_not_given_is_refused_at_once(counting: Any) -> None:
    counting.gives = ("accuracy", "parameters")
    needed = {
        "perplexity": InversePerplexity(),
        "balanced_accuracy": BalancedAccuracy(),
        "multiply_adds": AccuracyUnderTarget(1, metric="multiply_adds"),
    }
    for name, reward in needed.items():
        for evaluator in (counting, ParallelEvaluator(counting, 2)):
            with pytest.raises(InvalidOption, match=f"{name}', but the evaluator gives accuracy, "):
                Ledger(evaluator, reward)
    Ledger(counting, AccuracyUnderTarget(1))
    del counting.gives  # then it is not known
    Ledger(counting, InversePerplexity())
    assert counting.batches == []


def test_nothing_is_begun_when_the_time_is_over(counting: Any) -> None:
    ledger = Ledger(counting, Accuracy(), budget=4)
    ledger.end_at(time.monotonic() - 1)
    with pytest.raises(TimeUp, match="no child was cut"):
        ledger.request(architectures(2))
    assert (counting.batches, ledger.remaining, ledger.requests) == ([], 4, 0)
    ledger.end_at(math.inf)
    assert len(ledger.request(architectures(2))) == 2
