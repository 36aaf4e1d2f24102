"""The networks of ``transfer.py``: cells stacked to a size, and two that people made by hand.

All begin with the same stem, ``PooledStem``: two convolutions of stride 2, from 28 x 28 pixels to
7 x 7. All have three stacks after it, of 7 x 7, 4 x 4 and 2 x 2 pixels, the filters doubled each
time, then the mean over the pixels and one linear layer.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor, nn

from nas_gym.networks.cost import Cost, cost_on_meta
from nas_gym.networks.operations import initialize
from nas_gym.networks.stems import PooledStem
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.training.images.recipe import Recipe

STACKS = 3
BLOCKS = 2  # of each stack of a network made by hand
EXPANSION = 4  # of an inverted residual
REPEATS = (2, 3, 1, 4)  # N, in the order in which they are tried
MOST_FILTERS = 150
SPACE = NASNetCell()
Shape = tuple[int, int, int]  # channels, height, width


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> Any:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class BasicBlock(nn.Module):
    """Two convolutions of 3 x 3 and a way past them (He et al. 2016, figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.past = nn.Identity() if same else _convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum."""
        y = self.second(self.first(x).relu())
        return (y + self.past(x)).relu()  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, narrow (Sandler et al. 2018, figure 3)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = EXPANSION * inputs
        self.inside = nn.Sequential(
            _convolution(inputs, wide, 1), nn.ReLU6(),
            _convolution(wide, wide, 3, stride, groups=wide), nn.ReLU6(),
            _convolution(wide, outputs, 1),
        )  # fmt: skip
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the narrow output, with the input added where the shapes are equal."""
        y = self.inside(x)
        return x + y if self.adds else y  # type: ignore[no-any-return]


class HandMade(nn.Module):
    """Stem, three stacks of blocks, mean, classifier.

    Args:
        block: ``BasicBlock`` or ``InvertedResidual``.
        width: Filters of the first stack; those of the others are rounded.
        shape: Of an image.
        classes: Of the images.
    """

    def __init__(
        self, block: Callable[[int, int, int], nn.Module], width: float, shape: Shape, classes: int
    ) -> None:
        super().__init__()
        widths = [round(width * 2**stack) for stack in range(STACKS)]
        self.stem = PooledStem(shape[0], widths[0], *shape[1:])
        self.blocks = nn.Sequential()
        before = widths[0]
        for stack, filters in enumerate(widths):
            for index in range(BLOCKS):
                self.blocks.append(block(before, filters, 2 if stack and not index else 1))
                before = filters
        self.classifier = nn.Linear(before, classes)
        self.apply(initialize)

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits (batch, classes)."""
        features = self.blocks(self.stem(images).relu())
        return self.classifier(features.mean(dim=(2, 3)))  # type: ignore[no-any-return]


HAND_MADE: dict[str, Callable[[int, int, int], nn.Module]] = {
    "residual": BasicBlock,
    "inverted-residual": InvertedResidual,
}
CELLS = {"nasnet-a": NASNET_A}


@dataclass(frozen=True)
class Network:
    """All that says which network it is, as it is recorded.

    Args:
        kind: ``"cell"``, a name from ``CELLS``, or a name from ``HAND_MADE``.
        tokens: Of a ``"cell"``, in ``SPACE``; of no other.
        repeats: N of a cell; 0 for one made by hand.
        width: F of a cell; filters of the first stack of one made by hand.
    """

    kind: str
    tokens: tuple[int, ...] = ()
    repeats: int = 0
    width: float = 0

    def build(self, recipe: Recipe, shape: Shape, classes: int) -> nn.Module:
        """Make the network with fresh weights, from torch's global generator.

        Args:
            recipe: Says all of a cell's network but its size.
            shape: Of an image.
            classes: Of the images.
        """
        if self.kind in HAND_MADE:
            return HandMade(HAND_MADE[self.kind], self.width, shape, classes)
        genotype = CELLS.get(self.kind) or decode(SPACE, self.tokens)
        sized = Recipe(**recipe.to_json() | {"repeats": self.repeats, "filters": int(self.width)})
        network: nn.Module = SPACE.build(genotype, sized.task(*shape, classes))
        return network

    def cost(self, recipe: Recipe, shape: Shape, classes: int) -> Cost:
        """Count parameters and multiply-adds; nothing is computed."""
        return _cost(self, recipe, shape, classes)


@cache
def _cost(network: Network, recipe: Recipe, shape: Shape, classes: int) -> Cost:
    return cost_on_meta(lambda: network.build(recipe, shape, classes), shape)


def sized(
    kind: str,
    tokens: Sequence[int],
    target: int,
    tolerance: float,
    recipe: Recipe,
    shape: Shape,
    classes: int,
) -> Network | None:
    """Return the network of the first N, in the order of ``REPEATS``, that has the parameters.

    Args:
        kind: As ``Network`` has it.
        tokens: As ``Network`` has them.
        target: Parameters, > 0.
        tolerance: How far from that they may be, as a share of it.
        recipe: As for ``Network.build``.
        shape: Of an image.
        classes: Of the images.

    Returns:
        The network, or None if no size is near enough.
    """

    def parameters(network: Network) -> int:
        return network.cost(recipe, shape, classes).parameters

    for sizes in _sizes(kind, tuple(tokens)):
        place = bisect_left(sizes, target, key=parameters)  # they only grow
        near = sizes[max(0, place - 1) : place + 1]
        best = min(near, key=lambda network: abs(parameters(network) - target))
        if abs(parameters(best) - target) <= tolerance * target:
            return best
    return None


def _sizes(kind: str, tokens: tuple[int, ...]) -> Iterator[list[Network]]:
    """Yield lists of growing networks."""
    if kind in HAND_MADE:
        yield [Network(kind, width=width / 4) for width in range(8, 4 * MOST_FILTERS)]
        return
    for repeats in REPEATS:
        yield [Network(kind, tokens, repeats, filters) for filters in range(2, MOST_FILTERS)]
