"""What the networks of NAS-Bench-201 and of NATS-Bench's size space cost, choice by choice."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from nas_gym.networks.cost import Cost, cost_for, on_meta
from nas_gym.networks.operation_costs import (
    Sides,
    convolution_cost,
    linear_cost,
    operation_cost,
    strided,
    total,
)
from nas_gym.networks.task import Task
from nas_gym.search_spaces.limits.costs import Amount, CostStep, End
from nas_gym.search_spaces.nasbench201.genotype import (
    CELL,
    CHANNELS,
    EDGES,
    LAYERS,
    OPERATIONS,
    NASBench201Genotype,
    genotype_of_string,
)
from nas_gym.search_spaces.nasbench201.network import (
    OPERATIONS_OF_EDGES,
    NASBench201Network,
    first_layers,
)

STACKS = 3  # of cells, each with twice the channels of the one before
Place = int  # choices made


class NASBench201Costs:
    """Each edge costs what its operation does, whatever the others are.

    Args:
        task: What the networks are built for.
        metrics: Those that are counted.
    """

    exits = ((None,),)

    def __init__(self, task: Task, metrics: Sequence[str]) -> None:
        self._metrics = metrics
        empty = NASBench201Genotype(("none",) * len(EDGES))
        self._empty = self._of(cost_for(partial(NASBench201Network, empty, task), task))
        sides = _sides_of_stem(task)
        stacks = [(2**i * task.filters, _halved(sides, i)) for i in range(STACKS)]
        edges = [[_edge(n, width, width, at) for width, at in stacks] for n in OPERATIONS]
        self._costs = tuple([self._of(total(each), task.repeats) for each in edges])

    def start(self, part: int) -> Place:
        """Return the beginning."""
        return part  # 0, the only one

    def step(self, state: Place) -> CostStep:
        """Return the costs of the operations; all lead to the next edge."""
        last = state + 1 == len(EDGES)
        return CostStep(self._costs, (End() if last else state + 1,))

    def key(self, state: Place, least: bool | None) -> Place:
        """Return the state."""
        return state

    def joint(self, exits: tuple[None, ...]) -> Amount:
        """Return the cost of a network without operations."""
        return self._empty

    def extreme(self, state: Place, least: bool) -> None:
        """Return None: any option may be needed."""

    def _of(self, cost: Cost, times: int = 1) -> Amount:
        return tuple([times * getattr(cost, metric) for metric in self._metrics])


Widths = tuple[int, int]  # choices made, channels of the last layer


class NATSSizeCosts:
    """Each layer costs what follows from its channels and those of the layer before it.

    Args:
        task: What the networks are built for.
        metrics: Those that are counted.
    """

    exits = ((None,),)

    def __init__(self, task: Task, metrics: Sequence[str]) -> None:
        self.task, self.metrics = task, metrics
        self._sides = _sides_of_stem(task)

    def start(self, part: int) -> Widths:
        """Return the beginning."""
        return (part, 0)

    def step(self, state: Widths) -> CostStep:
        """Return the costs of the layer of each number of channels."""
        place, before = state
        costs = tuple([self._of(self._layer(place, before, channels)) for channels in CHANNELS])
        if place + 1 == LAYERS:
            return CostStep(costs, (End(),))
        return CostStep(costs, tuple([(place + 1, channels) for channels in CHANNELS]))

    def key(self, state: Widths, least: bool | None) -> Widths:
        """Return the state."""
        return state

    def joint(self, exits: tuple[None, ...]) -> Amount:
        """Return no more costs."""
        return (0,) * len(self.metrics)

    def extreme(self, state: Widths, least: bool) -> None:
        """Return None: any option may be needed."""

    def _layer(self, place: int, before: int, channels: int) -> Cost:
        """Return what a layer costs; the first has the stem, the last norm and classifier."""
        sides = _halved(self._sides, place // 2)
        if place % 2:
            return _reduction(before, channels, sides)
        cell = genotype_of_string(CELL).operations
        edges = [
            _edge(name, channels if source else before or channels, channels, sides)
            for (source, _), name in zip(EDGES, cell, strict=True)
        ]
        if place == 0:
            edges.append(cost_for(partial(first_layers, self.task, channels), self.task))
        if place + 1 == LAYERS:
            norm = Cost(2 * channels, 0)
            edges += [norm, linear_cost(channels, self.task.classes)]
        return total(edges)

    def _of(self, cost: Cost) -> Amount:
        return tuple([getattr(cost, metric) for metric in self.metrics])


def _edge(name: str, before: int, channels: int, sides: Sides) -> Cost:
    """Return the cost of an edge's operation."""
    if name == "none":
        return Cost(0, 0)
    if name == "skip_connect":
        return operation_cost("identity", before, channels, 1, sides)
    return operation_cost(OPERATIONS_OF_EDGES[name], before, channels, 1, sides)


def _reduction(before: int, channels: int, sides: Sides) -> Cost:
    """Return the cost of ``ResidualReduction``."""
    outside = strided(sides, (2, 2))
    return total(
        [
            convolution_cost(before, channels, (3, 3), outside),
            convolution_cost(channels, channels, (3, 3), outside),
            convolution_cost(before, channels, (1, 1), outside, norm=False),
        ]
    )


def _sides_of_stem(task: Task) -> Sides:
    """Return the sides of what the first layers put out."""
    with on_meta():
        stem: Any = first_layers(task, 1)
    height, width = (getattr(stem, side, getattr(task, side)) for side in ("height", "width"))
    return height, width


def _halved(sides: Sides, times: int) -> Sides:
    """Return the sides after so many reductions."""
    for _ in range(times):
        sides = strided(sides, (2, 2))
    return sides
