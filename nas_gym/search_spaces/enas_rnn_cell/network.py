"""The layer of ENAS's recurrent cell (Pham et al. 2018, section 2.1).

The paper's text could not be consulted; the formulas here are our reading, from memory.
"""

from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from nas_gym.networks.recurrent import ACTIVATE, RecurrentLayer, RecurrentSequence, State
from nas_gym.search_spaces.enas_rnn_cell.fused import ENASSequence, Group
from nas_gym.search_spaces.enas_rnn_cell.genotype import ENASRNNCellGenotype, check_cell


class ENASLayer(RecurrentLayer):
    """A layer of ENAS's cell, run along a sequence; each node is a highway layer without biases.

    ============  ==========================================================================
    node 0        gate = sigmoid(V_0 x_t + U_0 h_{t-1}),
                  y_0 = gate * f(W_0 x_t + M_0 h_{t-1}) + (1 - gate) * h_{t-1}
    node l        reads node j: gate = sigmoid(U_l y_j), y_l = gate * f(M_l y_j) + (1 - gate) * y_j
    output        h_t = mean of the y that no node reads
    ============  ==========================================================================

    The parameters hold gates first: ``input_weights`` (2, units, inputs) V_0 and W_0,
    ``hidden_weights`` (nodes, 2, units, units) U and M of the nodes in the order ``places``, in
    which nodes that read the same one are neighbours. ``weights_of`` finds those of a node.

    Args:
        genotype: The cell.
        inputs: Size of x_t, >= 1.
        units: Size of h_t, >= 1.

    Raises:
        InvalidGenotype: The cell cannot be built.
        InvalidOption: A size is below 1.
    """

    def __init__(self, genotype: ENASRNNCellGenotype, inputs: int, units: int) -> None:
        super().__init__(inputs, units, states=1)
        check_cell(genotype)
        self.genotype = genotype
        nodes = genotype.nodes
        self.places = sorted(range(len(nodes)), key=lambda node: nodes[node].previous)
        read = {node.previous for node in nodes}
        self.groups = self._group()
        self.loose = tuple(i for i, node in enumerate(self.places) if node not in read)
        self.input_weights = nn.Parameter(torch.empty(2, units, inputs))
        self.hidden_weights = nn.Parameter(torch.empty(len(nodes), 2, units, units))
        self.reset_parameters()

    def _group(self) -> tuple[Group, ...]:
        """Group the nodes by what they read."""
        groups: list[Group] = []
        nodes, places = self.genotype.nodes, self.places
        for previous, members in groupby(places, key=lambda node: nodes[node].previous):
            activations = tuple(nodes[node].activation for node in members)
            start = groups[-1].places.stop if groups else 0
            place = places.index(previous) if previous >= 0 else -1
            groups.append(Group(place, start, activations))
        return tuple(groups)

    def weights_of(self, node: int) -> Tensor:
        """Return U and M of a node, (2, units, units): a view of the parameters."""
        return self.hidden_weights[self.places.index(node)]

    def unfused(
        self, x: Tensor, inputs: Tensor, hidden: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run by the definition, with the given weights; one product for all that read a node."""
        (output,) = state
        outputs = []
        for projected in linear(x, inputs.flatten(0, 1)).unbind():
            output = self._step(projected, hidden, output, mask)
            outputs.append(output)
        return torch.stack(outputs), (output,)

    def run(
        self, x: Tensor, inputs: Tensor, hidden: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State, RecurrentSequence]:
        """Run in the fused way."""
        sequence = ENASSequence(
            self.groups,
            self.loose,
            (x, inputs, hidden),
            state,
            mask,
        )
        return *sequence.run(), sequence

    def _step(
        self, projected: Tensor, weights: Tensor, hidden: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Compute h_t from V_0 x_t and W_0 x_t, (batch, 2 * units), and h_{t-1}."""
        values: list[Tensor] = []  # in the order of the places
        for group in self.groups:
            first = group.previous < 0
            earlier = hidden if first else values[group.previous]
            seen = earlier * mask if first and mask is not None else earlier
            products = linear(seen, weights[group.places].flatten(0, 2))
            if first:
                products = products + projected
            parts = products.chunk(len(group.activations), 1)
            for activation, both in zip(group.activations, parts, strict=True):
                gate, candidate = both.chunk(2, 1)
                value = ACTIVATE[activation](candidate)
                values.append(earlier + torch.sigmoid(gate) * (value - earlier))
        return torch.stack([values[place] for place in self.loose]).mean(0)
