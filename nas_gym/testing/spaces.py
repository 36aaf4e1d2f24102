"""Small search spaces: one static, one conditional."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval, MinLen

from nas_gym.errors import InvalidOption
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import Pick


@dataclass(frozen=True)
class BitString(Options):
    """Strings of bits: the toy problem of Real et al.'s notebook (``BitCount`` evaluates them).

    Args:
        bits: Length of the string, >= 1.
    """

    bits: Annotated[int, Interval(ge=1, le=10_000)] = 100

    static = True
    max_options = 2

    @property
    def max_length(self) -> int:
        """One token per bit."""
        return self.bits

    def choose(self, pick: Pick) -> tuple[int, ...]:
        """Choose 0 or 1 for every bit."""
        return tuple(pick(f"bit{i}", (0, 1)) for i in range(self.bits))

    def answers(self, genotype: tuple[int, ...]) -> dict[str, object]:
        """Return the bit picked for each name."""
        return {f"bit{i}": bit for i, bit in enumerate(genotype)}


@dataclass(frozen=True)
class Layer:
    """A convolution with a width and the earlier layer it reads, or a pool with neither."""

    operation: str  # "conv" or "pool"
    width: int = 0  # filters; 0 for a pool
    source: int = -1  # layer whose output it reads; -1 is the image


@dataclass(frozen=True)
class LayerChain(Options):
    """A conditional space: the depth is chosen, and a pool has fewer choices than a convolution.

    Args:
        max_depth: Most layers, >= 1. Depths up to 1, 2 and 3 give 5, 50 and 635 architectures.
        widths: Filters that a convolution may have, each >= 1; at least one.
        min_depth: Fewest layers, >= 1.
    """

    max_depth: Annotated[int, Interval(ge=1, le=1000)] = 3
    widths: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (8, 16, 32, 64)
    min_depth: Annotated[int, Ge(1)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_depth > self.max_depth:
            raise InvalidOption(
                f"min_depth is {self.min_depth}: give max_depth, {self.max_depth}, or less"
            )

    @property
    def max_length(self) -> int:
        """The depth, and three choices per layer."""
        return 1 + 3 * self.max_depth

    @property
    def max_options(self) -> int:
        """The largest of: depths, operations, widths."""
        return max(self.max_depth, 2, len(self.widths))

    def choose(self, pick: Pick) -> tuple[Layer, ...]:
        """Choose the depth first, then layer by layer."""
        depth = pick("depth", tuple(range(self.min_depth, self.max_depth + 1)))
        return tuple(self._choose_layer(pick, i) for i in range(depth))

    def _choose_layer(self, pick: Pick, i: int) -> Layer:
        if pick(f"layer{i}.operation", ("conv", "pool")) == "pool":
            return Layer("pool")
        return Layer(
            "conv",
            width=pick(f"layer{i}.width", self.widths),
            source=pick(f"layer{i}.source", tuple(range(-1, i))),
        )

    def answers(self, genotype: tuple[Layer, ...]) -> dict[str, object]:
        """Return the option picked for each name; names that were not asked do no harm."""
        answers: dict[str, object] = {"depth": len(genotype)}
        for i, layer in enumerate(genotype):
            answers[f"layer{i}.operation"] = layer.operation
            answers[f"layer{i}.width"] = layer.width
            answers[f"layer{i}.source"] = layer.source
        return answers
