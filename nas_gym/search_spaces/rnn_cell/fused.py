"""Fast path; read ``network.py`` first. A sequence through a tree-shaped cell as one operation.

Its gradient is written out. Every node has one parent, so that the gradient of a leaf's products is
linear in those of h_t and c_t, each times the product of the slopes on the way from the root. These
factors are computed for many steps at once; what then runs backwards, step by step, is a few
multiplications and a product with the weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas_gym.networks.kernels.elementwise import (
    ACTIVATE,
    BLOCK,
    COMBINE,
    Array,
    Program,
    Slab,
    product,
    slope,
    slopes_of,
    times,
    weight_gradient,
)
from nas_gym.networks.recurrent import RecurrentSequence, State
from nas_gym.search_spaces.rnn_cell.genotype import RNNCellGenotype, group_leaves


@dataclass(frozen=True, slots=True)
class _Value:
    """The value of a function at every step, and of sin also its argument."""

    value: Tensor  # (time, batch, units)
    before: Tensor | None = None

    def slope(self, activation: str, steps: slice) -> Array | None:
        before = None if self.before is None else self.before.numpy()[steps]
        return slope(activation, self.value.numpy()[steps], before)


@dataclass(frozen=True, slots=True)
class _Factors:
    """The factors of the gradients of h_t and c_t; None stands for 1."""

    hidden: Array | None = None
    cell: Array | None = None
    reached: bool = False  # by the gradient of c_t; otherwise its factor is 0

    def times(self, factor: Array | None) -> "_Factors":
        cell = times(self.cell, factor) if self.reached else None
        return _Factors(times(self.hidden, factor), cell, self.reached)

    def where_cell_starts(self) -> "_Factors":
        return _Factors(self.hidden, None, True)


class TreeSequence(RecurrentSequence):
    """One sequence: ``run`` computes it, ``gradients`` goes back through it."""

    def __init__(
        self,
        genotype: RNNCellGenotype,
        tensors: tuple[Tensor, Tensor, Tensor],
        state: State,
        mask: Tensor | None,
    ) -> None:
        self.genotype, self.groups, self.mask = genotype, group_leaves(genotype), mask
        self.x, self.inputs, self.hidden = tensors
        self.first, cell = state
        time, batch, size = self.x.shape
        self.base, self.units = genotype.base, cell.shape[1]
        # Places of leaves that add come first; of the others W x_t and M h_{t-1} are kept.
        self.adding = sum(len(group.leaves) for group in self.groups if group.combination == "add")
        projected = product(self.x.reshape(-1, size), self.inputs.flatten(0, 1))
        # A row of all leaves for each sequence; below, leaves come first: then each is contiguous.
        self.projected = projected.view(time, batch, self.base, self.units).transpose(1, 2)
        others = self.base - self.adding
        numbers = (3 * self.base + 2 * others + 2) * (time + 1) * batch * self.units
        self.slab = Slab(cell, numbers)  # leaves, nodes, and some for the way back
        self.others = self._take(others).copy_(self.projected[:, self.adding :])
        self.recurrent, self.leaves = self._take(others), self._take(self.base)  # leaves: values
        self.cells = self.slab.take(time + 1, batch, self.units)
        self.cells[0] = cell
        self.values: dict[int, _Value] = {}
        self.injected: _Value | None = None

    def _take(self, *count: int) -> Tensor:
        """Take room for ``count`` values of every step."""
        time, _, batch, units = self.projected.shape
        return self.slab.take(time, *count, batch, units)

    def run(self) -> tuple[Tensor, State]:
        """Compute h at every step, and the last state."""
        program = Program()
        self._leaves(program)
        self._inner_nodes(program)
        outputs = self._seen(len(self.genotype.nodes) - 1)
        weights, hidden, adding = self.hidden.flatten(0, 1), self.first, self.adding
        steps = zip(
            self.projected.numpy(),
            self.leaves.numpy(),
            self.recurrent.numpy(),
            outputs.unbind(),
            strict=True,
        )
        with np.errstate(all="ignore"):  # as torch: what diverges becomes inf or nan
            for step, (projected, leaves, recurrent, output) in enumerate(steps):
                seen = hidden if self.mask is None else hidden * self.mask
                products = product(seen, weights).numpy()
                by_leaf = products.reshape(len(products), self.base, -1).swapaxes(0, 1)
                np.add(projected[:adding], by_leaf[:adding], leaves[:adding])
                if adding < self.base:
                    np.copyto(recurrent, by_leaf[adding:])
                program.run(step)
                hidden = output
        # They have memory of their own: what autograd marks as an output must not be kept in here.
        return outputs.clone(), (outputs[-1].clone(), self.cells[-1].clone())

    def _leaves(self, program: Program) -> None:
        for combination, activation, leaves, start in self.groups:
            places = slice(start, start + len(leaves))
            value = self.leaves[:, places]
            if combination != "add":  # that is done with the product
                others = slice(start - self.adding, places.stop - self.adding)
                operands = self.others[:, others], self.recurrent[:, others]
                program.add(COMBINE[combination], *operands, value)
            if self.genotype.cell_output in leaves:
                place = leaves.index(self.genotype.cell_output)
                program.add(np.copyto, self.cells[1:], value[:, place])
            value, before = self._activate(program, activation, value)
            for i, leaf in enumerate(leaves):
                self.values[leaf] = _Value(value[:, i], None if before is None else before[:, i])
                self._inject(program, leaf)

    def _inner_nodes(self, program: Program) -> None:
        genotype = self.genotype
        for node in range(genotype.base, len(genotype.nodes)):
            does = genotype.nodes[node]
            value = self._take()
            program.add(COMBINE[does.combination], *map(self._seen, genotype.children(node)), value)
            if node == genotype.cell_output:
                program.add(np.copyto, self.cells[1:], value)
            self.values[node] = _Value(*self._activate(program, does.activation, value))
            self._inject(program, node)

    def _activate(
        self, program: Program, activation: str, value: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Apply an activation, in place unless the slope needs the argument."""
        if activation == "identity":
            return value, None
        out = torch.empty_like(value) if activation == "sin" else value
        program.add(ACTIVATE[activation], value, out)
        return out, None if out is value else value

    def _inject(self, program: Program, node: int) -> None:
        if node == self.genotype.cell_input:
            does, value = self.genotype.inject, self._take()
            program.add(COMBINE[does.combination], self._seen(node), self.cells[:-1], value)
            self.injected = _Value(*self._activate(program, does.activation, value))

    def _seen(self, node: int) -> Tensor:
        """Return the output of a node as its parent sees it."""
        if node == self.genotype.cell_input and self.injected is not None:
            return self.injected.value
        return self.values[node].value

    # ------------------------------------------------------------ backwards

    def gradients(
        self, of_outputs: Tensor, of_last: State, want_x: bool
    ) -> tuple[Tensor | None, Tensor, Tensor, State]:
        """Return those of x, of both weights, and of the first state."""
        with np.errstate(all="ignore"):
            of_hidden, of_inputs, of_state = self._back(of_outputs, of_last)
        rows = of_inputs.flatten(0, 1)
        x = self.x.reshape(len(rows), -1)
        before = torch.cat((self.first[None], self._seen(len(self.genotype.nodes) - 1)[:-1]))
        if self.mask is not None:
            before = before * self.mask
        of_x = product(rows, self.inputs.flatten(0, 1).t()).view_as(self.x) if want_x else None
        of_input_weights = weight_gradient(rows, x)
        of_hidden_weights = weight_gradient(of_hidden.flatten(0, 1), before.flatten(0, 1))
        return (
            of_x,
            of_input_weights.reshape_as(self.inputs),
            of_hidden_weights.reshape_as(self.hidden),
            of_state,
        )

    def _back(self, of_outputs: Tensor, of_last: State) -> tuple[Tensor, Tensor, State]:
        """Return gradients of M h_{t-1}, W x_t, (time, batch, leaves * units), and of the state."""
        time, batch, units = of_outputs.shape
        of_products = self.slab.take(time, batch, self.base, units)
        of_others = torch.empty_like(of_products[:, :, self.adding :])  # W x_t
        # The gradients of h and of c before every step and after the last.
        of_hidden, of_cell = torch.empty_like(self.cells), torch.empty_like(self.cells)
        of_hidden[0] = 0
        of_hidden[1:] = of_outputs
        of_hidden[-1] += of_last[0]
        of_cell[-1] = of_last[1]
        rows, weights = of_products.flatten(2).unbind(), self.hidden.flatten(0, 1).t()
        by_leaf, hidden, cell = (
            list(x.numpy()) for x in (of_products.transpose(1, 2), of_hidden, of_cell)
        )
        mask = None if self.mask is None else self.mask.numpy()
        size = max(1, BLOCK // (batch * units))
        room = self._room_for_factors(size)
        for stop in range(time, 0, -size):
            block = _Block(self, slice(max(0, stop - size), stop), *room)
            for step in range(stop - 1, block.steps.start - 1, -1):
                block.back(step, hidden[step + 1], cell[step + 1], by_leaf[step], cell[step])
                of_seen = product(rows[step], weights).numpy()
                if mask is not None:
                    np.multiply(of_seen, mask, of_seen)
                np.add(hidden[step], of_seen, hidden[step])
            block.finish(of_hidden[1:], of_cell[1:], of_others)
        of_inputs = of_products
        if self.adding < self.base:
            of_inputs = torch.cat((of_products[:, :, : self.adding], of_others), dim=2)
        return of_products.flatten(2), of_inputs.flatten(2), (of_hidden[0], of_cell[0])

    def _room_for_factors(self, steps: int) -> tuple[Array, Array]:
        """Return room for the factors of h_t, (steps, leaves, batch, units), zeros for c_t's."""
        shape = steps, *self.leaves.shape[1:]
        dtype = self.leaves.numpy().dtype
        return np.empty(shape, dtype), np.zeros(shape, dtype)


class _Block:
    """The factors of some steps."""

    def __init__(
        self, sequence: TreeSequence, steps: slice, of_hidden: Array, of_cell: Array
    ) -> None:
        self.sequence, self.steps = sequence, steps
        genotype = sequence.genotype
        self.into_cell: _Factors | None = None  # of c_{t-1}
        factors = {len(genotype.nodes) - 1: _Factors()}
        for node in range(len(genotype.nodes) - 1, genotype.base - 1, -1):
            here = self._before(node, factors[node])
            left, right = genotype.children(node)
            values = (sequence._seen(child).numpy()[steps] for child in (left, right))
            slopes = slopes_of(genotype.nodes[node].combination, *values)
            for child, factor in zip((left, right), slopes, strict=True):
                factors[child] = here.times(factor)
        self.leaves = {leaf: self._before(leaf, factors[leaf]) for leaf in range(genotype.base)}
        self._collect(of_hidden, of_cell)

    def _before(self, node: int, factors: _Factors) -> _Factors:
        """Go from the factors of a node's output to those of what it combines."""
        sequence, steps = self.sequence, self.steps
        genotype, value = sequence.genotype, sequence.values[node]
        if node == genotype.cell_input:
            assert sequence.injected is not None
            does = genotype.inject
            factors = factors.times(sequence.injected.slope(does.activation, steps))
            operands = value.value.numpy()[steps], sequence.cells.numpy()[:-1][steps]
            of_value, of_cell = slopes_of(does.combination, *operands)
            self.into_cell = factors.times(of_cell)
            factors = factors.times(of_value)
        factors = factors.times(value.slope(genotype.nodes[node].activation, steps))
        return factors.where_cell_starts() if node == genotype.cell_output else factors

    def _order(self) -> Iterator[tuple[int, int, str]]:
        """Yield place in the parameters, leaf and combination."""
        for group in self.sequence.groups:
            for place, leaf in enumerate(group.leaves, start=group.start):
                yield place, leaf, group.combination

    def _collect(self, of_hidden: Array, of_cell: Array) -> None:
        """Put the factors of all leaves side by side."""
        sequence, steps = self.sequence, self.steps
        self.for_inputs: list[tuple[int, _Factors]] = []
        reached = []
        count = steps.stop - steps.start
        for place, leaf, combination in self._order():
            factors = self.leaves[leaf]
            if combination != "add":
                other = place - sequence.adding
                operands = sequence.others[steps, other], sequence.recurrent[steps, other]
                of_input, of_product = slopes_of(combination, *(x.numpy() for x in operands))
                self.for_inputs.append((other, factors.times(of_input)))
                factors = factors.times(of_product)
            of_hidden[:count, place] = 1 if factors.hidden is None else factors.hidden
            if factors.reached:
                of_cell[:count, place] = 1 if factors.cell is None else factors.cell
                reached.append(place)
        self.reached = slice(min(reached, default=0), max(reached, default=-1) + 1)
        self.of_hidden, self.of_cell = of_hidden, of_cell[:, self.reached]

    def back(
        self, step: int, of_hidden: Array, of_cell: Array, of_products: Array, of_earlier: Array
    ) -> None:
        """Go back one step: from the gradients of h_t and c_t to those of products and c_{t-1}.

        Args:
            step: Its number in the sequence.
            of_hidden: (batch, units)
            of_cell: (batch, units)
            of_products: (leaves, batch, units), written.
            of_earlier: (batch, units), written.
        """
        here = step - self.steps.start
        np.multiply(self.of_hidden[here], of_hidden, of_products)
        if self.of_cell.shape[1]:
            reached = of_products[self.reached]
            np.add(reached, self.of_cell[here] * of_cell, reached)
        assert self.into_cell is not None
        _mix(self.into_cell, here, of_hidden, of_cell, of_earlier)

    def finish(self, of_hidden: Tensor, of_cell: Tensor, of_others: Tensor) -> None:
        """Write the gradients of W x_t of the leaves that do not add, for all steps at once."""
        hidden, cell = of_hidden.numpy()[self.steps], of_cell.numpy()[self.steps]
        for other, factors in self.for_inputs:
            out = of_others.numpy()[self.steps][:, :, other]
            _mix(factors, slice(0, len(out)), hidden, cell, out)


def _mix(
    factors: _Factors, steps: int | slice, of_hidden: Array, of_cell: Array, out: Array
) -> None:
    """Write into ``out`` the gradients of h_t and c_t, each times its factor."""
    if factors.hidden is None:
        np.copyto(out, of_hidden)
    else:
        np.multiply(factors.hidden[steps], of_hidden, out)
    if factors.reached:
        np.add(out, of_cell if factors.cell is None else factors.cell[steps] * of_cell, out)
