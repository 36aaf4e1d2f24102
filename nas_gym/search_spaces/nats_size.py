"""NATS-Bench's size space (Dong et al. 2021, arXiv 2009.00437): channels of layers."""

from dataclasses import dataclass
from typing import Any

from nas_gym.errors import InvalidGenotype
from nas_gym.search_spaces.grammar import Pick, Task

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5
# The cell of all layers, as it stands in the benchmark's files.
CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)


@dataclass(frozen=True, slots=True)
class NATSSizeGenotype:
    """Channels of the five layers; as text the benchmark's own string."""

    channels: tuple[int, ...]

    def __str__(self) -> str:
        """For example ``64:64:64:64:64``."""
        return ":".join(map(str, self.channels))

    def to_json(self) -> str:
        """The string."""
        return str(self)


def size_of_string(text: object) -> NATSSizeGenotype:
    """The genotype that the benchmark's string describes.

    Raises:
        InvalidGenotype: It is no such string, or has channels that the space lacks.
    """
    parts = text.split(":") if isinstance(text, str) else []
    known = {str(channels): channels for channels in CHANNELS}
    if len(parts) != LAYERS or not set(parts) <= known.keys():
        raise InvalidGenotype(
            f"{text!r} is no architecture of NATS-Bench's size space: write {LAYERS} numbers "
            f"from {', '.join(known)} as 8:16:24:32:40"
        )
    return NATSSizeGenotype(tuple(known[part] for part in parts))


@dataclass(frozen=True)
class NATSSize:
    """The size space of NATS-Bench: 5 tokens, 8 options, 32,768 architectures.

    The cell is fixed; what is chosen are the channels of its three layers and of the two
    reductions between them, the first one's being the stem's as well.
    """

    static = True
    max_length = LAYERS
    max_options = len(CHANNELS)
    usual_task = Task(channels=3, height=32, width=32, classes=10)  # CIFAR-10

    def choose(self, pick: Pick) -> NATSSizeGenotype:
        """One number of channels a layer, in the order of the architecture string."""
        return NATSSizeGenotype(tuple([pick(name, CHANNELS) for name in _NAMES]))

    def answers(self, genotype: NATSSizeGenotype) -> dict[str, object]:
        """The option picked for each choice: what ``tokens_of`` reads."""
        return dict(zip(_NAMES, genotype.channels, strict=True))

    def genotype_from_json(self, data: object) -> NATSSizeGenotype:
        """The genotype in JSON data (the architecture string), checked; raises InvalidGenotype."""
        return size_of_string(data)

    def build(self, genotype: NATSSizeGenotype, task: Task) -> Any:
        """The benchmark's network: ``nas_gym.networks.nasbench201.NATSSizeNetwork``."""
        from nas_gym.networks.nasbench201 import NATSSizeNetwork

        return NATSSizeNetwork(genotype, task)

    def to_text(self, genotype: NATSSizeGenotype) -> str:
        """The architecture string."""
        return str(genotype)


_NAMES = tuple(f"layer{layer}.channels" for layer in range(LAYERS))
