"""Limits as a user gives them: the metric, the least and the most."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.options.scalars import python_value

METRICS = ("parameters", "multiply_adds")  # of a network, as ``nas_gym.networks.cost`` counts them
TASK = "task"  # the key of what the networks are built for
_FORM = (
    "a number such as 50_000 (the most), or a pair of the least and the most, one of which may be "
    "None"
)


class Limit(NamedTuple):
    """The least and the most of one metric; None for no limit."""

    metric: str
    least: int | None
    most: int | None

    def holds(self, value: float) -> bool:
        """Return whether a value keeps the limit."""
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def __str__(self) -> str:
        """Return it in words."""
        if self.least is None:
            return f"at most {self.most:,} {self.metric}"
        if self.most is None:
            return f"at least {self.least:,} {self.metric}"
        return f"{self.least:,} to {self.most:,} {self.metric}"


class Limits(NamedTuple):
    """All limits of a search, and the fields of the task that they are for if it is another one."""

    limits: tuple[Limit, ...]
    task: Mapping[str, Any] | None = None  # over the space's usual task; None: the evaluator's

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are limited."""
        return tuple([limit.metric for limit in self.limits])

    def holds(self, costs: Mapping[str, float]) -> bool:
        """Return whether a network of these costs keeps every limit."""
        return all(limit.holds(costs[limit.metric]) for limit in self.limits)

    def __str__(self) -> str:
        """Return them in words."""
        return " and ".join(map(str, self.limits))

    @property
    def where(self) -> str:
        """The task as a clause, if it is not the evaluator's."""
        fields = [] if self.task is None else [f"{n} = {v}" for n, v in self.task.items()]
        return f", built with {', '.join(fields)}" if fields else ""

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON data, which ``limits_of`` reads back."""
        sides = {limit.metric: [limit.least, limit.most] for limit in self.limits}
        return {**sides, **({} if self.task is None else {TASK: dict(self.task)})}


def limits_of(given: Mapping[str, Any]) -> Limits:
    """Return limits as a user gives them, checked.

    Args:
        given: ``{"parameters": 50_000}``, ``{"multiply_adds": (10**6, 10**8)}``, both, and maybe
            ``"task"``: fields of the task whose networks are meant, over the space's usual one.

    Raises:
        InvalidOption: It is no such mapping, or a limit that nothing can keep.
        UnknownName: A metric that cannot be limited.
    """
    if not isinstance(given, Mapping):
        raise InvalidOption(f"limits is {given!r}: give a mapping such as {{'parameters': 50_000}}")
    for name in given:
        if name not in (*METRICS, TASK):
            raise unknown_name("limit", name, (*METRICS, TASK))
    limits = tuple([_limit(name, given[name]) for name in METRICS if name in given])
    if not limits:
        raise InvalidOption(f"limits has no metric: give one of {', '.join(METRICS)}, or both")
    task = given.get(TASK)
    if task is not None and not isinstance(task, Mapping):
        raise InvalidOption(
            f"task of limits is {task!r}: give fields of the task, such as "
            "{'repeats': 4, 'filters': 44}"
        )
    return Limits(limits, task)


def _limit(metric: str, given: object) -> Limit:
    pair = given if isinstance(given, list | tuple) else (None, given)
    if len(pair) != 2:
        raise InvalidOption(f"limit of {metric} is {given!r}: give {_FORM}")
    least, most = (_whole(metric, side) for side in pair)
    if least is None and most is None:
        raise InvalidOption(f"limit of {metric} is {given!r}, which limits nothing: give {_FORM}")
    if least is not None and most is not None and least > most:
        raise InvalidOption(
            f"limit of {metric} is {given!r}: no number is both at least {least:,} and at most "
            f"{most:,}; give the smaller one first"
        )
    return Limit(metric, least, most)


def _whole(metric: str, side: object) -> int | None:
    number = python_value(side)
    if number is None:
        return None
    if isinstance(number, float) and number.is_integer():  # 5e4
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**60:
        raise InvalidOption(f"limit of {metric} is {side!r}: give {_FORM}, whole and in [0, 2**60)")
    return number
