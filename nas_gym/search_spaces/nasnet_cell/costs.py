"""What the networks of NASNet's cells cost, choice by choice.

Given how many states each cell concatenates and which of its inputs it uses, the costs of both
cells' operations add up; what is between the cells depends on these numbers alone.
"""

from collections.abc import Hashable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nas_gym.networks.cost import Cost, cost_for, count_parameters, on_meta
from nas_gym.networks.operation_costs import (
    halving_cost,
    linear_cost,
    operation_cost,
    projection_cost,
    total,
)
from nas_gym.networks.task import Task
from nas_gym.search_spaces.limits.costs import Amount, CostStep, End
from nas_gym.search_spaces.nasnet_cell.genotype import CELLS
from nas_gym.search_spaces.nasnet_cell.layers import Shape
from nas_gym.search_spaces.nasnet_cell.network import AuxiliaryHead, cells_of, stem_of

if TYPE_CHECKING:
    from nas_gym.search_spaces.nasnet_cell.space import NASNetCell


class Exit(NamedTuple):
    """What a cell's neighbours need to know of it."""

    width: int  # filters of its output in units of its own: a concatenating block has two
    previous: bool  # whether any block reads h_{i-1}
    current: bool  # the same of h_i


class Blocks(NamedTuple):
    """A cell under construction; bit s of a number is about state s."""

    cell: int  # 0: the normal one
    block: int  # blocks that are finished
    field: int  # of the block under construction, that is chosen next
    used: int  # states that a block reads
    doubled: int  # states with twice the filters
    a: int = 0  # source of input a: 0 and 1 are the cell's inputs, 2 is a block, 3 one doubled
    b: int = 0


