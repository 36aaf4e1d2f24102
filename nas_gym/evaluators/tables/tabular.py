"""``TabularEvaluator``: what all tables have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import Tokens


class Entry(NamedTuple):
    """What a table knows of one architecture; nothing of the test part."""

    accuracies: tuple[float, ...]  # validation, fractions in [0, 1], one a seed; at least one
    seconds: float = 0.0  # that one training takes, >= 0
    metrics: Mapping[str, float] = {}  # parameters, multiply_adds, latency, …


class TabularEvaluator(ABC):
    """Answers from a table of trained architectures; a subclass says where the table lies.

    ``seeds`` is what of the several trainings of an architecture an evaluation sees: ``"mean"`` of
    all; ``"random"``, one drawn by the child's seed, which is new at each request (then a repeat
    costs its seconds again, as another training would); or the number of one, from 0 (of an
    architecture trained less often: that number modulo its trainings).

    An evaluation's ``seconds`` are the table's, not those that the look-up takes.
    """

    seeds: str | int
    instant = True  # no worker process could answer faster

    @property
    def stateful(self) -> bool:
        """Whether a repeat may get another answer."""
        return self.seeds == "random"

    @property
    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """What the accuracies depend on beside the architecture and the seed, as JSON data."""

    @abstractmethod
    def entry(self, tokens: Tokens) -> Entry:
        """What the table has of an architecture.

        Raises:
            NotInTable: It does not have it.
        """

    def test_accuracy(self, tokens: Tokens) -> float | None:
        """Mean test accuracy, a fraction in [0, 1], for reports alone; None where there is none."""
        del tokens
        return None

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """One evaluation an architecture, in order; ``source`` is ``"table"``."""
        entry_of, accuracy_of = self.entry, self._accuracy
        for architecture, seed in zip(architectures, seeds, strict=True):
            try:
                accuracies, seconds, metrics = entry_of(architecture.tokens)
            except NotInTable as error:
                yield Evaluation(architecture, failure=f"error: {error}", source="table")
                continue
            metrics = {"accuracy": accuracy_of(accuracies, seed), **metrics}
            yield Evaluation(architecture, metrics, seconds, "table")

    def mean_accuracy(self, tokens: Tokens) -> float:
        """Mean validation accuracy over all seeds: what benchmarks say an architecture is worth."""
        return _mean(self.entry(tokens).accuracies)

    def close(self) -> None:  # noqa: B027
        """Nothing to let go of."""

    def _accuracy(self, accuracies: tuple[float, ...], seed: int) -> float:
        """The one that is seen under a child's seed."""
        if self.seeds == "random":
            return accuracies[seed % len(accuracies)]
        if self.seeds == "mean":
            return _mean(accuracies)
        return accuracies[int(self.seeds) % len(accuracies)]


class NotInTable(LookupError):
    """An architecture that the table does not have: its evaluation is a failure."""


def check_seeds(seeds: object) -> None:
    """Raise InvalidOption where ``seeds`` is not "mean", "random" or a whole number >= 0."""
    number = isinstance(seeds, int) and not isinstance(seeds, bool) and seeds >= 0
    if not number and seeds not in ("mean", "random"):
        raise InvalidOption(
            f"seeds is {seeds!r}: give 'mean', 'random' or the number of one seed, from 0"
        )


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)
