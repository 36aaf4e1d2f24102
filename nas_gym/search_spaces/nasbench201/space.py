"""NAS-Bench-201's cell (Dong & Yang 2020, section 2.1): six edges, five operations each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nas_gym.networks.task import Task
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import Pick, Picked
from nas_gym.search_spaces.nasbench201.canonical import canonical_key, first_cells
from nas_gym.search_spaces.nasbench201.genotype import (
    EDGES,
    OPERATIONS,
    STEMS,
    NASBench201Genotype,
    genotype_of_string,
    is_connected,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class NASBench201(Options):
    """The topology space of NAS-Bench-201 and NATS-Bench: 6 tokens, 5 options, 15,625 cells.

    A cell is a directed graph of four nodes; every node sums what its incoming edges bring.

    Args:
        isomorphic: Whether cells that compute the same function share a key, so that one of them is
            trained for all: 5,267 differ. By default each cell has a key of its own, because the
            benchmark gives each its own numbers.
    """

    isomorphic: bool = False

    static = True
    stems = STEMS
    max_length = len(EDGES)
    max_options = len(OPERATIONS)
    # The benchmark's own network: CIFAR-10, N = 5, C = 16.
    usual_task = Task(channels=3, height=32, width=32, classes=10, repeats=5, filters=16)

    def choose(self, pick: Pick) -> NASBench201Genotype:
        """Choose the operation of each edge, in the order of the architecture string."""
        return NASBench201Genotype(tuple([pick(name, OPERATIONS) for name in _NAMES]))

    @property
    def canonical_key(self) -> Callable[[NASBench201Genotype], str] | None:
        """A text that is equal for cells of the same function; None if each has its own key."""
        return _key if self.isomorphic else None

    @property
    def canonical(self) -> Callable[[NASBench201Genotype], NASBench201Genotype] | None:
        """The first of all cells with the same key; None if each has its own key."""
        return _first if self.isomorphic else None

    def up_to_isomorphism(self) -> "NASBench201":
        """Return the space in which cells that compute the same function share a key."""
        return replace(self, isomorphic=True)

    def answers(self, genotype: NASBench201Genotype) -> dict[str, object]:
        """Return the option picked for each choice, which ``tokens_of`` reads."""
        return dict(zip(_NAMES, genotype.operations, strict=True))

    def is_connected(self, genotype: NASBench201Genotype) -> bool:
        """Return whether any path of operations leads from the cell's input to its output."""
        return is_connected(genotype)

    def genotype_from_json(self, data: object) -> NASBench201Genotype:
        """Return the genotype in JSON data (the string), checked; raises InvalidGenotype."""
        return genotype_of_string(data)

    def build(self, genotype: NASBench201Genotype, task: Task) -> Any:
        """Build the benchmark's network: ``nasbench201.network.NASBench201Network``."""
        from nas_gym.search_spaces.nasbench201.network import NASBench201Network

        return NASBench201Network(genotype, task)

    def cost_states(self, task: Task, metrics: Sequence[str]) -> Any:
        """Say how costs add up: ``nasbench201.costs.NASBench201Costs``."""
        from nas_gym.search_spaces.nasbench201.costs import NASBench201Costs

        return NASBench201Costs(task, metrics)

    def supernet(self, task: Task, seed: int = 0) -> Any:
        """Make weights that all cells share: ``nasbench201.supernet.NASBench201Supernet``."""
        from nas_gym.search_spaces.nasbench201.supernet import NASBench201Supernet

        return NASBench201Supernet(self, task, seed)

    def draw(self, genotype: NASBench201Genotype, title: str | None = None) -> "Figure":
        """Draw the finished architecture."""
        from nas_gym.search_spaces.nasbench201.drawing import draw_cell_graph

        return draw_cell_graph(genotype.operations, title=title)

    def to_source(self, genotype: NASBench201Genotype, task: Task) -> Any:
        """Write the network as plain PyTorch: a ``nas_gym.networks.source.Source``."""
        from nas_gym.search_spaces.nasbench201.source import source

        return source(genotype, task)

    def to_text(self, genotype: NASBench201Genotype) -> str:
        """Write the cell as the benchmark does, ``|nor_conv_3x3~0|+…``."""
        return str(genotype)

    def draw_begun(self, picked: Picked, title: str | None = None) -> "Figure":
        """Draw the edges chosen so far; the next one is marked as open."""
        from nas_gym.search_spaces.nasbench201.drawing import draw_cell_graph

        return draw_cell_graph([*picked.values()], title=title)

    @property
    def frame_size(self) -> tuple[float, float]:
        """Width and height of ``draw_begun``'s pictures, in inches."""
        from nas_gym.search_spaces.nasbench201.drawing import HEIGHT, WIDTH

        return WIDTH, HEIGHT


def _key(genotype: NASBench201Genotype) -> str:
    return canonical_key(genotype.operations)


def _first(genotype: NASBench201Genotype) -> NASBench201Genotype:
    return NASBench201Genotype(first_cells()[_key(genotype)])


_NAMES = tuple(f"node{node}.operation{source}" for source, node in EDGES)
