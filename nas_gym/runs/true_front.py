"""The Pareto front of a table that knows every architecture of a space, and shares of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nas_gym.envs.hypervolume import hypervolume
from nas_gym.envs.objectives import Floats, Objectives, WorstSeen, pareto_front, values_of
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.moves import enumerate_tokens


class KnownArchitecture(NamedTuple):
    """What a table knows of an architecture."""

    tokens: Tokens
    metrics: Mapping[str, float]  # ``accuracy`` is the mean over its trainings


def known_to(space: Any, table: Any) -> Iterator[KnownArchitecture]:
    """Yield every architecture of a space, as a table knows it.

    Raises:
        LookupError: The table lacks one.
    """
    ranking = getattr(table, "ranking", None)
    every: Iterable[Tokens] = (
        enumerate_tokens(space) if ranking is None else (tokens for tokens, _ in ranking())
    )
    for tokens in every:
        accuracy = table.mean_accuracy(tokens)
        yield KnownArchitecture(
            tuple(tokens), {**table.entry(tokens).metrics, "accuracy": accuracy}
        )


class TrueFront:
    """The best that there is in several objectives, and how much of it a front has.

    The share is that of hypervolumes, from a reference that is, in each objective, the least value
    that it can have (an accuracy of 0) or else the worst of all architectures; so scales have no
    part in it.

    Args:
        known: Every architecture.
        objectives: At most three.
    """

    def __init__(self, known: Iterable[KnownArchitecture], objectives: Objectives) -> None:
        every = list(known)
        self.values: Floats = values_of([(each.metrics, np.nan) for each in every], objectives)
        self._rows = {each.tokens: row for row, each in enumerate(every)}
        worst, low = self.values.min(axis=0), WorstSeen(objectives).low
        self.reference: Floats = np.where(np.isfinite(low), low, worst)

    @cached_property
    def front(self) -> Floats:
        """(points, objectives) The true front, the first objective's best first; equals once."""
        points = np.unique(self.values[pareto_front(self.values)], axis=0)
        return points[::-1]

    @cached_property
    def volume(self) -> float:
        """The hypervolume of the true front."""
        return hypervolume(self.front, self.reference)

    def share(self, points: Floats) -> float:
        """Return the hypervolume of points, (points, objectives), as a share of the true front's.

        Points of single, lucky trainings can have more than 1.
        """
        return hypervolume(points, self.reference) / self.volume

    def values_at(self, architectures: Sequence[Tokens]) -> Floats:
        """Return the true values of architectures; raises KeyError for one that is not known."""
        return self.values[[self._rows[tokens] for tokens in architectures]]
