"""The figures of a signal and a truth: by hand, by scipy, and by trying every choice."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from nas_gym.benchmark.correlation import (
    agreement,
    chance,
    expected_best,
    kendall,
    lead,
    spearman,
    stray,
    to_json,
    top_decile,
)

# Few different numbers: many are equal.
NUMBERS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=3, max_size=9)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    signal, truth = np.array(pairs, np.float64).T
    return signal, truth / 10


@given(NUMBERS)
def test_correlations_are_scipys(pairs: list[tuple[int, int]]) -> None:
    one, other = columns(pairs)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert math.isnan(spearman(one, other))
        assert math.isnan(kendall(one, other))
        return
    assert spearman(one, other) == pytest.approx(spearmanr(one, other)[0])
    assert kendall(one, other) == pytest.approx(kendalltau(one, other)[0])


def test_what_could_not_be_scored_is_below_all_others() -> None:
    truth = np.array([0.1, 0.2, 0.3, 0.4])
    for value in (math.nan, math.inf, -math.inf):
        assert spearman(np.array([value, -5.0, 0.0, 1.0]), truth) == pytest.approx(1.0)
        assert kendall(np.array([value, -5.0, 0.0, 1.0]), truth) == pytest.approx(1.0)
    # Two of them share the ranks 1 and 2: d = 0.5, 0.5, so 1 - correlation is that of scipy's.
    assert spearman(np.array([math.nan, math.inf, 0.0, 1.0]), truth) == pytest.approx(
        spearmanr([1.5, 1.5, 3, 4], [1, 2, 3, 4])[0]
    )


@settings(max_examples=60)
@given(NUMBERS, st.integers(1, 5))
def test_the_best_of_the_best_is_the_mean_of_all_choices_among_equals(
    pairs: list[tuple[int, int]], count: int
) -> None:
    signal, truth = columns(pairs)
    count = min(count, len(signal))
    highest = max(sum(sorted(signal[list(c)])) for c in combinations(range(len(signal)), count))
    choices = [
        max(truth[list(chosen)])
        for chosen in combinations(range(len(signal)), count)
        if sum(signal[list(chosen)]) == highest
    ]
    assert expected_best(signal, truth, count) == pytest.approx(np.mean(choices))


def test_regret_is_in_points_of_accuracy() -> None:
    truth = np.linspace(0.50, 0.90, 41)  # the best is 0.90
    found = agreement(truth, truth)
    assert (found.regret, found.regret_of_10) == (0.0, 0.0)
    assert found.spearman == found.kendall == found.top_spearman == pytest.approx(1.0)
    turned = agreement(-truth, truth)  # its best pick is 0.50, its ten best end at 0.59
    assert turned.regret == pytest.approx(40)
    assert turned.regret_of_10 == pytest.approx(31)
    assert turned.spearman == pytest.approx(-1.0)


def test_a_random_order_by_expectation() -> None:
    truth = np.arange(20) / 100  # the best of k of n, without replacement: (k n - 1) / (k + 1) + …
    found = chance(truth)
    assert (found.spearman, found.kendall, found.top_spearman) == (0, 0, 0)
    assert found.regret == pytest.approx(100 * (0.19 - truth.mean()))
    # The expected highest of k of the numbers 1 … n is k (n + 1) / (k + 1).
    assert found.regret_of_10 == pytest.approx(20 - 10 * 21 / 11)
    orders = np.random.default_rng(0)
    drawn = [spearman(orders.permutation(20).astype(float), truth) for _ in range(2000)]
    assert np.std(drawn) == pytest.approx(stray(20), rel=0.1)


def test_the_top_decile_has_those_that_equal_its_last_one() -> None:
    truth = np.arange(100) / 100
    assert top_decile(truth).nonzero()[0].tolist() == list(range(90, 100))
    truth[85:91] = 0.90  # six are equal at its lower end
    assert top_decile(truth).nonzero()[0].tolist() == list(range(85, 100))
    assert top_decile(np.arange(20.0)).sum() == 3  # no order of two
    signal = np.arange(100.0)
    signal[90:] = signal[90:][::-1]
    truth = np.arange(100) / 100
    assert agreement(signal, truth).top_spearman == pytest.approx(-1.0)
    assert agreement(signal, truth).spearman > 0.99


def test_a_lead_is_told_only_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(300)
    good, bad = truth + 0.1 * rng.random(300), truth + 3 * rng.random(300)
    assert lead(good, bad, truth).word == "better"
    assert lead(bad, good, truth).word == "worse"
    same = lead(good, good * 2 + 1, truth)  # the same order
    assert (same.low, same.high, same.word) == (0, 0, "-")
    few = lead(good[:19], bad[:19], truth[:19])
    assert math.isnan(few.low)
    assert few.word == "-"
    assert to_json(few) == {"low": None, "high": None}
    assert lead(np.zeros(300), bad, truth).word == "-"  # no order at all
