"""The order in which the parameters of a tree-shaped cell keep its leaves."""

from typing import NamedTuple

from nas_gym.search_spaces.rnn_cell import ALL_ACTIVATIONS, ALL_COMBINATIONS, RNNCellGenotype


class LeafGroup(NamedTuple):
    """Leaves that do the same; their weights lie side by side."""

    combination: str
    activation: str
    leaves: tuple[int, ...]
    start: int  # place of the first of them in the parameters


def group_leaves(genotype: RNNCellGenotype) -> tuple[LeafGroup, ...]:
    """The leaves by what they do, in the order in which the parameters keep them."""
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
