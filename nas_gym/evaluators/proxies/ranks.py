"""Ranks of architectures by one proxy or several: within a pool, and against a fixed one.

AZ-NAS (Lee & Ham 2024, arXiv 2403.19232, section 3.3) adds the logarithms of ranks, so that one bad
part costs more than one good part gains. The higher a value, the better; what is no finite number
could not be scored, and has the lowest rank.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidOption

Floats = npt.NDArray[np.float64]


def is_score(value: float) -> bool:
    """Return whether a value is one: a finite number."""
    return math.isfinite(value)


def average_ranks(values: Sequence[float] | Floats) -> Floats:
    """Return (n,) ranks from 1, the lowest value's; equal values share the mean of theirs.

    Args:
        values: (n,); NaN and the infinities are equal to each other and below all others.
    """
    array = np.array(values, np.float64)
    array[~np.isfinite(array)] = -np.inf
    _, places, counts = np.unique(array, return_inverse=True, return_counts=True)
    highest = np.cumsum(counts)
    ranks: Floats = (highest - (counts - 1) / 2)[places.reshape(array.shape)]
    return ranks


def az_nas_scores(parts: Mapping[str, Sequence[float]]) -> Floats:
    """Return (n,) scores of a pool, each at most 0: the sum over the parts of log(rank / n).

    Args:
        parts: By name, the values of the same n architectures, n >= 1: AZ-NAS's are
            ``nas_gym.evaluators.proxies.names.AZ_PARTS``, any others are aggregated alike.

    Raises:
        InvalidOption: No parts, no architectures, or not as many in each.
    """
    counts = {len(values) for values in parts.values()}
    if len(counts) != 1 or counts == {0}:
        raise InvalidOption(
            f"parts have {', '.join(map(str, sorted(counts))) or 'no'} values: give one value per "
            "architecture in each of them, for one architecture or more"
        )
    (count,) = counts
    ranks = [average_ranks(values) for values in parts.values()]
    return np.asarray(np.log(np.array(ranks) / count).sum(axis=0), np.float64)


class Reference:
    """The values of a fixed pool, by which a value of any architecture gets a rank.

    The rank of a value is its place among those of the pool and itself, and between two of them it
    is interpolated, so that it grows with the value everywhere: a search by it has no plateaus.
    Beyond the pool's highest value it goes on towards n, beyond the lowest towards that of the
    unscorable ones.

    Args:
        values: Of the pool, at least one; those that are no finite numbers could not be scored.
    """

    def __init__(self, values: Sequence[float]) -> None:
        array = np.array(values, np.float64)
        finite = np.sort(array[np.isfinite(array)])
        self.count = len(array) + 1  # n: the pool and the architecture itself
        self._unscored = len(array) - len(finite)
        self._values = np.unique(finite)
        # Ranks that equal values would have: half of them below, half of them above.
        ends = np.searchsorted(finite, self._values, "right")
        starts = np.searchsorted(finite, self._values, "left")
        self._places = (starts + ends) / 2
        self._scored = len(finite)
        self._scale = float(finite.std()) or 1.0 if len(finite) else 1.0

    def fraction(self, value: float) -> float:
        """Return rank / n, in (0, 1]: 1 / n of a value that is no finite number, more of others."""
        if not is_score(value):
            return 1 / self.count
        return (1 + self._unscored + self._below(value)) / self.count

    def standard(self, value: float) -> float:
        """Return the fraction with mean 0 and deviation 1 over the space: in -1.73 to 1.73."""
        return (self.fraction(value) - 0.5) * math.sqrt(12)

    def _below(self, value: float) -> float:
        """Return how many of the pool's scored ones lie below, a fraction between two of them."""
        if not self._scored:
            return 0.0
        lowest, highest = float(self._values[0]), float(self._values[-1])
        if value < lowest:  # from the lowest one's place down to 0
            return float(self._places[0]) / (1 + (lowest - value) / self._scale)
        if value > highest:
            above = self._scored - float(self._places[-1])
            return self._scored - above / (1 + (value - highest) / self._scale)
        return float(np.interp(value, self._values, self._places))


def mean_fraction(
    references: Mapping[str, Reference], names: Sequence[str], values: Mapping[str, Any]
) -> float:
    """Return the geometric mean over ``names`` of rank / n, in (0, 1].

    It orders as the sum of log(rank / n) does, and has its lowest value, not its highest, near 0:
    the reward of a child that failed.

    Args:
        references: Of each name.
        names: At least one.
        values: By name; what is missing could not be scored.
    """
    logs = [math.log(references[name].fraction(values.get(name, math.nan))) for name in names]
    return math.exp(math.fsum(logs) / len(logs))
