"""Exact masks: what they reach is what keeps the limits, and their costs are the networks'."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from nas_gym.errors import InvalidOption
from nas_gym.networks.cost import cost_for
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import Tokens, decode
from nas_gym.search_spaces.limits import LimitedSpace, limited_space
from nas_gym.search_spaces.limits.costs import End
from nas_gym.search_spaces.limits.wanted import METRICS, limits_of
from nas_gym.search_spaces.moves import (
    crossover,
    enumerate_tokens,
    mutate,
    mutate_each,
    neighbours,
    random_tokens,
)
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell

SMALL = Task(channels=3, height=12, width=9, classes=10, filters=4)
CIFAR = Task(channels=3, height=32, width=32, classes=10, repeats=5, filters=16)
TEXT = LanguageTask(vocabulary=30, hidden=4, embedding=4)
IMAGENET = Task(
    3, 65, 64, 100, filters=8, stem="imagenet", auxiliary=True, skip_reduction_input=True
)
POOLED = Task(3, 20, 33, 7, filters=6, stem="pooled", auxiliary=True)
EVERY_CHOICE = ConvNet(
    depth=(1, 3), heights=(1, 2), filters=(6, 12), types=("conv", "pool"), pools=(1, 2)
)
POOLS = ConvNet(
    depth=(1, 2),
    heights=(2,),
    widths=(1,),
    strides=(1, 2),
    filters=(3, 9),
    types=("conv", "pool"),
    pools=(1,),
)

# A space, and a task for which its networks are small.
BUILT: list[tuple[Any, Any]] = [
    (NASBench201(), Task(1, 9, 7, 10, filters=3)),
    (NATSSize(), Task(3, 20, 33, 7, stem="pooled")),
    (NASNetCell(blocks=3), SMALL),
    (NASNetCell(blocks=2, concat="all", combines=("add",)), POOLED),
    (NASNetCell(blocks=3), IMAGENET),
    (NASNetCell(blocks=2), replace(IMAGENET, filters=10)),  # odd numbers in its stem, as F = 190
    (EVERY_CHOICE, Task(3, 13, 20, 10, width_multiplier=0.5, more_filters=1)),
    (ConvNet(depth=3, block_layers=3), Task(1, 8, 8, 10)),
    (RNNCell(base=3), TEXT),
    (ENASRNNCell(nodes=3), TEXT),
]  # fmt: skip
# Spaces small enough to be enumerated here.
ENUMERATED: list[tuple[Any, Task]] = [
    (NASNetCell(blocks=1, operations=("conv_3x3", "sep_conv_3x3")), SMALL),
    (ConvNet(depth=3, heights=(1, 3), widths=(1,), strides=(1,), filters=(2, 5)), SMALL),
    (ConvNet(depth=2, heights=(1, 3), widths=(1,), strides=(1, 2), filters=(3, 13)), SMALL),
    (ConvNet(depth=(2, 3), heights=(1, 3), widths=(1,), strides=(1,), filters=(12, 24)), SMALL),
    (POOLS, SMALL),
]
LARGER: list[tuple[Any, Task]] = [
    (NASBench201(), CIFAR),
    (NASNetCell(blocks=2, operations=("conv_3x3",)), SMALL),
    (ConvNet(depth=3, heights=(1, 3), widths=(1,), strides=(1, 2), filters=(4, 24)), SMALL),
    (replace(POOLS, depth=3), SMALL),
]
LARGEST: list[tuple[Any, Task, int]] = [
    (NATSSize(), SMALL, 6),
    (ConvNet(depth=3, heights=(1, 3), widths=(1, 5), strides=(1,), filters=(4, 6, 24)), SMALL, 6),
]


def costs_of(space: Any, task: Any, architectures: list[Tokens]) -> np.ndarray[Any, Any]:
    """Add up the steps of the space's states; (architectures, metrics)."""
    states = space.cost_states(task, METRICS)
    step = cache(states.step)  # many architectures share it, and it may build layers
    totals = []
    for tokens in architectures:
        state, exits, total = states.start(0), [], np.zeros(len(METRICS), np.int64)
        for token in tokens:
            costs, following = step(state)
            total += costs[token]
            state = following[token if len(following) > 1 else 0]
            if isinstance(state, End):
                exits.append(state.exit)
                if len(exits) < len(states.exits):
                    state = states.start(len(exits))
        totals.append(total + states.joint(tuple(exits)))
    return np.array(totals)


