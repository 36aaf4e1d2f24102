"""Recurrent cells as chains of nodes: the data, its checks, its JSON and its key."""

from dataclasses import dataclass

from nas_gym.errors import InvalidGenotype, unknown_name
from nas_gym.search_spaces.architecture import json_object
from nas_gym.search_spaces.rnn_cell.genotype import ALL_ACTIVATIONS

MOST_NODES = 200  # of a cell
ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")


@dataclass(frozen=True, slots=True)
class ENASNode:
    """A node: reads an earlier node's output and applies a function, inside a highway gate."""

    previous: int  # node that it reads, from 0; -1 of the first, which reads x_t and h_{t-1}
    activation: str  # one of ALL_ACTIVATIONS


@dataclass(frozen=True, slots=True)
class ENASRNNCellGenotype:
    """A cell: (x_t, h_{t-1}) -> h_t, the mean of the outputs that no node reads."""

    nodes: tuple[ENASNode, ...]  # at least one


def check_cell(genotype: ENASRNNCellGenotype) -> None:
    """Raise InvalidGenotype or UnknownName if the cell cannot be built."""
    if not 0 < len(genotype.nodes) <= MOST_NODES:
        raise InvalidGenotype(f"a cell has {len(genotype.nodes)} nodes: give 1 to {MOST_NODES}")
    for i, node in enumerate(genotype.nodes):
        previous = node.previous
        allowed = range(i) if i else (-1,)
        if type(previous) is not int or previous not in allowed:
            expected = f"an earlier node, 0 to {i - 1}" if i else "-1: it reads x_t and h_{t-1}"
            raise InvalidGenotype(f"node {i} reads {previous!r}: expected {expected}")
        if node.activation not in ALL_ACTIVATIONS:
            raise unknown_name(f"activation in node {i}", node.activation, ALL_ACTIVATIONS)


def canonical_key(genotype: ENASRNNCellGenotype) -> str:
    """Return a string equal for cells that differ only in the numbers of their nodes.

    Who reads whom makes a tree with node 0 at its root; this is the name of that tree without
    numbers (Aho, Hopcroft & Ullman 1974, on isomorphism of trees).
    """
    below: list[list[str]] = [[] for _ in genotype.nodes]  # keys of the nodes that read each
    for i in range(len(genotype.nodes) - 1, -1, -1):
        node = genotype.nodes[i]
        key = f"{node.activation}({', '.join(sorted(below[i]))})" if below[i] else node.activation
        if i:
            below[node.previous].append(key)
    return key


def genotype_from_json(data: object) -> ENASRNNCellGenotype:
    """Return the genotype in JSON data with the fields of ``ENASRNNCellGenotype``, checked.

    Raises:
        InvalidGenotype: A part is missing or wrong.
        UnknownName: An activation that is not known.
    """
    nodes = json_object("an ENAS cell", data, ENASRNNCellGenotype)["nodes"]
    if not isinstance(nodes, list | tuple):
        raise InvalidGenotype(f"'nodes' is a JSON list, not {nodes!r:.60}")
    genotype = ENASRNNCellGenotype(
        tuple(
            [ENASNode(**json_object(f"node {i}", node, ENASNode)) for i, node in enumerate(nodes)]
        )
    )
    check_cell(genotype)
    return genotype
