"""Rewards: from an evaluation to the number that an agent maximises.

A reward is any callable ``Evaluation -> float``. It is never asked about a failed child: the
environment gives those its ``failure_reward``. It may name the metrics that it ``needs``: then it
is refused before anything is evaluated if the evaluator says that it does not give them.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Gt, Le

from nas_gym.errors import InvalidOption, did_you_mean
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.metrics import metric_named
from nas_gym.options import Options
from nas_gym.options.scalars import python_number, python_value
from nas_gym.registry import unwrapped

Reward = Callable[[Evaluation], float]


@dataclass(frozen=True)
class Accuracy:
    """Validation accuracy, in [0, 1] (Zoph et al. 2017, appendix A)."""

    needs: ClassVar[tuple[str, ...]] = ("accuracy",)

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the reward of a child that did not fail."""
        return metric_of(evaluation, "accuracy")


@dataclass(frozen=True)
class BalancedAccuracy:
    """Mean over the classes of the validation accuracy of each, in [0, 1].

    Where some classes have few images, naming the largest one always has a high accuracy, and a
    balanced accuracy of 1 / classes (Brodersen et al. 2010, "The balanced accuracy and its
    posterior distribution").
    """

    needs: ClassVar[tuple[str, ...]] = ("balanced_accuracy",)

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the reward of a child that did not fail."""
        return metric_of(evaluation, "balanced_accuracy")


@dataclass(frozen=True)
class AccuracyCubed:
    """Validation accuracy to the third power, in [0, 1] (Zoph & Le 2016, section 4.1)."""

    needs: ClassVar[tuple[str, ...]] = ("accuracy",)

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the reward of a child that did not fail."""
        return metric_of(evaluation, "accuracy") ** 3


@dataclass(frozen=True)
class InversePerplexitySquared(Options):
    """``c / perplexity**2`` of the validation part (Zoph & Le 2016, section 4.2).

    Args:
        c: > 0; "usually set at 80".
    """

    c: Annotated[float, Gt(0)] = 80.0

    needs: ClassVar[tuple[str, ...]] = ("perplexity",)

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the reward of a child that did not fail."""
        return self.c / metric_of(evaluation, "perplexity") ** 2


@dataclass(frozen=True)
class InversePerplexity(Options):
    """``c / perplexity`` of the validation part (Pham et al. 2018, ENAS, section 2.2).

    Args:
        c: > 0; 80 in the paper.
    """

    c: Annotated[float, Gt(0)] = 80.0

    needs: ClassVar[tuple[str, ...]] = ("perplexity",)

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the reward of a child that did not fail."""
        return self.c / metric_of(evaluation, "perplexity")


@dataclass(frozen=True)
class AccuracyUnderTarget(Options):
    """Accuracy, scaled by ``(cost / target) ** exponent`` if the cost is over the target.

    Tan et al. 2018 (MnasNet), section 3, with alpha = 0 and beta = ``exponent``.

    Args:
        target: Cost at or below which the reward is the plain accuracy; > 0, in the metric's unit.
        metric: ``"parameters"``, ``"multiply_adds"``, ``"latency"`` (seconds; evaluators that
            train measure it if they have ``latency=True``), or another metric of the evaluator.
        exponent: <= 0. -1 halves the reward at twice the target; 0 ignores the cost.
    """

    target: Annotated[float, Gt(0)]
    metric: str = "parameters"
    exponent: Annotated[float, Le(0)] = -1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The metrics that it asks for."""
        return ("accuracy", self.metric)

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the reward of a child that did not fail."""
        excess = max(1.0, metric_of(evaluation, self.metric) / self.target)
        return metric_of(evaluation, "accuracy") * float(excess**self.exponent)


@dataclass(frozen=True)
class OfMetric(Options):
    """A metric itself, or minus it where lower values are better.

    A child that failed gets the environment's ``failure_reward``, 0 by default: give a lower one
    where rewards may be negative.

    Args:
        metric: Name of a metric of the evaluator.
        better: Which of its values are better; None: as ``nas_gym.evaluators.metrics`` says,
            higher ones of metrics that it does not know.
    """

    metric: str
    better: Literal["higher", "lower"] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The metrics that it asks for."""
        return (self.metric,)

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the reward of a child that did not fail."""
        value = metric_of(evaluation, self.metric)
        return value if (self.better or metric_named(self.metric).better) == "higher" else -value


def metric_of(evaluation: Evaluation, name: str) -> float:
    """Return a metric of an evaluation; raises InvalidOption if the evaluator does not give it."""
    if name not in evaluation.metrics:
        raise _not_given(name, evaluation.metrics, "reward")
    return float(evaluation.metrics[name])


def check_reward(
    reward: Any, evaluator: Any, what: Literal["reward", "objectives"] = "reward"
) -> None:
    """Raise InvalidOption if the reward needs what the evaluator is known not to give.

    Args:
        reward: Its ``needs``, if it has some, are names of metrics.
        evaluator: Its ``gives``, if it has some, are the names of all its metrics; its
            ``on_request`` says how to ask for more.
        what: What messages call it.
    """
    needs: Collection[str] = getattr(reward, "needs", ())
    gives: Collection[str] | None = getattr(evaluator, "gives", None) if needs else None
    if gives is None:
        return
    on_request: Mapping[str, str] = getattr(unwrapped(evaluator), "on_request", {})
    for name in needs:
        if name not in gives and name in on_request:
            raise InvalidOption(
                f"{_NEEDS[what]} the metric {name!r}, which the evaluator measures only if it is "
                f"asked to: give {on_request[name]}, or choose {_OTHERS[what]}"
            )
        if name not in gives:
            raise _not_given(name, gives, what)


def reward_as_float(given: Any) -> float:
    """Return what a reward gave, NaN and the infinities too; raise InvalidOption for no number."""
    if type(given) is float:
        return given
    number = python_number(given)
    if number is None:
        raise InvalidOption(
            f"the reward is {' '.join(repr(python_value(given)).split())[:80]}: give a reward that "
            "returns a finite number for every child that did not fail"
        )
    try:
        return float(number)
    except OverflowError:  # a whole number that no float can hold
        return math.copysign(math.inf, number)


_NEEDS = {"reward": "the reward needs", "objectives": "the objectives need"}
_OTHERS = {"reward": "another reward", "objectives": "other objectives"}


def _not_given(name: str, given: Iterable[str], what: str) -> InvalidOption:
    known = list(given)
    return InvalidOption(
        f"{_NEEDS[what]} the metric {name!r}, but the evaluator gives "
        f"{', '.join(known) or 'none'}: {did_you_mean(name, known)}choose {_OTHERS[what]} or "
        "another evaluator"
    )
