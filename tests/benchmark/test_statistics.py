"""Against slow definitions, published rules and scipy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from nas_gym.benchmark.statistics import (
    a12,
    bootstrap_band,
    holm,
    mean_ranks,
    standard_error,
    wilcoxon_p,
)

VALUES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=12)


def pratt_p(differences: list[float]) -> float:
    """Pratt's signed-rank test, by its definition."""
    sizes = [abs(d) for d in differences]
    ranks = [
        sum(other < size for other in sizes) + (sum(other == size for other in sizes) + 1) / 2
        for size in sizes
    ]
    signed = [(r, d) for r, d in zip(ranks, differences, strict=True) if d != 0]
    plus = sum(r for r, d in signed if d > 0)
    minus = sum(r for r, d in signed if d < 0)
    deviation = sum(r**2 for r, _ in signed) ** 0.5 / 2
    if deviation == 0:
        return 1.0
    return float(2 * norm.sf(abs(plus - minus) / 2 / deviation))


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_wilcoxon_is_pratts_test(differences: list[float]) -> None:
    zeros = np.zeros(len(differences))
    p = wilcoxon_p(np.array(differences), zeros)
    assert p == pytest.approx(min(1.0, pratt_p(differences)), abs=1e-9)
    assert wilcoxon_p(zeros, np.array(differences)) == pytest.approx(p)


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
    assert standard_error(np.array([1.0])) == 0


def test_bootstrap_band_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        curves = rng.exponential(size=(60, 1))
        low, high = bootstrap_band(curves, seed=trial, resamples=400)
        covered += bool(low[0] <= 1 <= high[0])
    assert 175 <= covered <= 198


def test_bootstrap_band_is_the_normal_one_for_many_runs() -> None:
    curves = np.random.default_rng(1).normal(size=(500, 3))
    low, high = bootstrap_band(curves)
    assert (high - low) / 2 == pytest.approx(1.96 * curves.std(axis=0) / 500**0.5, rel=0.1)
    again = bootstrap_band(curves)
    assert low.tolist() == again[0].tolist()
    assert high.tolist() == again[1].tolist()
