"""Recurrent cells of base 8, by name."""

from types import MappingProxyType

from nas_gym.search_spaces.rnn_cell.genotype import Node, RNNCellGenotype
from nas_gym.search_spaces.rnn_cell.space import RNNCell


def _tree(nodes: str, inject: str, cell_output: int, cell_input: int) -> RNNCellGenotype:
    """Read a cell from a text: ``+ tanh, * relu, ...`` from the first leaf to the root."""

    def node(text: str) -> Node:
        sign, activation = text.split()
        return Node({"+": "add", "*": "elem_mult"}[sign], activation)

    every = tuple(node(text) for text in nodes.split(","))
    return RNNCellGenotype(every, node(inject), cell_output, cell_input)


# The cell that the paper's search found, as published in TensorFlow's NASCell: without biases.
NAS_CELL = _tree(
    "+ sigmoid, + relu, + sigmoid, * relu, + tanh, + sigmoid, + tanh, + sigmoid,"
    "* tanh, + tanh, * tanh, + sigmoid, * identity, + tanh, * tanh",
    "+ tanh",
    cell_output=12,
    cell_input=8,
)
# An LSTM without biases if leaves 1, 5, 6 and 7 have zero weights: leaf 0 is its forget gate,
# 2 its input gate, 3 the candidate and 4 the output gate.
LSTM_LIKE = _tree(
    "+ sigmoid, + identity, + sigmoid, + tanh, + sigmoid, + identity, + identity, + identity,"
    "+ identity, * identity, + identity, + identity, + tanh, + identity, * identity",
    "* identity",
    cell_output=12,
    cell_input=0,
)

PUBLISHED = MappingProxyType({"nas-cell": NAS_CELL, "lstm-like": LSTM_LIKE})


def space_of(genotype: RNNCellGenotype) -> RNNCell:
    """Return the space of trees with as many leaves."""
    return RNNCell(genotype.base)
