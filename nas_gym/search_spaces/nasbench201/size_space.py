"""NATS-Bench's size space (Dong et al. 2021, arXiv 2009.00437): channels of layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas_gym.networks.task import Task
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import Pick
from nas_gym.search_spaces.nasbench201.genotype import (
    CHANNELS,
    LAYERS,
    STEMS,
    NATSSizeGenotype,
    size_of_string,
)


@dataclass(frozen=True)
class NATSSize(Options):
    """The size space of NATS-Bench: 5 tokens, 8 options, 32,768 architectures.

    The cell is fixed; what is chosen are the channels of its three layers and of the two
    reductions between them, the first one's being the stem's as well.
    """

    static = True
    stems = STEMS
    max_length = LAYERS
    max_options = len(CHANNELS)
    usual_task = Task(channels=3, height=32, width=32, classes=10)  # CIFAR-10
    # The architecture says itself how large its network is.
    task_options = ("height", "width", "channels", "classes", "stem")

    def choose(self, pick: Pick) -> NATSSizeGenotype:
        """Choose the channels of each layer, in the order of the architecture string."""
        return NATSSizeGenotype(tuple([pick(name, CHANNELS) for name in _NAMES]))

    def answers(self, genotype: NATSSizeGenotype) -> dict[str, object]:
        """Return the option picked for each choice, which ``tokens_of`` reads."""
        return dict(zip(_NAMES, genotype.channels, strict=True))

    def genotype_from_json(self, data: object) -> NATSSizeGenotype:
        """Return the genotype in JSON data (the string), checked; raises InvalidGenotype."""
        return size_of_string(data)

    def build(self, genotype: NATSSizeGenotype, task: Task) -> Any:
        """Build the benchmark's network: ``nasbench201.network.NATSSizeNetwork``."""
        from nas_gym.search_spaces.nasbench201.network import NATSSizeNetwork

        return NATSSizeNetwork(genotype, task)

    def cost_states(self, task: Task, metrics: Sequence[str]) -> Any:
        """Say how costs add up: ``nasbench201.costs.NATSSizeCosts``."""
        from nas_gym.search_spaces.nasbench201.costs import NATSSizeCosts

        return NATSSizeCosts(task, metrics)

    def to_source(self, genotype: NATSSizeGenotype, task: Task) -> Any:
        """Write the network as plain PyTorch: a ``nas_gym.networks.source.Source``."""
        from nas_gym.search_spaces.nasbench201.source import source

        return source(genotype, task)

    def to_text(self, genotype: NATSSizeGenotype) -> str:
        """Write the architecture string."""
        return str(genotype)


_NAMES = tuple(f"layer{layer}.channels" for layer in range(LAYERS))
