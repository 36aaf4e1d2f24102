"""The cell of a NASNet: blocks of two operations on hidden states."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas_gym.networks.kernels.convolution import with_gradient_in
from nas_gym.networks.operations import (
    FactorizedReduction,
    HiddenState,
    LinearProjection,
    Make,
    PassThrough,
    made_below,
    make_anew,
    operation,
    projection,
)
from nas_gym.search_spaces.nasnet_cell.genotype import Block, Cell


class Shape(NamedTuple):
    """Channels, height and width of a feature map."""

    channels: int
    height: int
    width: int

    def halved(self, channels: int) -> "Shape":
        """Return the shape after a "SAME" padded operation of stride 2."""
        return Shape(channels, (self.height + 1) // 2, (self.width + 1) // 2)

    def same_size(self, other: "Shape") -> bool:
        """Return whether the sides are equal."""
        return self[1:] == other[1:]


class NASNetBlock(nn.Module):
    """Two operations and the combination of their results.

    Args:
        block: What to build.
        channels: Channels of every hidden state so far.
        filters: Channels that each operation puts out.
        reduction: Whether the cell's two inputs are taken with stride 2.
        make: Gives the operations, ``"a.sep_conv_3x3.8.1.2"`` for that with side, name, channels of
            the input, stride and hidden state.
    """

    def __init__(
        self,
        block: Block,
        channels: dict[int, int],
        filters: int,
        reduction: bool,
        make: Make = make_anew,
    ) -> None:
        super().__init__()
        self.block = block
        sides = zip("ab", block[:2], block[2:4], strict=True)
        self.operation_a, self.operation_b = (
            make(
                f"{side}.{name}.{channels[state]}.{stride}.{state}",
                partial(operation, name, channels[state], filters, stride),
            )
            for side, state, name in sides
            for stride in (2 if reduction and state < 2 else 1,)
        )
        self.channels = filters if block.combine == "add" else 2 * filters

    def forward(self, states: dict[int, HiddenState], drop: float) -> Tensor:
        """Apply the block to its two states; ``drop`` is the probability of losing a path."""
        block = self.block
        a = self.operation_a(states[block.input_a])
        b = self.operation_b(states[block.input_b])
        if drop:  # identities are never dropped
            a = a if block.operation_a == "identity" else drop_path(a, drop)
            b = b if block.operation_b == "identity" else drop_path(b, drop)
        return a + b if block.combine == "add" else concatenate([a, b])


class CellModule(nn.Module):
    """One cell: brings its two inputs to its own shape, runs its blocks, concatenates.

    Inputs and blocks that the output does not depend on are left out.

    Args:
        cell: Blocks and concatenation.
        previous: Shape of h_{i-1}, the output of the cell before the previous one.
        current: Shape of h_i, the output of the previous cell.
        filters: Filters of every operation.
        reduction: Whether the cell halves the sides.
        first: Whether h_{i-1} is h_i itself, which then stays as it is.
        make: Gives what it consists of.

    Raises:
        InvalidOption: ``filters`` is 1, and an input of another size has to be reduced.
    """

    def __init__(
        self,
        cell: Cell,
        previous: Shape,
        current: Shape,
        filters: int,
        reduction: bool,
        first: bool = False,
        make: Make = make_anew,
    ) -> None:
        super().__init__()
        self.concat, self.filters = cell.concat, filters
        needed = needed_states(cell)
        self.previous: nn.Module = PassThrough()
        self.current: nn.Module = PassThrough()
        if 0 in needed and not previous.same_size(current):
            halve = partial(FactorizedReduction, previous.channels, filters)
            self.previous = make("previous", halve)
        elif 0 in needed and not first and previous.channels != filters:
            self.previous = make("previous", partial(projection, previous.channels, filters))
        if 1 in needed:
            self.current = make("current", partial(projection, current.channels, filters))
        channels = {0: previous.channels if first else filters, 1: filters}
        self.blocks = nn.ModuleDict()  # "b": block b, unless nothing reads it
        for b, block in enumerate(cell.blocks):
            if b + 2 in needed:
                module = NASNetBlock(block, channels, filters, reduction, made_below(make, str(b)))
                self.blocks[str(b)] = module
                channels[b + 2] = module.channels
        inside = Shape(filters, *current[1:])
        outside = inside.halved(filters) if reduction else inside
        # A cell input that goes straight to the output gets the cell's own shape.
        self.shortcuts = nn.ModuleDict()
        for state in (0, 1):
            place = f"shortcut.{state}"
            if state in cell.concat and not inside.same_size(outside):
                halve = partial(FactorizedReduction, channels[state], filters, False)
                self.shortcuts[str(state)] = make(place, halve)
            elif state in cell.concat and channels[state] != filters:
                bring = partial(LinearProjection, channels[state], filters)
                self.shortcuts[str(state)] = make(place, bring)
        total = sum(filters if state < 2 else channels[state] for state in cell.concat)
        self.shape = Shape(total, *outside[1:])

    def forward(self, previous: HiddenState, current: HiddenState, drop: float) -> Tensor:
        """Return the cell's output; ``drop`` is the probability of losing a path."""
        states = {
            0: HiddenState(self.previous(previous)),
            1: HiddenState(self.current(current)),
        }
        for name, block in self.blocks.items():
            states[int(name) + 2] = HiddenState(block(states, drop))
        parts = [
            self.shortcuts[str(state)](states[state])
            if str(state) in self.shortcuts
            else states[state].tensor
            for state in self.concat
        ]
        return concatenate(parts)


def concatenate(parts: list[Tensor]) -> Tensor:
    """Concatenate the parts along their channels."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat([with_gradient_in(torch.channels_last, part) for part in parts], dim=1)


def needed_states(cell: Cell) -> set[int]:
    """Return the hidden states that the output of ``cell`` depends on."""
    needed = set(cell.concat)
    for b in reversed(range(len(cell.blocks))):
        if b + 2 in needed:
            needed.update(cell.blocks[b][:2])
    return needed


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Zero whole examples of ``x`` with ``probability``; scale the others by 1 / (1 - it)."""
    keep = 1.0 - probability
    mask = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device)
    return x * mask.bernoulli_(keep).div_(keep)
