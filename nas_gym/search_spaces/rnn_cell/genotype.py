"""Recurrent cells as trees: the data, its checks, its JSON and its key."""

from dataclasses import dataclass
from typing import NamedTuple

from nas_gym.errors import InvalidGenotype, unknown_name
from nas_gym.search_spaces.architecture import json_object

COMBINATIONS = ("add", "elem_mult")
ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu")
MOST_LEAVES = 128  # of a tree
ALL_COMBINATIONS = (*COMBINATIONS, "max")  # with those of the paper's control experiment
ALL_ACTIVATIONS = (*ACTIVATIONS, "sin")


@dataclass(frozen=True, slots=True)
class Node:
    """The work of a node: it combines two values elementwise, then applies a function."""

    combination: str  # one of ALL_COMBINATIONS
    activation: str  # one of ALL_ACTIVATIONS


@dataclass(frozen=True, slots=True)
class RNNCellGenotype:
    """A cell: (x_t, h_{t-1}, c_{t-1}) -> (h_t, c_t).

    With B leaves, node i < B combines ``W_i x_t`` and ``M_i h_{t-1}``; node B + k combines the
    outputs of the nodes 2k and 2k + 1; the last node's output is h_t.
    """

    nodes: tuple[Node, ...]  # 2 B - 1: the leaves, then level by level to the root
    inject: Node  # turns the output a of a node into activation(combination(a, c_{t-1}))
    cell_output: int  # the first cell index: node whose value before its activation is c_t
    cell_input: int  # the second cell index: node whose output gets c_{t-1} injected

    @property
    def base(self) -> int:
        """B, the number of leaves."""
        return (len(self.nodes) + 1) // 2

    def children(self, node: int) -> tuple[int, int]:
        """Return the two nodes that an inner node combines."""
        return 2 * (node - self.base), 2 * (node - self.base) + 1


def check_cell(genotype: RNNCellGenotype) -> None:
    """Raise InvalidGenotype or UnknownName if the cell cannot be built."""
    count = len(genotype.nodes)
    if not 3 <= count < 2 * MOST_LEAVES or count % 2 == 0:
        raise InvalidGenotype(
            f"a cell has {count} nodes: give 2 B - 1 of them for B leaves (15 for 8), 2 to "
            f"{MOST_LEAVES}"
        )
    named = {f"node {i}": node for i, node in enumerate(genotype.nodes)}
    for where, node in {**named, "inject": genotype.inject}.items():
        if node.combination not in ALL_COMBINATIONS:
            raise unknown_name(f"combination in {where}", node.combination, ALL_COMBINATIONS)
        if node.activation not in ALL_ACTIVATIONS:
            raise unknown_name(f"activation in {where}", node.activation, ALL_ACTIVATIONS)
    for field in ("cell_output", "cell_input"):
        index = getattr(genotype, field)
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
            raise InvalidGenotype(f"{field} is {index!r}: give a node, 0 to {count - 1}")


def canonical_key(genotype: RNNCellGenotype) -> str:
    """Return a string equal for cells that differ only in the order of children.

    Every combination commutes, so that the two children of an inner node may change places with
    all that is below them: the cells compute the same when the leaves' weights move along.
    """
    inject, base = genotype.inject, genotype.base
    keys: list[str] = []
    for i, node in enumerate(genotype.nodes):
        key = f"{node.combination} {node.activation}"
        if i >= base:
            a, b = keys[2 * (i - base)], keys[2 * (i - base) + 1]
            key = f"({a}, {b}) {key}" if a <= b else f"({b}, {a}) {key}"
        if i == genotype.cell_output:
            key += " > c"
        if i == genotype.cell_input:
            key += f" < c {inject.combination} {inject.activation}"
        keys.append(key)
    return keys[-1]


def genotype_from_json(data: object) -> RNNCellGenotype:
    """Return the genotype in JSON data with the fields of ``RNNCellGenotype``, checked.

    Raises:
        InvalidGenotype: A part is missing or wrong.
        UnknownName: A combination or an activation that is not known.
    """
    parts = json_object("a recurrent cell", data, RNNCellGenotype)
    if not isinstance(parts["nodes"], list | tuple):
        raise InvalidGenotype(f"'nodes' is a JSON list, not {parts['nodes']!r:.60}")
    nodes = [
        Node(**json_object(f"node {i}", node, Node))
        for i, node in enumerate(parts["nodes"][: 2 * MOST_LEAVES])
    ]
    inject = Node(**json_object("'inject'", parts["inject"], Node))
    genotype = RNNCellGenotype(tuple(nodes), inject, parts["cell_output"], parts["cell_input"])
    check_cell(genotype)
    return genotype


class LeafGroup(NamedTuple):
    """Leaves that do the same; their weights lie side by side."""

    combination: str
    activation: str
    leaves: tuple[int, ...]
    start: int  # place of the first of them in the parameters


def group_leaves(genotype: RNNCellGenotype) -> tuple[LeafGroup, ...]:
    """Group the leaves by what they do, in the order in which the parameters keep them."""
    groups: list[LeafGroup] = []
    start = 0
    for combination in ALL_COMBINATIONS:
        for activation in ALL_ACTIVATIONS:
            leaves = tuple(
                leaf
                for leaf, node in enumerate(genotype.nodes[: genotype.base])
                if (node.combination, node.activation) == (combination, activation)
            )
            if leaves:
                groups.append(LeafGroup(combination, activation, leaves, start))
                start += len(leaves)
    return tuple(groups)