def budgets(costs: np.ndarray[Any, Any], count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield limits of all kinds, around costs that the space has."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        parameters, products = (int(np.quantile(costs[:, i], rng.random())) for i in range(2))
        narrow = int(rng.integers(1 + costs[:, 0].max() // 50))
        yield (
            {"parameters": parameters},
            {"multiply_adds": products},
            {"parameters": (parameters, None)},
            {"parameters": (parameters, parameters + narrow)},
            {"parameters": parameters, "multiply_adds": products},
            {"parameters": (parameters, None), "multiply_adds": (products // 2, 2 * products)},
            {"parameters": (parameters, parameters + 9 * narrow), "multiply_adds": products},
            {
                "parameters": (parameters, parameters + 5 * narrow),
                "multiply_adds": (products // 2, 2 * products),
            },
        )[number % 8]


def check_reached(space: Any, task: Task, count: int) -> None:
    """Compare what masks reach with what keeps the limits, for so many limits."""
    architectures = list(enumerate_tokens(space))
    costs = costs_of(space, task, architectures)
    feasible = 0
    for given in budgets(costs, count, seed=len(architectures)):
        limits = limits_of(given)
        kept = [
            tokens
            for tokens, row in zip(architectures, costs.tolist(), strict=True)
            if limits.holds(dict(zip(METRICS, row, strict=True)))
        ]
        if not kept:
            with pytest.raises(InvalidOption, match="no architecture of the space has"):
                limited_space(space, limits, task)
            continue
        # An open option that leads nowhere raises an error here.
        assert list(enumerate_tokens(limited_space(space, limits, task))) == kept, given
        feasible += len(kept) < len(architectures)
    assert feasible > count // 2


def check_built(space: Any, task: Any, count: int) -> None:
    """Compare the costs of random architectures with those of their built networks."""
    rng = np.random.default_rng(1)
    drawn = [random_tokens(space, rng) for _ in range(count)]
    counted = []
    for tokens in drawn:
        genotype = decode(space, tokens)
        counted.append(cost_for(lambda genotype=genotype: space.build(genotype, task), task))
    assert costs_of(space, task, drawn).tolist() == list(map(list, counted))


@pytest.mark.few(2)
@pytest.mark.parametrize(("space", "task"), BUILT)
def test_costs_are_those_of_the_built_networks(space: Any, task: Any) -> None:
    check_built(space, task, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("space", "task"), BUILT)
def test_costs_of_many_are_those_of_the_built_networks(space: Any, task: Any) -> None:
    check_built(space, task, 200)


@pytest.mark.few(1)
@pytest.mark.parametrize(("space", "task"), ENUMERATED)
def test_masks_reach_exactly_what_keeps_the_limits(space: Any, task: Task) -> None:
    check_reached(space, task, 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "task", "count"),
    [*((*each, 20) for each in (*ENUMERATED, *LARGER)), *LARGEST],
)
def test_masks_of_larger_spaces_reach_exactly_what_keeps_the_limits(
    space: Any, task: Task, count: int
) -> None:
    check_reached(space, task, count)


def test_costs_of_nasbench201_are_the_benchmarks() -> None:
    (found,) = costs_of(NASBench201(), CIFAR, [(3, 2, 1, 0, 4, 3)])
    assert found.tolist() == [
        73_306 + 2 * 243_040 + 28_000,
        7_783_050 - 10 + 2 * 35_389_440 + 3_932_160,  # it counts the classifier's biases as well
    ]


def limited(space: Any = NASNetCell(blocks=2), **limits: Any) -> LimitedSpace[Any]:  # noqa: B008
    return limited_space(space, limits_of(limits), SMALL)


def test_moves_keep_the_limits() -> None:
    space = limited(parameters=(2_000, 4_000))
    rng = np.random.default_rng(0)
    one, other = (random_tokens(space, rng) for _ in range(2))
    moved = [
        one,
        other,
        *(mutate(space, one, rng) for _ in range(10)),
        *(mutate_each(space, one, rng, 0.3) for _ in range(10)),
        *(crossover(space, one, other, rng) for _ in range(10)),
        *list(neighbours(space, one, rng))[:10],
    ]
    costs = costs_of(space.unlimited, SMALL, moved)[:, 0]
    assert costs.min() >= 2_000
    assert costs.max() <= 4_000
    assert all(each != one for each in moved[2:12])
    assert len(set(moved)) > 20


def test_tokens_are_those_of_the_unlimited_space() -> None:
    space = limited(parameters=3_000)
    tokens = random_tokens(space, np.random.default_rng(0))
    assert decode(space, tokens) == decode(space.unlimited, tokens)


def test_an_impossible_limit_says_what_is_possible() -> None:
    costs = costs_of(NASBench201(), CIFAR, [(0,) * 6, (3,) * 6])[:, 0].tolist()
    with pytest.raises(InvalidOption, match=f"the fewest possible parameters are {costs[0]:,};"):
        limited_space(NASBench201(), limits_of({"parameters": 10}), CIFAR)
    with pytest.raises(InvalidOption, match=f"the most possible parameters are {costs[1]:,};"):
        limited_space(NASBench201(), limits_of({"parameters": (10**9, None)}), CIFAR)


def test_a_hole_between_costs_is_no_way_out() -> None:
    # Sums of 243,040 and 28,000: none lies in this window, though it lies between two of them.
    with pytest.raises(InvalidOption, match="but not at once"):
        limited_space(NASBench201(), limits_of({"parameters": (73_307, 101_305)}), CIFAR)
    space = limited_space(NASBench201(), limits_of({"parameters": (101_306, 101_306)}), CIFAR)
    assert {sorted(tokens).count(2) for tokens in enumerate_tokens(space)} == {1}


@pytest.mark.slow
def test_a_deep_network_has_masks_at_once() -> None:
    space = ConvNet(depth=tuple(range(6, 21, 2)), strides=(1,))
    kept = limited_space(space, limits_of({"parameters": 40_000}), CIFAR)
    tokens = random_tokens(kept, np.random.default_rng(0))
    assert costs_of(space, CIFAR, [tokens])[0, 0] <= 40_000


IMAGES = Task(1, 8, 8, 10, repeats=1, filters=8)
WINDOW = {"parameters": (20_000, 30_000), "multiply_adds": 3_000_000}


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("space", "limits"),
    [
        pytest.param(NASNetCell(), WINDOW, marks=pytest.mark.slow),
        (NASNetCell(), {"parameters": (25_000, 25_010)}),
        (NASNetCell(blocks=2), {"parameters": (1_000, 9_000), "multiply_adds": (9_000, 99_000)}),
        pytest.param(
            ConvNet(depth=6, strides=(1,)),
            {**WINDOW, "multiply_adds": (10_000, 3_000_000)},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_too_much_work_is_given_up_soon(space: Any, limits: dict[str, Any]) -> None:
    began = time.process_time()
    assert not limited_space(space, limits_of(limits), IMAGES).exact
    assert time.process_time() - began < 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "limits"),
    [
        (NASNetCell(), {"parameters": (20_000, 30_000)}),
        (NASNetCell(blocks=2), {"parameters": (1_000, 12_000), "multiply_adds": 100_000}),
        (ConvNet(depth=3, strides=(1,)), WINDOW),
    ],
)
def test_windows_of_usual_width_have_masks(space: Any, limits: dict[str, Any]) -> None:
    kept = limited_space(space, limits_of(limits), IMAGES)
    assert kept.exact
    drawn = random_tokens(kept, np.random.default_rng(0))
    row = costs_of(space, IMAGES, [drawn])[0].tolist()
    assert kept.limits.holds(dict(zip(METRICS, row, strict=True)))


@pytest.mark.slow
def test_the_full_space_keeps_a_budget_of_nasnet_mobile() -> None:
    mobile = Task(3, 224, 224, 1000, repeats=4, filters=44, stem="imagenet")
    space = NASNetCell()
    kept = limited_space(space, limits_of({"parameters": 5_300_000}), mobile)
    rng = np.random.default_rng(0)
    drawn = [random_tokens(kept, rng) for _ in range(50)]
    assert costs_of(space, mobile, drawn)[:, 0].max() <= 5_300_000
    free = [random_tokens(space, rng) for _ in range(50)]
    assert costs_of(space, mobile, free)[:, 0].max() > 5_300_000
