"""Tests, effect sizes and bands; all are paired by seed unless they say so."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
RESAMPLES = 1000
CONFIDENCE = 0.95
EXACT = 50  # pairs that differ, at most, of which Wilcoxon's test goes through all signs
FEWEST_SAMPLED = 20  # of fewer values, samples say little of how far their mean is from another


def wilcoxon_p(one: Floats, other: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of paired values.

    Equal pairs are ranked with the others, and only then their ranks are left out (Pratt 1959); if
    all pairs are equal, p is 1. With at most ``EXACT`` pairs that differ the p is exact, given
    their ranks, ties or not: five pairs that all say the same give 2 / 2 ** 5. With more it is that
    of the normal approximation with correction for ties.

    Args:
        one: (pairs,)
        other: (pairs,), in the same order.
    """
    from scipy.stats import rankdata, wilcoxon

    # Differences that are equal but for the last bits are ties.
    differences = np.round(np.asarray(one, np.float64) - np.asarray(other, np.float64), 9)
    differ = differences != 0
    if not differ.any():
        return 1.0
    if differ.sum() > EXACT:
        return float(wilcoxon(differences, zero_method="pratt", method="approx").pvalue)
    ranks = np.rint(2 * rankdata(np.abs(differences))).astype(int)  # ties have half ones
    chances = np.ones(1)  # of each sum of the positive ones' ranks, if all signs are equally likely
    for rank in ranks[differ]:
        without, with_it = np.pad(chances, (0, rank)), np.pad(chances, (rank, 0))
        chances = (without + with_it) / 2
    found = ranks[differences > 0].sum()
    return min(1.0, 2 * float(min(chances[: found + 1].sum(), chances[found:].sum())))


def holm(p_values: Sequence[float]) -> Floats:
    """Return (tests,) p adjusted for all tests of a family (Holm 1979), in the order given.

    Rejecting if the adjusted p is below alpha keeps the chance of any false rejection in the
    family below alpha.
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")
    scaled = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def a12(one: Floats, other: Floats) -> float:
    """Return Vargha and Delaney's A (2000): how often a run of ``one`` beats one of ``other``.

    Ties count half; 0.5 is no difference. It compares all runs with all, not seed by seed.

    Args:
        one: (m,)
        other: (n,)
    """
    from scipy.stats import rankdata

    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    ranks = rankdata(np.concatenate([one, other]))[: len(one)]
    return float((ranks.sum() / len(one) - (len(one) + 1) / 2) / len(other))


def mean_ranks(values: Floats) -> Floats:
    """Return (agents,) mean ranks over columns, 1 = highest value; ties share ranks.

    Args:
        values: (agents, columns), one column per seed of a data set.
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(-np.asarray(values), axis=0).mean(axis=1), np.float64)


def standard_error(values: Floats) -> float:
    """Return the standard error of the mean of independent values; NaN for a single one."""
    count = len(values)
    return float(np.std(values, ddof=1) / np.sqrt(count)) if count > 1 else float("nan")


def bootstrap_band(
    curves: Floats, *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Return the percentile bootstrap band of the mean over runs: low and high, (points,) each.

    Runs are drawn whole, so that a band holds at each point; nothing is said about all points
    together. Of fewer than ``FEWEST_SAMPLED`` runs a band would be too narrow: it is NaN.
    ``scipy.stats.bootstrap`` computes the same from other random numbers, which would change the
    last digits of the committed results.

    Args:
        curves: (runs, points).
        seed: The same seed gives the same band.
        resamples: Bootstrap samples.
        confidence: Of the band, in (0, 1).
    """
    runs = len(curves)
    if runs < FEWEST_SAMPLED:
        none = np.full(curves.shape[1], np.nan)
        return none, none
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(runs, np.full(runs, 1 / runs), size=resamples)  # how often each
    means = drawn @ np.asarray(curves, np.float64) / runs
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high
