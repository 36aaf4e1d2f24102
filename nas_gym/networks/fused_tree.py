"""A sequence through a tree-shaped cell as one operation, with its gradient written out.

Every node has one parent, so that the gradient of a leaf's products is linear in those of h_t and
c_t, each times the product of the slopes on the way from the root. These factors are computed for
many steps at once; what then runs backwards, step by step, is a few multiplications and a product
with the weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas_gym.networks.fused import (
    ACTIVATE,
    BLOCK,
    COMBINE,
    Array,
    Program,
    product,
    slope,
    slopes_of,
    times,
)
from nas_gym.networks.leaves import group_leaves
from nas_gym.networks.recurrent import Sequence, State
from nas_gym.search_spaces.rnn_cell import RNNCellGenotype


@dataclass(frozen=True, slots=True)
class _Value:
    """What a function gave at every step; of sin also its argument."""

    value: Tensor  # (time, batch, units)
    before: Tensor | None = None

    def slope(self, activation: str, steps: slice) -> Array | None:
        before = None if self.before is None else self.before.numpy()[steps]
        return slope(activation, self.value.numpy()[steps], before)


@dataclass(frozen=True, slots=True)
class _Factors:
    """What the gradients of h_t and c_t are multiplied by; None stands for 1."""

    hidden: Array | None = None
    cell: Array | None = None
    reached: bool = False  # by the gradient of c_t; otherwise its factor is 0

    def times(self, factor: Array | None) -> "_Factors":
        cell = times(self.cell, factor) if self.reached else None
        return _Factors(times(self.hidden, factor), cell, self.reached)

    def where_cell_starts(self) -> "_Factors":
        return _Factors(self.hidden, None, True)


class TreeSequence(Sequence):
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
        self.units = cell.shape[1]
        # Of the leaves that add, what is W x_t here becomes their values.
        self.projected = product(self.x.reshape(-1, size), self.inputs.flatten(0, 1))
        self.projected = self.projected.view(time, batch, -1)
        adding = sum(len(group.leaves) for group in self.groups if group.combination == "add")
        self.adding = adding * self.units  # columns of the leaves that add; they come first
        # Of the other leaves M h_{t-1} and the value.
        self.recurrent = torch.empty_like(self.projected[:, :, self.adding :])
        self.combined = torch.empty_like(self.recurrent)
        self.cells = cell.new_empty(time + 1, batch, self.units)
        self.cells[0] = cell
        self.values: dict[int, _Value] = {}
        self.injected: _Value | None = None

    def run(self) -> tuple[Tensor, State]:
        """Compute h at every step, and the last state."""
        program = Program()
        self._leaves(program)
        self._inner_nodes(program)
        outputs = self._seen(len(self.genotype.nodes) - 1)
        weights, hidden, adding = self.hidden.flatten(0, 1), self.first, self.adding
        steps = zip(self.projected.numpy(), self.recurrent.numpy(), outputs.unbind(), strict=True)
        with np.errstate(all="ignore"):  # as torch: what diverges becomes inf or nan
            for step, (projected, recurrent, output) in enumerate(steps):
                seen = hidden if self.mask is None else hidden * self.mask
                products = product(seen, weights).numpy()
                added = projected[:, :adding]
                np.add(added, products[:, :adding], added)
                if adding < products.shape[1]:
                    np.copyto(recurrent, products[:, adding:])
                program.run(step)
                hidden = output
        # Tensors of their own: what autograd marks as an output must not be kept in here.
        return torch.from_numpy(outputs.numpy()), (outputs[-1].clone(), self.cells[-1].clone())

    def _leaves(self, program: Program) -> None:
        for combination, activation, leaves, start in self.groups:
            columns = slice(start * self.units, (start + len(leaves)) * self.units)
            value = self.projected[:, :, columns]
            if combination != "add":  # that is done with the product
                others = slice(columns.start - self.adding, columns.stop - self.adding)
                operands = value, self.recurrent[:, :, others]
                value = self.combined[:, :, others]
                program.add(COMBINE[combination], *operands, value)
            if self.genotype.cell_output in leaves:
                place = leaves.index(self.genotype.cell_output)
                program.add(np.copyto, self.cells[1:], value.chunk(len(leaves), 2)[place])
            value, before = self._activate(program, activation, value)
            chunks = value.chunk(len(leaves), 2)
            befores = [None] * len(leaves) if before is None else before.chunk(len(leaves), 2)
            for leaf, part, part_before in zip(leaves, chunks, befores, strict=True):
                self.values[leaf] = _Value(part, part_before)
                self._inject(program, leaf)

    def _inner_nodes(self, program: Program) -> None:
        genotype = self.genotype
        for node in range(genotype.base, len(genotype.nodes)):
            does = genotype.nodes[node]
            value = torch.empty_like(self.cells[1:])
            program.add(COMBINE[does.combination], *map(self._seen, genotype.children(node)), value)
            if node == genotype.cell_output:
                program.add(np.copyto, self.cells[1:], value)
            self.values[node] = _Value(*self._activate(program, does.activation, value))
            self._inject(program, node)

    def _activate(
        self, program: Program, activation: str, value: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """In place, unless the slope needs the argument."""
        if activation == "identity":
            return value, None
        out = torch.empty_like(value) if activation == "sin" else value
        program.add(ACTIVATE[activation], value, out)
        return out, None if out is value else value

    def _inject(self, program: Program, node: int) -> None:
        if node == self.genotype.cell_input:
            does, value = self.genotype.inject, torch.empty_like(self.cells[1:])
            program.add(COMBINE[does.combination], self._seen(node), self.cells[:-1], value)
            self.injected = _Value(*self._activate(program, does.activation, value))

    def _seen(self, node: int) -> Tensor:
        """The output of a node as its parent sees it."""
        if node == self.genotype.cell_input and self.injected is not None:
            return self.injected.value
        return self.values[node].value

    # ------------------------------------------------------------ backwards

    def gradients(
        self, of_outputs: Tensor, of_last: State, want_x: bool
    ) -> tuple[Tensor | None, Tensor, Tensor, State]:
        """Those of x, of both weights, and of the first state."""
        with np.errstate(all="ignore"):
            of_hidden, of_inputs, of_state = self._back(of_outputs, of_last)
        rows = of_inputs.flatten(0, 1)
        x = self.x.reshape(len(rows), -1)
        before = torch.cat((self.first[None], self._seen(len(self.genotype.nodes) - 1)[:-1]))
        if self.mask is not None:
            before = before * self.mask
        of_x = product(rows, self.inputs.flatten(0, 1).t()).view_as(self.x) if want_x else None
        of_input_weights = product(rows.t(), x.t())
        of_hidden_weights = product(of_hidden.flatten(0, 1).t(), before.flatten(0, 1).t())
        return (
            of_x,
            of_input_weights.view_as(self.inputs),
            of_hidden_weights.view_as(self.hidden),
            of_state,
        )

    def _back(self, of_outputs: Tensor, of_last: State) -> tuple[Tensor, Tensor, State]:
        """Gradients of M h_{t-1} and of W x_t, (time, batch, leaves * units), and of the state."""
        time, batch, units = of_outputs.shape
        # Of h_t and of c_t, at every step; the first row of of_cell is that of the given state.
        of_hidden = of_outputs.clone(memory_format=torch.contiguous_format)
        of_hidden[-1] += of_last[0]
        of_cell = torch.empty_like(self.cells)
        of_cell[-1] = of_last[1]
        of_products = torch.empty_like(self.projected)
        of_projected = torch.empty_like(self.combined)  # of the leaves that do not add
        weights = self.hidden.flatten(0, 1).t()
        of_first = torch.zeros_like(self.first)
        size = max(1, BLOCK // (batch * units))
        for stop in range(time, 0, -size):
            block = _Block(self, slice(max(0, stop - size), stop))
            for step in range(stop - 1, block.steps.start - 1, -1):
                block.back(step, of_hidden[step], of_cell, of_products[step])
                of_seen = product(of_products[step], weights)
                if self.mask is not None:
                    of_seen *= self.mask
                (of_hidden[step - 1] if step else of_first).add_(of_seen)
            block.finish(of_hidden, of_cell, of_projected)
        of_inputs = of_products
        if self.adding < of_products.shape[2]:
            of_inputs = torch.cat((of_products[:, :, : self.adding], of_projected), dim=2)
        return of_products, of_inputs, (of_first, of_cell[0])


class _Block:
    """The factors of some steps."""

    def __init__(self, sequence: TreeSequence, steps: slice) -> None:
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
        self._collect()

    def _before(self, node: int, factors: _Factors) -> _Factors:
        """From the factors of a node's output to those of what it combines."""
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
        """Place in the parameters, leaf and combination."""
        for group in self.sequence.groups:
            for place, leaf in enumerate(group.leaves, start=group.start):
                yield place, leaf, group.combination

    def _collect(self) -> None:
        """Put the factors of all leaves side by side."""
        sequence, steps, units = self.sequence, self.steps, self.sequence.units
        _, batch, _ = sequence.projected.shape
        shape = steps.stop - steps.start, batch, len(self.leaves), units
        reached = [place for place, leaf, _ in self._order() if self.leaves[leaf].reached]
        self.first = min(reached, default=0)
        self.reached = slice(self.first, max(reached, default=-1) + 1)
        dtype = sequence.cells.numpy().dtype
        of_hidden, of_cell = np.empty(shape, dtype), np.zeros(shape, dtype)[:, :, self.reached]
        self.for_inputs: list[tuple[int, _Factors]] = []
        projected = sequence.projected.numpy()[steps]
        for place, leaf, combination in self._order():
            factors = self.leaves[leaf]
            if combination != "add":
                column = place * units
                other = column - sequence.adding
                a = projected[:, :, column : column + units]
                b = sequence.recurrent.numpy()[steps][:, :, other : other + units]
                of_input, of_product = slopes_of(combination, a, b)
                self.for_inputs.append((other, factors.times(of_input)))
                factors = factors.times(of_product)
            of_hidden[:, :, place] = 1 if factors.hidden is None else factors.hidden
            if factors.reached:
                of_cell[:, :, place - self.first] = 1 if factors.cell is None else factors.cell
        self.of_hidden, self.of_cell = torch.from_numpy(of_hidden), torch.from_numpy(of_cell)

    def back(self, step: int, of_hidden: Tensor, of_cell: Tensor, of_products: Tensor) -> None:
        """One step: from the gradients of h_t and c_t to those of the products and c_{t-1}.

        Args:
            step: Of the sequence.
            of_hidden: (batch, units)
            of_cell: (time + 1, batch, units); row step is written, row step + 1 read.
            of_products: (batch, leaves * units), written.
        """
        here = step - self.steps.start
        products = of_products.view(len(of_products), -1, of_hidden.shape[1])
        torch.mul(self.of_hidden[here], of_hidden[:, None], out=products)
        if self.of_cell.shape[2]:
            reached = products[:, self.reached]
            reached.addcmul_(self.of_cell[here], of_cell[step + 1][:, None])
        factors = self.into_cell
        assert factors is not None
        _mix(factors, here, of_hidden.numpy(), of_cell[step + 1].numpy(), of_cell[step].numpy())

    def finish(self, of_hidden: Tensor, of_cell: Tensor, of_projected: Tensor) -> None:
        """Gradients of W x_t of the leaves that do not add, for all steps at once."""
        units = of_hidden.shape[2]
        hidden, cell = of_hidden.numpy()[self.steps], of_cell.numpy()[1:][self.steps]
        for column, factors in self.for_inputs:
            out = of_projected.numpy()[self.steps][:, :, column : column + units]
            _mix(factors, slice(None), hidden, cell, out)


def _mix(
    factors: _Factors, steps: int | slice, of_hidden: Array, of_cell: Array, out: Array
) -> None:
    """``out`` = the gradients of h_t and c_t, each times its factor."""
    if factors.hidden is None:
        np.copyto(out, of_hidden)
    else:
        np.multiply(factors.hidden[steps], of_hidden, out)
    if factors.reached:
        np.add(out, of_cell if factors.cell is None else factors.cell[steps] * of_cell, out)
