"""Several objectives: how they are written, their values, and the Pareto front of points."""

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidOption, did_you_mean

Floats = npt.NDArray[np.float64]
REWARD = "reward"  # the name of what the environment's reward function gives
_SIGNS = {"max": 1, "min": -1}
_FORM = (
    "give names of metrics, or reward, each once; a minus before those that should be small: "
    "'accuracy', '-parameters' (or 'accuracy:max', 'parameters:min')"
)


class Objective(NamedTuple):
    """What should be large, or small: a metric of the evaluation, or the reward."""

    name: str
    sign: int = 1  # -1: small values are better

    def __str__(self) -> str:
        """Return it as a user writes it."""
        return f"{'-' * (self.sign < 0)}{self.name}"

    def of(self, metrics: Mapping[str, float], reward: float) -> float:
        """Return the value, turned so that larger ones are better.

        Raises:
            InvalidOption: There is no such metric.
        """
        if self.name == REWARD:
            return self.sign * reward
        if self.name not in metrics:
            known = (REWARD, *metrics)
            raise InvalidOption(
                f"objective {self.name!r} is not among what the evaluator measures: "
                f"{did_you_mean(self.name, known)}give {', '.join(known)}"
            )
        return self.sign * float(metrics[self.name])


Objectives = tuple[Objective, ...]
# If the user names none, where the evaluator counts parameters.
USUAL: Objectives = (Objective(REWARD), Objective("parameters", -1))


def objectives_of(given: Any) -> Objectives:
    """Return objectives as a user gives them, checked: ``("accuracy", "-parameters")``.

    Args:
        given: One or more; ``"accuracy:max"`` and ``"parameters:min"`` are the same two.

    Raises:
        InvalidOption: There is none, one that is no such text, or a name is there twice.
    """
    if isinstance(given, str) and "," in given:
        listed = json.dumps([each.strip() for each in given.split(",")], separators=(",", ":"))
        raise InvalidOption(
            f"objectives is the one text {given!r}: give a list, {listed}; on the command line "
            f"--set {shlex.quote(f'agent.objectives={listed}')}"
        )
    each = (given,) if isinstance(given, str) else given
    if not isinstance(each, Iterable) or not all(isinstance(one, str) for one in each):
        raise InvalidOption(f"objectives is {given!r}: {_FORM}")
    found = tuple([_objective(one) for one in each])
    if not found:
        raise InvalidOption(f"objectives is an empty list: {_FORM}")
    if None in found or len({one.name for one in found if one}) < len(found):
        raise InvalidOption(f"objectives is {given!r}: {_FORM}")
    return found  # type: ignore[return-value]


def _objective(text: str) -> Objective | None:
    name, colon, direction = text.partition(":")
    if not colon:
        name, direction = text.removeprefix("-"), "min" if text.startswith("-") else "max"
    named = any(letter.isalpha() for letter in name)
    return Objective(name, _SIGNS[direction]) if named and direction in _SIGNS else None


def usual_objectives(metrics: Iterable[str]) -> Objectives:
    """Return the reward and, if they were counted, parameters."""
    return USUAL if USUAL[1].name in metrics else USUAL[:1]


def untrained_metrics() -> tuple[str, ...]:
    """Return the names of metrics that do not depend on how far a child was trained."""
    from nas_gym.evaluators.metrics import LATENCY, SIZES, ZERO_COST

    return tuple([metric.name for metric in (*SIZES, LATENCY, ZERO_COST)])


def measured(info: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of an ``evaluation`` in an episode's last ``info``: what was measured."""
    numbers = {name: value for name, value in info.items() if isinstance(value, float)}
    others = ("seconds", "epochs")  # what is no metric, and what every info has, measured or not
    return {n: v for n, v in numbers.items() if n not in others and not math.isnan(v)}


def values_of(
    answers: Sequence[tuple[Mapping[str, float], float]], objectives: Objectives
) -> Floats:
    """Return (answers, objectives), larger is better, of metrics and rewards of each answer."""
    rows = [[each.of(*answer) for each in objectives] for answer in answers]
    return np.array(rows, np.float64).reshape(len(answers), len(objectives))


def pareto_front(points: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the indices of the points that no other dominates, ascending.

    A point dominates another if it is at least as large in every column and larger in one: turn the
    sign of what should be small, such as parameters. Equal points do not dominate each other, so
    all copies of a point of the front are in it.

    Takes time proportional to points times members of the front, and memory to points.

    Args:
        points: (points, objectives) finite numbers; there may be no points, but not no objectives.

    Raises:
        InvalidOption: Not of that shape, or not finite.
    """
    values = checked_points(points)
    # The first of what is left in this order is dominated by nothing that is left.
    left = np.lexsort(-values.T[::-1])
    front = []
    while left.size:
        best = values[left[0]]
        equal = (values[left] == best).all(axis=1)
        front.append(left[equal])
        left = left[(values[left] > best).any(axis=1)]
    return np.sort(np.concatenate(front)) if front else np.empty(0, np.int64)


def checked_points(points: npt.ArrayLike) -> Floats:
    """Return (points, objectives) finite numbers, or raise InvalidOption."""
    values = np.asarray(points, np.float64)
    if values.ndim != 2 or values.shape[1] == 0 or not np.isfinite(values).all():
        raise InvalidOption(
            f"points are an array of shape {values.shape}"
            f"{'' if np.isfinite(values).all() else ' with values that are not finite'}: give "
            "finite numbers, a row for each point and a column for each objective"
        )
    return values


class WorstSeen:
    """The values of children that failed: in each objective the worst that is known.

    That is the least value that the objective can have, if it has one (an accuracy of 0), else the
    worst that was seen so far, and before anything was seen ``UNSEEN``.

    Args:
        objectives: The objectives.
        given: By objective as the user writes it, a value to use instead.
    """

    UNSEEN = -1e12

    def __init__(self, objectives: Objectives, given: Mapping[str, float] | None = None) -> None:
        from nas_gym.evaluators.metrics import metric_named

        self.low, self.high = np.empty(len(objectives)), np.empty(len(objectives))
        self._given = np.full(len(objectives), math.nan)
        self._seen = np.full(len(objectives), math.inf)
        for i, each in enumerate(objectives):
            metric = metric_named(each.name) if each.name != REWARD else None
            ends = (metric.least, metric.most) if metric is not None else (None, None)
            low, high = ends[:: each.sign]
            self.low[i] = -math.inf if low is None else each.sign * low
            self.high[i] = math.inf if high is None else each.sign * high
            if given is not None and given.get(str(each)) is not None:
                self._given[i] = self.low[i] = float(given[str(each)])

    def saw(self, values: Floats) -> None:
        """Take note of the values, (objectives,), of a child that did not fail."""
        np.minimum(self._seen, values, out=self._seen)

    @property
    def values(self) -> Floats:
        """(objectives,) The worst by now."""
        seen = np.where(np.isfinite(self._seen), self._seen, self.UNSEEN)
        worst = np.where(np.isfinite(self.low), self.low, seen)
        return np.where(np.isnan(self._given), worst, self._given)
