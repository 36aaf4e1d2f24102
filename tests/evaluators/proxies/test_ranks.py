"""Ranks within a pool and against a fixed one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.proxies.names import AZ_PARTS, values_for
from nas_gym.evaluators.proxies.ranks import (
    Reference,
    average_ranks,
    az_nas_scores,
    mean_fraction,
)

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
POOLS = st.lists(NUMBERS, min_size=1, max_size=30)


def test_az_nas_adds_the_logarithms_of_ranks() -> None:
    scores = az_nas_scores({"a": [1.0, 2.0, 3.0], "b": [9.0, 7.0, 8.0]})
    ranks = np.array([[1, 2, 3], [3, 1, 2]]) / 3
    assert scores == pytest.approx(np.log(ranks).sum(axis=0))


def test_what_is_no_number_ranks_lowest_and_is_no_number_in_no_score() -> None:
    scores = az_nas_scores({"a": [math.nan, 1.0, -math.inf, 2.0, math.inf]})
    assert np.isfinite(scores).all()
    assert scores[0] == scores[2] == scores[4] == pytest.approx(math.log(2 / 5))
    assert scores[3] == 0


@given(POOLS)
def test_ranks_are_scipys(values: list[float]) -> None:
    assert average_ranks(values) == pytest.approx(rankdata(values))


@pytest.mark.parametrize("parts", [{}, {"a": []}, {"a": [1.0], "b": [1.0, 2.0]}])
def test_parts_that_do_not_fit_are_refused(parts: dict[str, list[float]]) -> None:
    with pytest.raises(InvalidOption, match="give one value per architecture"):
        az_nas_scores(parts)


@given(POOLS)
def test_a_value_of_the_pool_has_its_middle_rank(values: list[float]) -> None:
    reference = Reference(values)
    for value in values:
        below = sum(each < value for each in values)
        equal = sum(each == value for each in values)
        assert reference.fraction(value) * (len(values) + 1) == pytest.approx(1 + below + equal / 2)


@given(POOLS, NUMBERS, NUMBERS)
def test_a_fraction_grows_with_the_value_everywhere(
    values: list[float], one: float, other: float
) -> None:
    reference = Reference(values)
    low, high = sorted((one, other))
    assert 0 < reference.fraction(low) <= reference.fraction(high) <= 1
    assert -2 < reference.standard(low) <= reference.standard(high) < 2


def test_beyond_the_pool_it_still_grows() -> None:
    reference = Reference([1.0, 2.0, 3.0])
    fractions = [reference.fraction(x) for x in (-100.0, 0.0, 1.0, 3.0, 4.0, 100.0)]
    assert fractions == sorted(set(fractions))
    assert fractions[0] > reference.fraction(math.nan) == 1 / 4


def test_a_pool_that_cannot_be_scored_knows_only_who_can() -> None:
    reference = Reference([math.nan, -math.inf])
    assert reference.fraction(math.inf) == 1 / 3
    assert reference.fraction(5.0) == reference.fraction(-5.0) == 1


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=20))
def test_the_mean_fraction_orders_as_the_sum_of_logarithms(pool: list[tuple[float, float]]) -> None:
    references = {n: Reference([each[i] for each in pool]) for i, n in enumerate("ab")}
    for values in pool:
        named = dict(zip("ab", values, strict=True))
        logs = sum(math.log(references[n].fraction(v)) for n, v in named.items())
        assert mean_fraction(references, "ab", named) == pytest.approx(math.exp(logs / 2))


def test_a_pool_has_mean_0_and_deviation_1() -> None:
    values = np.random.default_rng(0).exponential(size=200).tolist()
    standard = [Reference(values).standard(value) for value in values]
    assert np.mean(standard) == pytest.approx(0, abs=0.02)
    assert np.std(standard) == pytest.approx(1, abs=0.02)


def test_a_missing_value_counts_as_the_lowest_rank() -> None:
    references = {"a": Reference([1.0, 2.0, 3.0])}
    assert mean_fraction(references, ["a"], {}) == pytest.approx(1 / 4)


def test_names() -> None:
    assert values_for(["az-nas", "multiply_adds", "nwot"]) == (*AZ_PARTS, "nwot")
