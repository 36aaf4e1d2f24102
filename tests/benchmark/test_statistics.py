"""Against slow definitions, published rules and scipy."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, wilcoxon

from nas_gym.benchmark.statistics import (
    EXACT,
    FEWEST_SAMPLED,
    a12,
    bootstrap_band,
    holm,
    mean_ranks,
    standard_error,
    wilcoxon_p,
)

VALUES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=12)


def ranked(differences: list[float]) -> list[tuple[float, float]]:
    """Rank and difference of each pair that differs; equal pairs are ranked as well (Pratt)."""
    sizes = [abs(d) for d in differences]
    ranks = [
        sum(other < size for other in sizes) + (sum(other == size for other in sizes) + 1) / 2
        for size in sizes
    ]
    return [(r, d) for r, d in zip(ranks, differences, strict=True) if d != 0]


def exact_p(differences: list[float]) -> float:
    """Pratt's signed-rank test, by going through all signs."""
    signed = ranked(differences)
    found = sum(r if d > 0 else -r for r, d in signed)
    every = [
        sum(sign * r for sign, (r, _) in zip(signs, signed, strict=True))
        for signs in itertools.product((1, -1), repeat=len(signed))
    ]
    return sum(abs(each) >= abs(found) for each in every) / len(every)


def approximate_p(differences: list[float]) -> float:
    """The same by the normal distribution."""
    signed = ranked(differences)
    deviation = sum(r**2 for r, _ in signed) ** 0.5 / 2
    middle = sum(r if d > 0 else -r for r, d in signed) / 2
    return float(2 * norm.sf(abs(middle) / deviation))


def p_of(differences: list[float]) -> float:
    return wilcoxon_p(np.array(differences), np.zeros(len(differences)))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=10))
def test_few_pairs_have_the_exact_p_with_ties_and_equal_pairs(differences: list[float]) -> None:
    p = p_of(differences)
    assert p == pytest.approx(exact_p(differences), abs=1e-12)
    assert p_of([-d for d in differences]) == pytest.approx(p, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.randoms(use_true_random=False))
def test_without_ties_it_is_scipys_exact_p(count: int, random: Any) -> None:
    differences = [
        random.choice((-1, 1, 1)) * (i + random.random() / 2) for i in range(1, count + 1)
    ]
    random.shuffle(differences)
    expected = wilcoxon(differences, method="exact").pvalue
    assert p_of(differences) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("count", range(1, 12))
def test_pairs_that_all_say_the_same_have_the_least_p(count: int) -> None:
    """Five cannot have less than 0.0625, however large they are."""
    least = min(1.0, 2.0 ** (1 - count))
    assert p_of([0.1 * i for i in range(1, count + 1)]) == pytest.approx(least)
    assert p_of([5.0] * count) == pytest.approx(least)  # all tied
    assert p_of([0.0] * 190 + [0.3] * count) == pytest.approx(least)  # of many pairs


def test_the_false_positives_of_five_and_six_pairs_are_as_many_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for count, level in ((5, -0.03), (6, 2 / 64), (8, 0.05)):  # of five: none
        found = [p_of(list(rng.normal(size=count))) < 0.05 for _ in range(400)]
        assert np.mean(found) <= level + 0.03


def test_many_pairs_have_the_approximate_p() -> None:
    rng = np.random.default_rng(0)
    for count in (EXACT, EXACT + 1):
        differences = [*(np.floor(rng.normal(2, 10, count)) + 0.5), *np.zeros(40)]
        approximate = approximate_p(differences)
        assert p_of(differences) == pytest.approx(approximate, rel=0.05)
        assert (p_of(differences) == pytest.approx(approximate, abs=1e-9)) == (count > EXACT)


def test_equal_runs_are_no_difference() -> None:
    same = np.full(30, 91.5)
    assert wilcoxon_p(same, same) == 1.0
    assert a12(same, same) == 0.5


def test_holm_on_a_known_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.floats(0.001, 0.5))
def test_holm_rejects_what_its_steps_reject(p_values: list[float], alpha: float) -> None:
    rejected: set[int] = set()
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for step, test in enumerate(order):
        if p_values[test] * (len(p_values) - step) > alpha:
            break
        rejected.add(test)
    assert {i for i, p in enumerate(holm(p_values)) if p <= alpha} == rejected


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES)
def test_a12_is_the_chance_to_win(one: list[float], other: list[float]) -> None:
    pairs = list(itertools.product(one, other))
    chance = sum((x > y) + (x == y) / 2 for x, y in pairs) / len(pairs)
    assert a12(np.array(one), np.array(other)) == pytest.approx(chance)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.randoms(use_true_random=False))
def test_mean_ranks(agents: int, columns: int, random: object) -> None:
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    values = rng.integers(3, size=(agents, columns)).astype(float)
    slow = [
        np.mean(
            [
                (column > column[a]).sum() + ((column == column[a]).sum() + 1) / 2
                for column in values.T
            ]
        )
        for a in range(agents)
    ]
    assert mean_ranks(values) == pytest.approx(slow)


def test_standard_error() -> None:
    assert standard_error(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(1.2909944 / 2)
    assert np.isnan(standard_error(np.array([1.0])))


def test_bootstrap_band_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        curves = rng.exponential(size=(60, 1))
        low, high = bootstrap_band(curves, seed=trial, resamples=400)
        covered += bool(low[0] <= 1 <= high[0])
    assert 175 <= covered <= 198


def test_few_runs_have_no_band() -> None:
    """Of five, a percentile interval of 95 % holds the mean four times of five."""
    curves = np.random.default_rng(2).normal(size=(FEWEST_SAMPLED, 3))
    assert np.isfinite(bootstrap_band(curves)).all()
    for runs in (1, 2, 5, FEWEST_SAMPLED - 1):
        found = bootstrap_band(curves[:runs])
        assert [band.shape for band in found] == [(3,), (3,)]
        assert np.isnan(found).all()


def test_bootstrap_band_is_the_normal_one_for_many_runs() -> None:
    curves = np.random.default_rng(1).normal(size=(500, 3))
    low, high = bootstrap_band(curves)
    assert (high - low) / 2 == pytest.approx(1.96 * curves.std(axis=0) / 500**0.5, rel=0.1)
    again = bootstrap_band(curves)
    assert low.tolist() == again[0].tolist()
    assert high.tolist() == again[1].tolist()
