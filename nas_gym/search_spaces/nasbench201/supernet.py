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

    Skipped connections are what they pass on, and what is zero is left out, so that 6,466 cells
    are left (Dong & Yang 2020, section 2.1). The space keeps a key for each of its 15,625 all the
    same, because the benchmark has other numbers for each.
    """
    operations = dict(zip(EDGES, genotype.operations, strict=True))
    nodes = ["x"]  # what each node is; empty: zero
    for node in range(1, NODES):
        terms = []
        for source in range(node):
            name, value = operations[source, node], nodes[source]
            if name != "none" and value:
                terms.append(value if name == "skip_connect" else f"{name}({value})")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]
