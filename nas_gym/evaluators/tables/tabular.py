"""``TabularEvaluator``: what all tables have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import WHOLE, Evaluation, Fidelity, most_epochs
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import Tokens

Seeds = Literal["mean", "random"] | Annotated[int, Ge(0)]
Missing = Literal["error", "failure"]  # what a missing architecture is


class Entry(NamedTuple):
    """The figures of one architecture in a table; none is of the test part."""

    accuracies: tuple[float, ...]  # validation, fractions in [0, 1], one per seed; at least one
    seconds: float = 0.0  # of one training, >= 0
    metrics: Mapping[str, float] = {}  # parameters, multiply_adds, latency, …
    curves: tuple[tuple[float, ...], ...] = ()  # accuracy after each epoch, per seed, if known


class TabularEvaluator(ABC):
    """The base of evaluators that answer from a table; a subclass says where the table lies.

    ``seeds`` says which of the several trainings of an architecture an evaluation sees: the
    ``"mean"`` of all; ``"random"``, one drawn by the child's seed, which is new at each request
    (then a repeat costs its seconds again, as another training would); or the number of one, from 0
    (of an architecture trained less often: that number modulo its trainings).

    An evaluation's ``seconds`` are the table's, not those of the look-up. A table whose entries
    have ``curves`` says how many ``most_epochs`` they have; then it can be asked for a part of a
    training, which costs that share of the seconds.
    """

    seeds: str | int
    instant = True  # no worker process could answer faster
    seeded = True

    @property
    def stateful(self) -> bool:
        """Whether a repeat may get another answer."""
        return self.seeds == "random"

    @property
    def noise_free(self) -> bool:
        """Whether what it answers is no single training, whose luck another would not have.

        Under every seed it may answer alike and have noise all the same: that of one training.
        """
        return self.seeds == "mean"

    @property
    def most_epochs(self) -> int | None:
        """The epochs of the curves; None if there are none."""
        return None

    @property
    def last_counted(self) -> int:
        """How many of a training's last epochs the accuracy is the best of."""
        return 1

    @property
    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """All that the accuracies depend on besides the architecture and the seed, as JSON data."""

    @abstractmethod
    def entry(self, tokens: Tokens) -> Entry:
        """Return what the table knows of an architecture.

        Raises:
            NotInTable: It does not have it.
        """

    def test_accuracy(self, tokens: Tokens) -> float | None:
        """Return the mean test accuracy in [0, 1], for reports only, or None if there is none."""
        del tokens
        return None

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture, in order; ``source`` is ``"table"``."""
        entry_of, accuracy_of = self.entry, self._accuracy
        parts = [WHOLE] * len(seeds) if fidelities is None else fidelities
        for architecture, seed, part in zip(architectures, seeds, parts, strict=True):
            try:
                accuracies, seconds, metrics, curves = entry_of(architecture.tokens)
            except NotInTable as error:
                yield Evaluation(architecture, failure=f"error: {error}", source="table")
                continue
            if part != WHOLE:
                accuracies, seconds = self._part(part, accuracies, seconds, curves)
            metrics = {"accuracy": accuracy_of(accuracies, seed), **metrics}
            yield Evaluation(architecture, metrics, seconds, "table")

    def _part(
        self,
        part: Fidelity,
        accuracies: tuple[float, ...],
        seconds: float,
        curves: tuple[tuple[float, ...], ...],
    ) -> tuple[tuple[float, ...], float]:
        """Return the accuracies after a part of the trainings, and the seconds of the new epochs.

        Raises:
            InvalidOption: The table has no curves, or none of this architecture.
        """
        most = most_epochs(self)
        if part.epochs and len(curves) < len(accuracies):
            raise InvalidOption(
                f"the table has no accuracy after epoch {part.epochs} of an architecture that was "
                "asked for: ask for whole trainings, or give a table with all curves"
            )
        end = part.epochs or most
        if part.epochs:
            first = max(0, end - self.last_counted)
            accuracies = tuple(max(curve[first:end]) for curve in curves)
        return accuracies, seconds * (end - part.begun) / most

    def mean_accuracy(self, tokens: Tokens) -> float:
        """Return the mean validation accuracy over all seeds, which benchmarks go by."""
        return _mean(self.entry(tokens).accuracies)

    def close(self) -> None:  # noqa: B027
        """Release nothing: nothing is held."""

    def _accuracy(self, accuracies: tuple[float, ...], seed: int) -> float:
        """Return the accuracy that is seen under a child's seed."""
        if self.seeds == "random":
            return accuracies[seed % len(accuracies)]
        if self.seeds == "mean":
            return _mean(accuracies)
        return accuracies[int(self.seeds) % len(accuracies)]


class NotInTable(LookupError):
    """An architecture is not in the table: its evaluation is a failure."""


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)
