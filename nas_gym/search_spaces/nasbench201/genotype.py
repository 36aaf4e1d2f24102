"""Architectures of NAS-Bench-201 and of NATS-Bench's size space: the data and its strings."""

import re
from dataclasses import dataclass

from nas_gym.errors import InvalidGenotype

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
STEMS = ("cifar", "pooled")  # that the networks can have; the benchmark's is "cifar"
# (source, node) of each edge, in the order of the architecture string; node 0 is the cell's input.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_NODES = [[rf"([^|~]+)~{source}" for source in range(node)] for node in (1, 2, 3)]
_STRING = re.compile(r"\+".join(r"\|" + r"\|".join(edges) + r"\|" for edges in _NODES))

# NATS-Bench's size space: the channels that a layer may have, and the cell of all layers, as it
# stands in the benchmark's files.
CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5
CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)


@dataclass(frozen=True, slots=True)
class NASBench201Genotype:
    """A cell: one operation per edge; as text it is the benchmark's own string."""

    operations: tuple[str, ...]  # six, in the order of EDGES

    def __str__(self) -> str:
        """Write ``|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|…~2|``."""
        a, b, c, d, e, f = self.operations
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def to_json(self) -> str:
        """Return the string."""
        return str(self)


def genotype_of_string(text: object) -> NASBench201Genotype:
    """Return the genotype that the benchmark's string describes.

    Raises:
        InvalidGenotype: It is no such string, or names an operation that the space lacks.
    """
    found = _STRING.fullmatch(text) if isinstance(text, str) else None
    if found is None or not set(found.groups()) <= set(OPERATIONS):
        raise InvalidGenotype(
            f"{text!r} is no NAS-Bench-201 cell: write |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with "
            f"operations from {', '.join(OPERATIONS)}"
        )
    return NASBench201Genotype(found.groups())


def is_connected(genotype: NASBench201Genotype) -> bool:
    """Return whether any path of operations other than ``none`` leads from node 0 to node 3."""
    reached = {0}
    for (source, node), name in zip(EDGES, genotype.operations, strict=True):  # nodes in order
        if name != "none" and source in reached:
            reached.add(node)
    return 3 in reached


@dataclass(frozen=True, slots=True)
class NATSSizeGenotype:
    """Channels of the five layers; as text they are the benchmark's own string."""

    channels: tuple[int, ...]

    def __str__(self) -> str:
        """Write the channels as ``64:64:64:64:64``."""
        return ":".join(map(str, self.channels))

    def to_json(self) -> str:
        """Return the string."""
        return str(self)


def size_of_string(text: object) -> NATSSizeGenotype:
    """Return the genotype that the benchmark's string describes.

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
