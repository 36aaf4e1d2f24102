"""The metrics of an evaluation: what they mean, which value is better, how people read them.

Whoever shows a result loops over ``Metric`` objects and asks no further what was trained. An
evaluator whose children are compared by another metric than the accuracy names it in its class
attribute ``leading_metric``: a name from ``METRICS``, or a ``Metric`` of its own.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Interval

from nas_gym.errors import InvalidOption
from nas_gym.options import Options, check

_FORMAT = re.compile(r"[ +-]?[,_]?(\.\d{1,2})?[eEfFgG%]?")  # of a number, and no wider
_TEST_FIGURE = re.compile(r"(?<![A-Za-z])[Tt][Ee][Ss][Tt]|(?<=[a-z0-9])Test")


def is_test_figure(name: str) -> bool:
    """Return whether a metric's name says that it is of the test part: ``x-test``, ``valTest``."""
    return _TEST_FIGURE.search(name) is not None


@dataclass(frozen=True)
class Metric(Options):
    """A validation figure that an evaluator gives, and how people read it.

    Args:
        name: Its key in ``Evaluation.metrics``. ``final_<name>`` is the same after the last epoch,
            ``test_<name>`` the same of the test part, which only a final validation has.
        words: Its name for people; ``name`` with blanks by default.
        plural: Many of them, for people; ``words`` by default.
        better: Which values are better.
        digits: Digits after the point when it is shown.
        per: What it is a mean over; multiply-adds are counted for one of these.
        beside: Names of the metrics that are shown beside it if it leads.
        reward_in_table: Format of rewards in a table if it leads.
        reward_alone: Format of a reward in a text if it leads.
        least: Its smallest value; None: any. Others are refused where an evaluator gives them.
        most: Its largest value; None: any.

    Raises:
        InvalidOption: A value out of range, or a figure of the test part.
    """

    name: str
    words: str = ""
    plural: str = ""
    better: Literal["higher", "lower"] = "higher"
    digits: Annotated[int, Interval(ge=0, le=20)] = 4
    per: str = "example"
    beside: tuple[str, ...] = ()
    reward_in_table: str = ".4f"
    reward_alone: str = ".4f"
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for form in (self.reward_in_table, self.reward_alone):
            if not _FORMAT.fullmatch(form):
                raise InvalidOption(f"the format of a reward is {form!r}: give one such as '.4f'")
        for name in (self.name, *self.beside):
            if not name or is_test_figure(name):
                raise InvalidOption(
                    f"metric is {name!r}: give the name of a validation figure; no search may see "
                    "a figure of the test part"
                )
        object.__setattr__(self, "words", self.words or self.name.replace("_", " "))
        object.__setattr__(self, "plural", self.plural or self.words)

    @property
    def final_name(self) -> str:
        """The key of the same figure after the last epoch."""
        return f"final_{self.name}"

    @property
    def test_name(self) -> str:
        """The key of the same figure of the test part."""
        return f"test_{self.name}"

    @property
    def shown(self) -> "tuple[Metric, ...]":
        """The metrics shown of a child if this one leads: itself, then those beside it."""
        return (self, *map(metric_named, self.beside))

    def best_of(self, *values: float) -> float:
        """Return the best of ``values``, at least one."""
        return max(values) if self.better == "higher" else min(values)

    def in_words(self, value: float | None) -> str:
        """Return ``value`` with its digits, ``-`` for None; counts have commas."""
        if value is None:
            return "-"
        return f"{value:.{self.digits}f}" if self.digits else f"{value:,.0f}"


ACCURACY = Metric("accuracy", plural="accuracies", least=0, most=1)
# Mean over the classes of the share that is right: chance and the largest class score 1/classes.
BALANCED_ACCURACY = Metric("balanced_accuracy", plural="balanced accuracies", least=0, most=1)
PERPLEXITY = Metric(
    "perplexity",
    plural="perplexities",
    better="lower",
    digits=2,
    per="word or character",
    beside=("bits_per_character",),
    # Rewards are small: 80 / perplexity ** 2.
    reward_in_table=".6f",
    reward_alone=".6g",
    least=1,
)
BITS_PER_CHARACTER = Metric("bits_per_character", better="lower", per="character", least=0)
PARAMETERS = Metric("parameters", better="lower", digits=0, least=0)  # trainable
MULTIPLY_ADDS = Metric("multiply_adds", "multiply-adds", better="lower", digits=0, least=0)
# Of a batch of one, where it was trained. A table's column of that name may be of anything.
LATENCY = Metric("latency", "latency, s", better="lower", digits=5)
# Of all threads that trained it; unlike the wall time it is no longer on a busy machine.
PROCESSOR_SECONDS = Metric(
    "processor_seconds", "processor time, s", better="lower", digits=2, least=0
)
# Of an untrained network, by ``nas_gym.evaluators.proxies``.
ZERO_COST = Metric("zero_cost", "zero-cost score", least=0, most=1)
SIZES = (PARAMETERS, MULTIPLY_ADDS)  # what a network costs, whatever it is trained for

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            *(PERPLEXITY, BITS_PER_CHARACTER, ACCURACY, BALANCED_ACCURACY, *SIZES),
            *(LATENCY, PROCESSOR_SECONDS, ZERO_COST),
        )
    }
)
# Whose results are compared by accuracy unless they have a figure that says more.
_LEADERS = (PERPLEXITY, ACCURACY, ZERO_COST)


def metric_named(name: str | Metric) -> Metric:
    """Return the metric of that name: from ``METRICS``, or one that nothing more is known of."""
    return name if isinstance(name, Metric) else METRICS.get(name) or Metric(name)


def leading_metric(evaluator: Any) -> Metric:
    """Return the metric by which an evaluator's children are compared; accuracy by default.

    Raises:
        InvalidOption: Its ``leading_metric`` is neither a name nor a ``Metric``, or a figure of
            the test part.
    """
    named = getattr(evaluator, "leading_metric", ACCURACY)
    return metric_named(check("leading_metric", named, str | Metric))


def leader_of(recorded: Collection[str]) -> Metric:
    """Return the metric by which recorded results are compared, from the names that they have."""
    return next((metric for metric in _LEADERS if metric.name in recorded), ACCURACY)
