"""Small search spaces: one static, one conditional."""

from dataclasses import dataclass

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import Pick


@dataclass(frozen=True)
class BitString:
    """Strings of bits: the toy problem of Real et al.'s notebook (``landscapes.BitCount``).

    Args:
        bits: Length of the string, >= 1.
    """

    bits: int = 100

    static = True
    max_options = 2

    def __post_init__(self) -> None:
        if self.bits < 1:
            raise InvalidOption(f"bits is {self.bits}: give a whole number of 1 or more")

    @property
    def max_length(self) -> int:
        """One token a bit."""
        return self.bits

    def choose(self, pick: Pick) -> tuple[int, ...]:
        """Every bit is 0 or 1."""
        return tuple(pick(f"bit{i}", (0, 1)) for i in range(self.bits))

    def answers(self, genotype: tuple[int, ...]) -> dict[str, object]:
        """The bit picked for each name."""
        return {f"bit{i}": bit for i, bit in enumerate(genotype)}


@dataclass(frozen=True)
class Layer:
    """A convolution with a width and the earlier layer it reads, or a pool with neither."""

    operation: str  # "conv" or "pool"
    width: int = 0  # filters; 0 for a pool
    source: int = -1  # layer whose output it reads; -1 is the image


@dataclass(frozen=True)
class LayerChain:
    """A conditional space: the depth is chosen, and a pool has fewer choices than a convolution.

    Args:
        max_depth: Most layers. Depths up to 1, 2 and 3 give 5, 50 and 635 architectures.
        widths: Filters that a convolution may have.
        min_depth: Fewest layers, >= 1.
    """

    max_depth: int = 3
    widths: tuple[int, ...] = (8, 16, 32, 64)
    min_depth: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.min_depth <= self.max_depth or not self.widths:
            raise InvalidOption(f"{self}: give 1 <= min_depth <= max_depth and at least one width")

    @property
    def max_length(self) -> int:
        """The depth, and three choices a layer."""
        return 1 + 3 * self.max_depth

    @property
    def max_options(self) -> int:
        """The largest of: depths, operations, widths."""
        return max(self.max_depth, 2, len(self.widths))

    def choose(self, pick: Pick) -> tuple[Layer, ...]:
        """Depth first, then layer by layer."""
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
        """The option picked for each name; names that were not asked do no harm."""
        answers: dict[str, object] = {"depth": len(genotype)}
        for i, layer in enumerate(genotype):
            answers[f"layer{i}.operation"] = layer.operation
            answers[f"layer{i}.width"] = layer.width
            answers[f"layer{i}.source"] = layer.source
        return answers