class NASNetCosts:
    """The costs of both cells' operations, and of what connects them.

    Args:
        space: The space.
        task: What the networks are built for.
        metrics: Those that are counted.
    """

    def __init__(self, space: "NASNetCell", task: Task, metrics: Sequence[str]) -> None:
        self.space, self.task, self.metrics = space, task, metrics
        self._nothing = (0,) * len(metrics)
        self._stays = space.concat == "all"  # every block is part of the output
        self._combines = tuple([combine == "concat" for combine in space.combines])
        self._auxiliary_cost = cache(self._auxiliary)
        self._places = cells_of(task)
        with on_meta():
            stem, self._stem = stem_of(task)
        self._stem_cost = cost_for(lambda: stem, task)
        self._operations = tuple([self._costs_of_cell(cell) for cell in range(len(CELLS))])
        widest = space.blocks * (2 if any(self._combines) else 1)
        inputs = ((True, False), (False, True), (True, True))  # the first block reads one
        ends = [Exit(width, *used) for width in range(1, widest + 1) for used in inputs]
        self.exits = (ends, ends)

    def start(self, part: int) -> Blocks:
        """Return the cell before its first choice."""
        return Blocks(part, 0, 0, 0, 0)

    def step(self, state: Blocks) -> CostStep:
        """Return the choices in the order of the space: inputs, operations, combine."""
        cell, block, field, used, doubled, a, b = state
        if field < 2:
            states = []
            for source in range(2 + block):
                kind = source if source < 2 else 2 + (doubled >> source & 1)
                now = used if self._stays and source > 1 else used | 1 << source
                pair = (kind, 0) if field == 0 else (a, kind)
                states.append(Blocks(cell, block, field + 1, now, doubled, *pair))
            return CostStep((self._nothing,) * len(states), tuple(states))
        if field == 2:
            after: Blocks | End = Blocks(cell, block, 3, used, doubled, 0, b)
            return CostStep(self._operations[cell][a], (after,))
        if field == 3:
            after = Blocks(cell, block, 4, used, doubled)
            if len(self._combines) == 1:
                after = self._finished(after, self._combines[0])
            return CostStep(self._operations[cell][b], (after,))
        finished = tuple([self._finished(state, concat) for concat in self._combines])
        return CostStep((self._nothing,) * len(finished), finished)

    def key(self, state: Blocks, least: bool | None) -> Hashable:
        """Return the state without the numbers of its blocks: which is which is all the same."""
        cell, block, field, used, doubled, a, b = state
        one = used & ~doubled
        return (
            cell, block, field, used & 3, doubled.bit_count(), (used & doubled).bit_count(),
            (one >> 2).bit_count(), a, b,
        )  # fmt: skip

    def extreme(self, state: Blocks, least: bool) -> None:
        """Return None: any option may be needed."""

    def joint(self, exits: tuple[Exit, ...]) -> Amount:
        """Return the cost of all but the blocks: stem, cells' inputs, classifiers."""
        costs = [self._stem_cost]
        shapes = [self._stem, self._stem]
        reductions: set[int] = set()
        for place, (name, filters, reduction) in enumerate(self._places):
            skips = self.task.skip_reduction_input and place - 1 in reductions
            previous, current = shapes[place - skips], shapes[-1]
            if name.startswith("reduction"):
                reductions.add(place)
            width, reads_previous, reads_current = exits[reduction]
            if reads_previous and not previous.same_size(current):
                costs.append(halving_cost(previous.channels, filters, previous[1:]))
            elif reads_previous and place > 0 and previous.channels != filters:
                costs.append(projection_cost(previous.channels, filters, current[1:]))
            if reads_current:
                costs.append(projection_cost(current.channels, filters, current[1:]))
            inside = Shape(width * filters, *current[1:])
            shapes.append(inside.halved(inside.channels) if reduction else inside)
        if self.task.auxiliary:
            costs.append(self._auxiliary_cost(shapes[-self.task.repeats - 2]))
        costs.append(linear_cost(shapes[-1].channels, self.task.classes))
        return self._of(total(costs))

    # ---------------------------------------------------------------- within

    def _finished(self, state: Blocks, concat: bool) -> Blocks | End:
        """Return the cell after another block."""
        number = 2 + state.block
        doubled = state.doubled | concat << number
        if state.block + 1 < self.space.blocks:
            return Blocks(state.cell, state.block + 1, 0, state.used, doubled)
        loose = ((1 << number + 1) - 1) & ~3 & ~state.used
        width = loose.bit_count() + (loose & doubled).bit_count()
        return End(Exit(width, bool(state.used & 1), bool(state.used & 2)))

    def _costs_of_cell(self, cell: int) -> tuple[tuple[Amount, ...], ...]:
        """Return what the operations on each of the four sources cost, in all cells of a kind."""
        sources: list[tuple[Amount, ...]] = []
        for source in range(4):
            shapes = self._shapes_of_operations(bool(cell), source)
            costs = []
            for name in self.space.operations:
                each = [
                    operation_cost(name, channels, filters, stride, (height, width))
                    for (channels, height, width), filters, stride in shapes
                ]
                costs.append(self._of(total([Cost(0, 0), *each])))
            sources.append(tuple(costs))
        return tuple(sources)

    def _shapes_of_operations(self, reduction: bool, source: int) -> list[tuple[Shape, int, int]]:
        """Return shape of the input, filters and stride of the operations on a source."""
        sides = self._stem
        found = []
        for place, (_, filters, reduces) in enumerate(self._places):
            outside = sides.halved(filters) if reduces else sides
            if reduces == reduction:
                channels = filters * (2 if source == 3 else 1)
                if place == 0 and source == 0:
                    channels = self._stem.channels
                seen = sides if source < 2 else outside
                stride = 2 if reduces and source < 2 else 1
                found.append((Shape(channels, *seen[1:]), filters, stride))
            sides = outside
        return found

    def _auxiliary(self, shape: Shape) -> Cost:
        """Return the parameters of the auxiliary classifier, which does no work when it is over."""
        with on_meta():
            return Cost(count_parameters(AuxiliaryHead(shape, self.task.classes)), 0)

    def _of(self, cost: Cost) -> Amount:
        """Return the metrics that count."""
        return tuple([getattr(cost, metric) for metric in self.metrics])
