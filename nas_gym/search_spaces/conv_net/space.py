"""Whole convolutional networks, layer by layer (Zoph & Le 2016, sections 3.2, 3.3 and 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval, MinLen

from nas_gym.errors import InvalidOption
from nas_gym.networks.task import Filters, Task
from nas_gym.options import EachOnce, OneOf, Options
from nas_gym.search_spaces.conv_net.canonical import canonical_form, canonical_key
from nas_gym.search_spaces.conv_net.genotype import (
    MOST_LAYERS,
    MOST_PIXELS,
    TYPES,
    ConvLayer,
    ConvNetGenotype,
    genotype_from_json,
)
from nas_gym.search_spaces.grammar import Pick, Picked

__all__ = ["PRESETS", "ConvLayer", "ConvNet", "ConvNetGenotype"]

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Number = Annotated[int, Interval(ge=1, le=MOST_LAYERS)]
_Pixels = Annotated[int, Interval(ge=1, le=MOST_PIXELS)]
_Lengths = Annotated[tuple[_Pixels, ...], MinLen(1), EachOnce]
_Filters = Annotated[tuple[Filters, ...], MinLen(1), EachOnce]
_Numbers = Annotated[tuple[_Number, ...], MinLen(1), EachOnce]
_Types = Annotated[tuple[Annotated[str, OneOf(TYPES)], ...], MinLen(1), EachOnce]


@dataclass(frozen=True)
class ConvNet(Options):
    """The space of convolutional networks with skip connections.

    Chosen are, layer by layer: its type (if there is more than one), filter height and width,
    stride height and width (if there is more than one), the number of filters, and one bit for
    every earlier layer that says whether its output is an input (the paper's anchor point).

    Args:
        depth: Number of layers, times ``block_layers`` at most 200; if there are several, the
            first token chooses one.
        heights: Heights of filters, pixels, each 1 to 255.
        widths: Widths of filters, pixels.
        strides: Vertical and horizontal strides, pixels.
        filters: Numbers of filters, each up to 65,536.
        types: Types of layers: ``("conv",)``, or also ``"pool"``, the paper's extension.
        block_layers: Convolutions that each predicted layer becomes in the network, densely
            connected (3 in the paper's pooling experiment).
        pools: Numbers of layers after which a 2x2 max pool of stride 2 stands.
    """

    depth: _Number | _Numbers = 6
    heights: _Lengths = (1, 3, 5, 7)
    widths: _Lengths = (1, 3, 5, 7)
    strides: _Lengths = (1, 2, 3)
    filters: _Filters = (24, 36, 48, 64)
    types: _Types = ("conv",)
    block_layers: _Number = 1
    pools: Annotated[tuple[_Number, ...], EachOnce] = ()

    usual_reward = "accuracy-cubed"
    usual_recipe = "fitted-conv-net"
    usual_task = Task(channels=3, height=32, width=32, classes=10)  # CIFAR-10
    task_options = ("height", "width", "channels", "classes", "width_multiplier", "more_filters")
    builds = "a convolutional network"
    branching = ("depth", "type")  # how many layers there are, and which choices a layer has
    set_selection = "skip"  # bits that the controller scores by attention between layers

    def __post_init__(self) -> None:
        super().__post_init__()
        if "conv" not in self.types:
            raise InvalidOption(f"types is {self.types!r}: give 'conv', or 'conv' and 'pool'")
        object.__setattr__(self, "pools", tuple(sorted(self.pools)))
        if max(self.depths) * self.block_layers > MOST_LAYERS:
            raise InvalidOption(
                f"depth is {self.depth} and block_layers {self.block_layers}: give networks of at "
                f"most {MOST_LAYERS} convolutions"
            )
        if self.pools and self.pools[-1] >= max(self.depths):
            raise InvalidOption(
                f"pools is {self.pools}, and networks have at most {max(self.depths)} layers: give "
                "numbers of layers after which another one comes"
            )

    @property
    def depths(self) -> tuple[int, ...]:
        """The numbers of layers that a network may have."""
        return (self.depth,) if isinstance(self.depth, int) else self.depth

    @property
    def static(self) -> bool:
        """Whether no choice depends on an earlier one: one depth and one type of layer."""
        return len(self.depths) == 1 and len(self.types) == 1

    @property
    def max_length(self) -> int:
        """Tokens of the deepest network, all of it convolutions."""
        most = max(self.depths)
        return (len(self.depths) > 1) + most * self._tokens_per_layer + most * (most - 1) // 2

    @property
    def _tokens_per_layer(self) -> int:
        """Tokens of a convolution, without its skip bits."""
        return 3 + 2 * (len(self.strides) > 1) + (len(self.types) > 1)

    @property
    def max_options(self) -> int:
        """The most options of any choice."""
        fields = (self.depths, self.heights, self.widths, self.strides, self.filters, self.types)
        return max(*map(len, fields), 2 if max(self.depths) > 1 else 1)

    @property
    def size(self) -> int:
        """The number of token lists."""
        conv = len(self.heights) * len(self.widths) * len(self.strides) ** 2
        layer = conv * len(self.filters) + (conv if "pool" in self.types else 0)
        return sum(layer**depth * 2 ** (depth * (depth - 1) // 2) for depth in self.depths)

    def choose(self, pick: Pick) -> ConvNetGenotype:
        """Choose the depth if it is a choice, then layer by layer."""
        depth = self.depths[0] if len(self.depths) == 1 else pick("depth", self.depths)
        layers = tuple([self._choose_layer(pick, i) for i in range(depth)])
        return ConvNetGenotype(layers, self.block_layers, self._pools_of(depth))

    def _choose_layer(self, pick: Pick, i: int) -> ConvLayer:
        kind, layer = self.types[0], f"layer{i}"
        if len(self.types) > 1:
            kind = pick(f"{layer}.type", self.types)
        height = pick(f"{layer}.filter_height", self.heights)
        width = pick(f"{layer}.filter_width", self.widths)
        down = across = self.strides[0]
        if len(self.strides) > 1:
            down = pick(f"{layer}.stride_height", self.strides)
            across = pick(f"{layer}.stride_width", self.strides)
        filters = pick(f"{layer}.filters", self.filters) if kind == "conv" else 0
        inputs = tuple([j for j in range(i) if pick(f"{layer}.skip{j}", (False, True))])
        return ConvLayer(height, width, filters, inputs, down, across, kind)

    def _pools_of(self, depth: int) -> tuple[int, ...]:
        """Return the pools that stand before the last layer."""
        return tuple([place for place in self.pools if place < depth])

    def answers(self, genotype: ConvNetGenotype) -> dict[str, object]:
        """Return the option picked for each name; names that were not asked do no harm."""
        answers: dict[str, object] = {"depth": len(genotype.layers)}
        for i, layer in enumerate(genotype.layers):
            for field in ("type", "filter_height", "filter_width", "stride_height", "stride_width",
                          "filters"):  # fmt: skip
                answers[f"layer{i}.{field}"] = getattr(layer, field)
            answers |= {f"layer{i}.skip{j}": j in layer.inputs for j in range(i)}
        return answers

    def canonical_key(self, genotype: ConvNetGenotype) -> str:
        """Return a key equal for networks that differ only in the numbers of their layers."""
        return canonical_key(genotype)

    def canonical(self, genotype: ConvNetGenotype) -> ConvNetGenotype:
        """Return the canonical form: one for all genotypes with the same key."""
        return canonical_form(genotype)

    def genotype_from_json(self, data: object) -> ConvNetGenotype:
        """Return the genotype in JSON data, checked; raises InvalidGenotype."""
        return genotype_from_json(data)

    def build(self, genotype: ConvNetGenotype, task: Task) -> Any:
        """Build the network: ``nas_gym.search_spaces.conv_net.network.ConvNetwork``."""
        from nas_gym.search_spaces.conv_net.network import ConvNetwork

        return ConvNetwork(genotype, task)

    def cost_states(self, task: Task, metrics: Sequence[str]) -> Any:
        """Say how costs add up: ``conv_net.costs.ConvNetCosts``."""
        from nas_gym.search_spaces.conv_net.costs import ConvNetCosts

        return ConvNetCosts(self, task, metrics)

    def draw(self, genotype: ConvNetGenotype, title: str | None = None) -> "Figure":
        """Draw the finished architecture."""
        from nas_gym.search_spaces.conv_net.drawing import draw_network

        return draw_network(genotype, title=title)

    def to_source(self, genotype: ConvNetGenotype, task: Task) -> Any:
        """Write the network as plain PyTorch: a ``nas_gym.networks.source.Source``."""
        from nas_gym.search_spaces.conv_net.source import source

        return source(genotype, task)

    def to_text(self, genotype: ConvNetGenotype) -> str:
        """Write the finished architecture in words."""
        from nas_gym.search_spaces.conv_net.drawing import network_as_text

        return network_as_text(genotype)

    def draw_begun(self, picked: Picked, title: str | None) -> "Figure":
        """Draw the layers of which everything is chosen."""
        from nas_gym.search_spaces.conv_net.drawing import draw_unfinished_network

        depth = picked.get("depth", max(self.depths))
        layers: list[ConvLayer] = []
        while len(layers) < depth and (layer := self._begun_layer(picked, len(layers))) is not None:
            layers.append(layer)
        pools = tuple(place for place in self.pools if place < depth)
        return draw_unfinished_network(
            ConvNetGenotype(tuple(layers), self.block_layers, pools),
            rows=self._rows(),
            finished=len(layers) == depth,
            title=title,
        )

    def _begun_layer(self, picked: Picked, i: int) -> ConvLayer | None:
        """Return layer ``i``, or None while a choice of it is open."""
        kind = picked.get(f"layer{i}.type", self.types[0] if len(self.types) == 1 else None)
        fields = ["filter_height", "filter_width"] + ["filters"] * (kind == "conv")
        strides = ("stride_height", "stride_width")
        fields += strides if len(self.strides) > 1 else ()
        skips = [f"layer{i}.skip{j}" for j in range(i)]
        names = [f"layer{i}.{field}" for field in fields]
        if kind is None or not all(name in picked for name in (*names, *skips)):
            return None
        given = {"filters": 0, **dict.fromkeys(strides, self.strides[0])}
        given |= {field: picked[name] for field, name in zip(fields, names, strict=True)}
        inputs = tuple(j for j, skip in enumerate(skips) if picked[skip])
        return ConvLayer(type=kind, inputs=inputs, **given)

    def _rows(self) -> int:
        """Return the number of layers and pools of the deepest network."""
        deepest = max(self.depths)
        return deepest + sum(place < deepest for place in self.pools)

    @property
    def frame_size(self) -> tuple[float, float]:
        """Width and height of ``draw_begun``'s pictures, in inches."""
        from nas_gym.search_spaces.conv_net.drawing import figure_size

        return figure_size(self._rows())


DEPTHS = tuple(range(6, 21, 2))  # section 4.1: 6 layers, 2 more every 1,600 of 12,800 samples


# The three experiments of section 4.1 (table 1: v1, v2, v3).
NO_STRIDE = ConvNet(depth=DEPTHS, strides=(1,))
STRIDES = ConvNet(depth=DEPTHS)
# 13 predicted layers, each a block of three: 39 layers; the paper has pools "at layer 13 and layer
# 24", of which the first is not between blocks, so it stands before layer 13.
POOLING = replace(NO_STRIDE, depth=13, filters=(6, 12, 24, 36), block_layers=3, pools=(4, 8))
PRESETS = {"no-stride": NO_STRIDE, "strides": STRIDES, "pooling": POOLING}
