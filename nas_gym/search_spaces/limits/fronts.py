"""Sets of costs that can be reached, as small as what is asked of them allows.

A *coordinate* is a metric, or its negative if the metric has a least value; so every limit is
"at most". Of the points that a set holds only those are kept that some limit could need.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nas_gym.search_spaces.limits.costs import TooManyStates

Ints = npt.NDArray[np.int64]
NEVER = 2**61  # of a coordinate: this exit cannot be reached
MOST_WORK = 8_000_000  # points looked at before a search begins: a few seconds
CLOSING = 20  # times the work of others that sums over parts are: choices of a search need new ones
CALL = 100  # points that take as long as what every step takes, however few it has


class Sets(Protocol):
    """The arithmetic of sets; a set is an array that tells its points by their exits."""

    def end(self, exit_: int, count: int) -> Ints:
        """Return the set that holds a cost of zero at one of ``count`` exits."""

    def best(self, costs: Sequence[Sequence[int]]) -> Any:
        """Return a set of plain costs, from a list of points."""

    def moved(self, values: Ints, costs: Any) -> Ints:
        """Return all sums of a set's points and those of ``best``."""

    def union(self, values: Sequence[Ints]) -> Ints:
        """Return the points of all."""

    def closed(self, values: Ints, after: Sequence[Any]) -> Any:
        """Return plain costs: each point plus what comes after its exit."""


class Smallest:
    """Sets under a single limit: of each exit the smallest value, (exits,)."""

    def end(self, exit_: int, count: int) -> Ints:
        """Return zero at one exit."""
        values = np.full(count, NEVER, np.int64)
        values[exit_] = 0
        return values

    def best(self, costs: Sequence[Sequence[int]]) -> int:
        """Return the smallest."""
        return int(min(cost[0] for cost in costs))

    def moved(self, values: Ints, costs: int) -> Ints:
        """Return the values, all of them larger by ``costs``."""
        return values + costs

    def union(self, values: Sequence[Ints]) -> Ints:
        """Return the smaller ones."""
        return np.minimum.reduce(values) if len(values) > 1 else values[0]

    def closed(self, values: Ints, after: Sequence[int]) -> int:
        """Return the smallest sum; ``NEVER``, or about it, if there is none."""
        return int((values + np.array(after)).min())


class Fronts:
    """Sets under several limits: (points, 1 + coordinates), exits first.

    Left out is what no limits can need: a point whose part is taken by others of its exit wherever
    it is within the limits. Of a metric with one side that is a point that is no smaller. A metric
    with two sides is cut into strips as wide as its window. A window with a point in it reaches
    from there to an end of the strip, so in each strip those points are kept that no other one
    undercuts towards either end.

    Args:
        columns: For each metric, one or two, a coordinate of it.
        windows: For each metric the most less the least, or None if it has one of them.
    """

    def __init__(self, columns: Sequence[int], windows: Sequence[int | None]) -> None:
        self.columns = [1 + column for column in columns]
        self.windows = windows
        self.coordinates = len(columns) + sum(window is not None for window in windows)
        self.work: int | None = 0  # that is done; None: no longer counted

    def end(self, exit_: int, count: int) -> Ints:
        """Return zero at one exit."""
        return np.array([[exit_, *[0] * self.coordinates]], np.int64)

    def best(self, costs: Sequence[Sequence[int]]) -> Ints:
        """Return the points of the front, (points, coordinates)."""
        return self._pruned(np.array([(0, *cost) for cost in costs], np.int64))[:, 1:]

    def moved(self, values: Ints, costs: Ints) -> Ints:
        """Return all sums."""
        if len(costs) == 1:
            self._count(len(values))
            moved: Ints = values + np.concatenate([[0], costs[0]])
            return moved
        self._count(len(values) * len(costs))
        sums = values[:, None, :] + np.pad(costs, ((0, 0), (1, 0)))[None]
        return self._pruned(sums.reshape(-1, values.shape[1]))

    def union(self, values: Sequence[Ints]) -> Ints:
        """Return the points of all."""
        if len(values) == 1:
            return values[0]
        self._count(sum(map(len, values)))
        return self._pruned(np.concatenate(values))

    def closed(self, values: Ints, after: Sequence[Ints]) -> Ints:
        """Return the front of all sums, (points, coordinates)."""
        if self.work is not None:
            exits, counts = np.unique(values[:, 0], return_counts=True)
            sizes = [len(after[exit_]) for exit_ in exits.tolist()]
            self._count(CLOSING * int(counts @ np.array(sizes)))
        sums = [
            self.moved(values[values[:, 0] == exit_], after[exit_])[:, 1:]
            for exit_ in np.unique(values[:, 0]).tolist()
        ]
        points = np.concatenate(sums)
        return self._pruned(np.pad(points, ((0, 0), (1, 0))))[:, 1:]

    def _count(self, points: int) -> None:
        """Raise TooManyStates if this many more points are too much work."""
        if self.work is not None:
            self.work += CALL + points
            if self.work > MOST_WORK:
                raise TooManyStates

    def _pruned(self, values: Ints) -> Ints:
        if len(values) == 1:
            return values
        strips = [values[:, 0]]
        for column, window in zip(self.columns, self.windows, strict=True):
            if window is not None:
                strips.append(values[:, column] // (window + 1))
        first, second = values[:, self.columns[0]], values[:, self.columns[-1]]
        if len(self.columns) == 1:  # of each strip its ends
            order = np.lexsort((first, *strips))
            begins = _begins([each[order] for each in strips])
            ends: Ints = values[order[begins | np.append(begins[1:], True)]]
            return ends
        kept = np.zeros(len(values), bool)
        ways = [(1,) if window is None else (1, -1) for window in self.windows]
        for signs in product(*ways):
            kept |= _undercut_by_none(strips, first * signs[0], second * signs[-1])
        return values[kept]


def _undercut_by_none(groups: Sequence[Ints], first: Ints, second: Ints) -> npt.NDArray[np.bool_]:
    """Return which points no other one of their group undercuts; of equal ones, one."""
    order = np.lexsort((second, first, *groups))
    begins = _begins([each[order] for each in groups])
    # The running minimum of the second coordinate begins anew at each group. Ranks stay small.
    ranks = np.unique(second, return_inverse=True)[1].reshape(-1)[order]
    lifted = ranks - np.cumsum(begins) * (len(order) + 1)
    below = np.append(NEVER, np.minimum.accumulate(lifted)[:-1])
    kept = np.empty(len(order), bool)
    kept[order] = lifted < below
    return kept


def _begins(groups: Sequence[Ints]) -> npt.NDArray[np.bool_]:
    """Return which points are the first of their group, of sorted ones."""
    begins = np.ones(len(groups[0]), bool)
    begins[1:] = np.logical_or.reduce([group[1:] != group[:-1] for group in groups])
    return begins
