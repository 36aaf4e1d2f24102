"""How well a cheap signal puts architectures in the order of the truth, in a few numbers.

All of them go by ranks: any signal that orders alike is worth the same. Equal values share the mean
of their ranks, and a value that is no finite number is below all others. Where a choice is among
equals, it is made at random, and the figure is its expected value, exactly.
"""

from dataclasses import asdict, dataclass
from math import comb, fsum, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark.statistics import CONFIDENCE, FEWEST_SAMPLED
from nas_gym.evaluators.proxies.ranks import average_ranks

Floats = npt.NDArray[np.float64]
TOP = 0.1  # share of the architectures that is the top decile
PICKS = (1, 10)  # numbers of best ones by the signal of which the best by the truth is taken
BOOTSTRAPS = 200
FEWEST = 3  # architectures that an order is told of


@dataclass(frozen=True)
class Agreement:
    """The figures of one signal and one truth; NaN where there is none."""

    spearman: float  # of all, in [-1, 1]
    kendall: float  # tau-b of all, in [-1, 1]
    top_spearman: float  # of the top decile of the truth
    regret: float  # points of accuracy: the best of all less the signal's best pick, >= 0
    regret_of_10: float  # the same of the best of its ten best


@dataclass(frozen=True)
class Lead:
    """By how much a signal's Spearman is above another's: a bootstrap interval."""

    low: float
    high: float

    @property
    def word(self) -> str:
        """``"better"``, ``"worse"``, or ``"-"``: the interval has 0 in it, or there is none."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "-"


def agreement(signal: Floats, truth: Floats) -> Agreement:
    """Return the figures of a signal.

    Args:
        signal: (architectures,), the higher the better.
        truth: (architectures,) accuracies, fractions in [0, 1], all finite.
    """
    top = top_decile(truth)
    best = float(truth.max()) if len(truth) else nan
    regrets = [100 * (best - expected_best(signal, truth, count)) for count in PICKS]
    return Agreement(
        spearman(signal, truth),
        kendall(signal, truth),
        spearman(signal[top], truth[top]),
        # A mean of equal numbers may differ from them in the last bit.
        *(max(0.0, regret) if regret == regret else nan for regret in regrets),
    )


def chance(truth: Floats) -> Agreement:
    """Return the expected figures of an order at random."""
    found = agreement(np.zeros(len(truth)), truth)  # all are equal: picks are at random
    return Agreement(**{**asdict(found), "spearman": 0.0, "kendall": 0.0, "top_spearman": 0.0})


def stray(count: int) -> float:
    """Return the standard deviation of the Spearman of random orders of so many."""
    return nan if count < 2 else (count - 1) ** -0.5


def spearman(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation; NaN of fewer than three, or where all of one are equal."""
    return _pearson(average_ranks(one), average_ranks(other)) if len(one) >= FEWEST else nan


def kendall(one: Floats, other: Floats) -> float:
    """Return Kendall's tau-b; NaN of fewer than three, or where all of one are equal."""
    from scipy.stats import kendalltau

    if len(one) < FEWEST:
        return nan
    return float(kendalltau(average_ranks(one), average_ranks(other))[0])


def top_decile(truth: Floats) -> npt.NDArray[np.bool_]:
    """Return which are of the top decile: (architectures,); those that equal its last one too."""
    count = max(FEWEST, round(TOP * len(truth)))
    if count >= len(truth):
        return np.ones(len(truth), np.bool_)
    return np.asarray(truth >= np.sort(truth)[-count])


def expected_best(signal: Floats, truth: Floats, count: int) -> float:
    """Return the expected highest truth among the ``count`` architectures of the highest signal.

    Those that are equal to the last of them fill the places that are left at random, without
    replacement: of t of them in ascending order of the truth, m are taken, and the i-th (from 1) is
    the best of these with the probability C(i - 1, m - 1) / C(t, m).

    Args:
        signal: (architectures,), the higher the better.
        truth: (architectures,)
        count: >= 1; all are taken if there are no more.
    """
    if len(truth) <= count:
        return float(truth.max()) if len(truth) else nan
    ranks = average_ranks(signal)
    last = np.sort(ranks)[-count]
    surely, equal = truth[ranks > last], np.sort(truth[ranks == last])
    places = count - len(surely)
    least = float(surely.max()) if len(surely) else -np.inf
    ways = comb(len(equal), places)
    return fsum(
        comb(i - 1, places - 1) / ways * max(least, float(value))
        for i, value in enumerate(equal, start=1)
        if i >= places
    )


def lead(signal: Floats, other: Floats, truth: Floats) -> Lead:
    """Return by how much a signal's Spearman is above another's, of the same architectures.

    A percentile interval of ``BOOTSTRAPS`` samples of the architectures, the same for both; none of
    fewer than ``FEWEST_SAMPLED``.

    Args:
        signal: (architectures,)
        other: (architectures,)
        truth: (architectures,)
    """
    if len(truth) < FEWEST_SAMPLED:
        return Lead(nan, nan)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(BOOTSTRAPS):
        drawn = rng.integers(len(truth), size=len(truth))
        of_truth = average_ranks(truth[drawn])
        one, two = (_pearson(average_ranks(s[drawn]), of_truth) for s in (signal, other))
        differences.append(one - two)
    found = np.array(differences)
    found = found[~np.isnan(found)]
    if len(found) < BOOTSTRAPS / 2:
        return Lead(nan, nan)
    tail = (1 - CONFIDENCE) / 2
    return Lead(float(np.quantile(found, tail)), float(np.quantile(found, 1 - tail)))


def to_json(found: Any) -> dict[str, float | None]:
    """Return a dataclass of numbers as JSON data: null for NaN."""
    return {name: None if value != value else value for name, value in asdict(found).items()}


def _pearson(one: Floats, other: Floats) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale else nan
