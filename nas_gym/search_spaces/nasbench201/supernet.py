"""The supernet of NAS-Bench-201's cells: each edge has a module for each of its operations."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from nas_gym.networks.regularization import set_norms
from nas_gym.networks.supernet import Supernet
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasbench201.canonical import canonical_key
from nas_gym.search_spaces.nasbench201.genotype import EDGES, OPERATIONS, NASBench201Genotype
from nas_gym.search_spaces.nasbench201.network import NASBench201Network

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

    def canonical(self, genotype: NASBench201Genotype) -> NASBench201Genotype:
        """Return the cell that stands for all of one key: itself, unless keys are by function."""
        canonical = self.space.canonical
        return genotype if canonical is None else canonical(genotype)

    def distinct(self, genotype: NASBench201Genotype) -> str:
        """Return a text that is equal for cells that compute the same function."""
        return canonical_key(genotype.operations)

    def _make(self, place: str, build: Callable[[], nn.Module]) -> nn.Module:
        return self.part(place, build, self._prepare)

    def _prepare(self, module: nn.Module) -> None:
        set_norms(module, self.task)
