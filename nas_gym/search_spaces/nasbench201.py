"""NAS-Bench-201's cell (Dong & Yang 2020, section 2.1): six edges, five operations each."""

import re
from dataclasses import dataclass
from typing import Any

from nas_gym.errors import InvalidGenotype
from nas_gym.search_spaces.grammar import Pick, Task

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
# (source, node) of each edge, in the order of the architecture string; node 0 is the cell's input.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_NODES = [[rf"([^|~]+)~{source}" for source in range(node)] for node in (1, 2, 3)]
_STRING = re.compile(r"\+".join(r"\|" + r"\|".join(edges) + r"\|" for edges in _NODES))


@dataclass(frozen=True, slots=True)
class NASBench201Genotype:
    """One operation an edge; as text the benchmark's own string."""

    operations: tuple[str, ...]  # six, in the order of EDGES

    def __str__(self) -> str:
        """For example ``|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|…~2|``."""
        a, b, c, d, e, f = self.operations
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def to_json(self) -> str:
        """The string."""
        return str(self)


def genotype_of_string(text: object) -> NASBench201Genotype:
    """The genotype that the benchmark's string describes.

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


@dataclass(frozen=True)
class NASBench201:
    """The topology space of NAS-Bench-201 and NATS-Bench: 6 tokens, 5 options, 15,625 cells.

    A cell is a directed graph of four nodes; every node sums what its incoming edges bring.
    Isomorphic cells keep keys of their own, because the benchmark gives each its own numbers.
    """

    static = True
    max_length = len(EDGES)
    max_options = len(OPERATIONS)
    # The benchmark's own network: CIFAR-10, N = 5, C = 16.
    usual_task = Task(channels=3, height=32, width=32, classes=10, repeats=5, filters=16)

    def choose(self, pick: Pick) -> NASBench201Genotype:
        """One operation an edge, in the order of the architecture string."""
        return NASBench201Genotype(tuple([pick(name, OPERATIONS) for name in _NAMES]))

    def answers(self, genotype: NASBench201Genotype) -> dict[str, object]:
        """The option picked for each choice: what ``tokens_of`` reads."""
        return dict(zip(_NAMES, genotype.operations, strict=True))

    def genotype_from_json(self, data: object) -> NASBench201Genotype:
        """The genotype in JSON data (the architecture string), checked; raises InvalidGenotype."""
        return genotype_of_string(data)

    def build(self, genotype: NASBench201Genotype, task: Task) -> Any:
        """The benchmark's network: ``nas_gym.networks.nasbench201.NASBench201Network``."""
        from nas_gym.networks.nasbench201 import NASBench201Network

        return NASBench201Network(genotype, task)

    def to_text(self, genotype: NASBench201Genotype) -> str:
        """The architecture string."""
        return str(genotype)


_NAMES = tuple(f"node{node}.operation{source}" for source, node in EDGES)
