"""The rules of rungs, against other programs' formulas and by hand."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nas_agents.fidelity.brackets import Bracket, hyperband_brackets
from nas_agents.fidelity.rungs import Rung, rungs_of


@pytest.mark.parametrize(
    ("least", "most", "factor", "expected"),
    [
        (1, 243, 3, (1, 3, 9, 27, 81, 243)),  # int(log(243) / log(3) + 1) is 5 in floats
        (1, 81, 3, (1, 3, 9, 27, 81)),
        (1, 1000, 10, (1, 10, 100, 1000)),
        (1, 200, 3, (2, 7, 22, 66, 200)),
        (1, 12, 3, (1, 4, 12)),
        (3, 12, 2, (3, 6, 12)),
        (4, 12, 3, (4, 12)),
        (5, 5, 3, (5,)),
    ],
)
def test_the_epochs_of_the_rungs(
    least: int, most: int, factor: int, expected: tuple[int, ...]
) -> None:
    assert rungs_of(least, most, factor) == expected


@given(st.integers(1, 50), st.integers(0, 8), st.integers(2, 5))
def test_powers_are_met_exactly(least: int, power: int, factor: int) -> None:
    assert rungs_of(least, least * factor**power, factor) == tuple(
        least * factor**k for k in range(power + 1)
    )


def test_the_brackets_of_hyperband() -> None:
    """For R = 81 and 3: ceil(5 * 3**s / (s + 1)), as Optuna's HyperbandPruner allocates them."""
    assert hyperband_brackets(5, 3) == [
        Bracket(81, 0), Bracket(34, 1), Bracket(15, 2), Bracket(8, 3), Bracket(5, 4),
    ]  # fmt: skip


def rung_of(rewards: list[float]) -> Rung:
    rung = Rung(1)
    for trial, reward in enumerate(rewards):
        rung.add(trial, reward)
    return rung


def test_promotion_by_hand() -> None:
    """Li et al. 2020, algorithm 2: of nine three may go on, and those that did count."""
    rung = rung_of([0.5, 0.9])
    assert rung.promotable(3) is None  # of two none is among the best third
    rung.add(2, 0.7)
    assert rung.promotable(3) == 1
    rung.promoted.add(1)
    for trial, reward in enumerate([0.6, 0.8, 0.65], start=3):
        rung.add(trial, reward)
    assert rung.promotable(3) == 4
    rung.promoted.add(4)
    assert rung.promotable(3) is None
    for trial, reward in enumerate([0.1, 0.2, 0.95], start=6):
        rung.add(trial, reward)
    assert rung.promotable(3) == 8  # now the best three of nine are 8, 1 and 4
    rung.promoted.add(8)
    assert rung.promotable(3) is None


def test_failures_never_go_on() -> None:
    rung = rung_of([-math.inf] * 9)
    assert rung.promotable(3) is None
    assert not rung.goes_on(8, 3)
    assert not rung_of([-math.inf]).goes_on(0, 3)


_REWARDS = st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True)


@given(_REWARDS, st.integers(2, 5))
def test_stopping_agrees_with_the_quantile_of_other_programs(
    numbers: list[int], factor: int
) -> None:
    """Whoever goes on here is above the 1 - 1 / factor quantile of all, itself included.

    Ray's ASHA takes ``numpy.nanpercentile`` of those before; Optuna the best ``n // factor``.
    """
    rung = Rung(1)
    for trial, number in enumerate(numbers):
        reward = float(number)
        rung.add(trial, reward)
        seen = [float(each) for each in numbers[: trial + 1]]
        best = sorted(seen, reverse=True)[: max(1, len(seen) // factor)]
        assert rung.goes_on(trial, factor) == (reward in best)
        if rung.goes_on(trial, factor) and len(seen) >= factor:
            assert reward >= np.quantile(seen, 1 - 1 / factor) - 1e-9


@given(_REWARDS, st.integers(2, 5))
def test_promotion_takes_the_best_that_may_go_on(numbers: list[int], factor: int) -> None:
    rung = rung_of([float(number) for number in numbers])
    expected = sorted(range(len(numbers)), key=lambda t: -numbers[t])[: len(numbers) // factor]
    taken = []
    while (trial := rung.promotable(factor)) is not None:
        rung.promoted.add(trial)
        taken.append(trial)
    assert taken == expected


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_a_standing_is_a_rank(rewards: list[float]) -> None:
    rung = rung_of(rewards)
    standings = [rung.standing(trial) for trial in range(len(rewards))]
    assert all(0 < each < 1 for each in standings)
    assert sum(standings) == pytest.approx(len(rewards) / 2)
    for first, second in zip(range(len(rewards)), range(1, len(rewards)), strict=False):
        assume(rewards[first] != rewards[second])
        assert (standings[first] < standings[second]) == (rewards[first] < rewards[second])
