"""The layer of a recurrent cell that is a tree (Zoph & Le 2016, sections 3.4 and 4.2)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from nas_gym.networks.recurrent import ACTIVATE, COMBINE, RecurrentLayer, RecurrentSequence, State
from nas_gym.search_spaces.rnn_cell.fused import TreeSequence
from nas_gym.search_spaces.rnn_cell.genotype import RNNCellGenotype, check_cell, group_leaves


class TreeLayer(RecurrentLayer):
    """A layer that runs a tree-shaped cell along a sequence.

    Leaf i has the weights W_i (units, inputs) and M_i (units, units), and no bias, as in the cell
    that the authors published. ``weights_of`` finds them in the parameters.

    Args:
        genotype: The cell.
        inputs: Size of x_t, >= 1.
        units: Size of h_t and of c_t, >= 1.

    Raises:
        InvalidGenotype: The cell cannot be built.
        InvalidOption: A size is below 1.
    """

    def __init__(self, genotype: RNNCellGenotype, inputs: int, units: int) -> None:
        super().__init__(inputs, units, states=2)
        check_cell(genotype)
        self.genotype = genotype
        self.groups = group_leaves(genotype)
        self.input_weights = nn.Parameter(torch.empty(genotype.base, units, inputs))
        self.hidden_weights = nn.Parameter(torch.empty(genotype.base, units, units))
        self.reset_parameters()

    def weights_of(self, leaf: int) -> tuple[Tensor, Tensor]:
        """Return a leaf's W_i (units, inputs) and M_i (units, units): views of the parameters."""
        place = [each for group in self.groups for each in group.leaves].index(leaf)
        return self.input_weights[place], self.hidden_weights[place]

    def unfused(
        self, x: Tensor, inputs: Tensor, hidden: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run by the definition, with the given weights; leaves that do the same are one."""
        output, cell = state
        outputs = []
        for projected in linear(x, inputs.flatten(0, 1)).unbind():
            seen = output if mask is None else output * mask
            output, cell = self._step(projected, linear(seen, hidden.flatten(0, 1)), cell)
            outputs.append(output)
        return torch.stack(outputs), (output, cell)

    def run(
        self, x: Tensor, inputs: Tensor, hidden: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State, RecurrentSequence]:
        """Run in the fused way."""
        sequence = TreeSequence(self.genotype, (x, inputs, hidden), state, mask)
        return *sequence.run(), sequence

    def _step(self, projected: Tensor, recurrent: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Compute h_t and c_t from W x_t and M h_{t-1}, (batch, leaves * units), and c_{t-1}."""
        genotype, units = self.genotype, self.units
        # Each node has the value before its activation, and its output.
        values: list[tuple[Tensor, Tensor]] = [(cell, cell)] * len(genotype.nodes)
        for combination, activation, leaves, start in self.groups:
            columns = slice(start * units, (start + len(leaves)) * units)
            before = COMBINE[combination](projected[:, columns], recurrent[:, columns])
            after = ACTIVATE[activation](before)
            chunks = zip(before.chunk(len(leaves), 1), after.chunk(len(leaves), 1), strict=True)
            for leaf, value in zip(leaves, chunks, strict=True):
                values[leaf] = self._with_cell(leaf, value, cell)
        for node in range(genotype.base, len(genotype.nodes)):
            left, right = genotype.children(node)
            does = genotype.nodes[node]
            before = COMBINE[does.combination](values[left][1], values[right][1])
            value = before, ACTIVATE[does.activation](before)
            values[node] = self._with_cell(node, value, cell)
        return values[-1][1], values[genotype.cell_output][0]

    def _with_cell(
        self, node: int, value: tuple[Tensor, Tensor], cell: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``value`` with c_{t-1} put into the node's output, if the genotype says so."""
        if node != self.genotype.cell_input:
            return value
        inject = self.genotype.inject
        return value[0], ACTIVATE[inject.activation](COMBINE[inject.combination](value[1], cell))
