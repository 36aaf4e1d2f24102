"""The supernet of NAS-Bench-201's cells: each edge has a module for each of its operations."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from nas_gym.networks.regularization import set_norms
from nas_gym.networks.supernet import Supernet
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasbench201.genotype import EDGES, OPERATIONS, NASBench201Genotype
from nas_gym.search_spaces.nasbench201.network import NODES, NASBench201Network

if TYPE_CHECKING:
    from nas_gym.search_spaces.nasbench201.space import NASBench201


class NASBench201Supernet(Supernet):
    """The shared weights of all 15,625 cells.

    Args:
        space: Of the cells.
        task: As ``NASBench201Network`` takes it.
        seed: Of the initial weights.
    """

    def __init__(self, space: "NASBench201", task: Task, seed: int = 0) -> None:
        super().__init__(seed)
        self.space, self.task = space, task
        self.make_whole(NASBench201Genotype((name,) * len(EDGES)) for name in OPERATIONS)

    def path(self, genotype: NASBench201Genotype) -> NASBench201Network:
        """Return the network of a genotype, with the shared weights in it."""
        return NASBench201Network(genotype, self.task, self._make)

    def distinct(self, genotype: NASBench201Genotype) -> str:
        """Return ``function``: equal for cells that compute the same."""
        return function(genotype)

    def _make(self, place: str, build: Callable[[], nn.Module]) -> nn.Module:
        return self.part(place, build, self._prepare)

    def _prepare(self, module: nn.Module) -> None:
        set_norms(module, self.task)


def function(genotype: NASBench201Genotype) -> str:
    """Return what a cell computes, as a sum of what goes through its operations.

    A skipped connection is what it passes on, and zero, which batch norms without affine parameters
    leave zero, is left out. The benchmark's own rule, by which 6,466 of the 15,625 cells differ,
    tells sums with zeros in other places apart.
    """
    operations = dict(zip(EDGES, genotype.operations, strict=True))
    nodes: list[list[str]] = [["x"]]  # the terms of which each node is the sum; none: zero
    for node in range(1, NODES):
        terms: list[str] = []
        for source in range(node):
            name, value = operations[source, node], nodes[source]
            if name == "skip_connect":
                terms += value
            elif name != "none" and value:
                terms.append(f"{name}({'+'.join(value)})")
        nodes.append(sorted(terms))
    return "+".join(nodes[-1])
