"""The convolutions and pools that networks for images share.

Every operation maps a ``HiddenState`` (batch, in_channels, height, width) to a tensor (batch,
out_channels, ceil(height / stride), ceil(width / stride)). Convolutions come in the order
ReLU, convolution, batch normalisation (Zoph et al. 2017, appendix A.4), and padding is
TensorFlow's "SAME": at stride 2 and even sizes one more row at the bottom and right than at the
top and left.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.networks.convolutions import Convolution, SamePaddedConv2d, SeparableConvolution
from nas_gym.networks.kernels.convolution import diagonal_halving, may_be_fast

# Gives the module of a place in a network: a new one, or one that networks share. It is called with
# the name of the place and all that decides its shape, and with what makes a new module.
Make = Callable[[str, Callable[[], nn.Module]], nn.Module]


def make_anew(place: str, build: Callable[[], nn.Module]) -> nn.Module:
    """Return a new module, as networks that share nothing have it."""
    del place
    return build()


def made_below(make: Make, place: str) -> Make:
    """Return what makes the modules of a part of a network, whose places begin with ``place``."""
    return make if make is make_anew else lambda name, build: make(f"{place}.{name}", build)


class HiddenState:
    """A feature map, and its rectified copy, made once for all operations that ask for it.

    Args:
        tensor: (batch, channels, height, width)
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @cached_property
    def rectified(self) -> Tensor:
        """ReLU of the feature map."""
        return F.relu(self.tensor)


class ReLUConvolutions(nn.Module):
    """Convolutions one after the other, a ReLU before each."""

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, state: HiddenState) -> Tensor:
        """Apply ReLU and convolution in turn."""
        x = state.rectified
        for index, stage in enumerate(self.stages):
            x = stage(F.relu_(x) if index else x)
        return x


class Pool(nn.Module):
    """Average or maximum pooling; a 1x1 convolution follows if the channels change.

    Args:
        kind: ``"avg"`` (of the pixels inside the image only) or ``"max"``.
        kernel: Side of the square window, odd.
        stride: 1 or 2.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(
        self, kind: str, kernel: int, stride: int, in_channels: int, out_channels: int
    ) -> None:
        super().__init__()
        self.kind, self.kernel, self.stride = kind, kernel, stride
        self.projection: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.projection = Convolution(in_channels, out_channels, (1, 1))

    def forward(self, state: HiddenState) -> Tensor:
        """Pool the state as it is, not rectified."""
        x = state.tensor
        # ceil_mode adds the row that an even side lacks at stride 2.
        height, width = (
            self.kernel // 2 - (self.stride == 2 and int(n) % 2 == 0) for n in x.shape[2:]
        )
        padding = (height, width)
        if self.kind == "max" and self.kernel > 5 and max(x.shape[2:]) > 4:
            # Rows first, then columns: 14 comparisons per pixel instead of 49.
            x = F.max_pool2d(x, (1, 7), (1, self.stride), (0, width), ceil_mode=True)
            x = F.max_pool2d(x, (7, 1), (self.stride, 1), (height, 0), ceil_mode=True)
        elif self.kind == "max":
            x = F.max_pool2d(x, self.kernel, self.stride, padding, ceil_mode=True)
        else:
            x = F.avg_pool2d(
                x, self.kernel, self.stride, padding, ceil_mode=True, count_include_pad=False
            )
        return self.projection(x)  # type: ignore[no-any-return]


class PassThrough(nn.Module):
    """The identity of states that already have the right shape."""

    def forward(self, state: HiddenState) -> Tensor:
        """Return the state as it is."""
        return state.tensor


class FactorizedReduction(nn.Module):
    """Two interleaved 1x1 convolutions that share the filters and halve the sides.

    The second one sees the image shifted by one pixel, so that together they see both diagonals
    (as in the published code of Zoph et al. 2017; the paper does not describe it). Of an odd number
    of filters the second one has one more, as there.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, >= 2.
        rectify: Whether a ReLU comes first.

    Raises:
        InvalidOption: ``out_channels`` is 1.
    """

    fast = True  # on the CPU both convolutions are one matrix product, which gives the same numbers

    def __init__(self, in_channels: int, out_channels: int, rectify: bool = True) -> None:
        super().__init__()
        if out_channels < 2:
            raise InvalidOption(
                "a state is brought to half its size by two convolutions that share the filters, "
                f"which are {out_channels}: give more filters"
            )
        self.rectify = rectify
        half = out_channels // 2
        self.straight = SamePaddedConv2d(in_channels, half, (1, 1))
        self.shifted = SamePaddedConv2d(in_channels, out_channels - half, (1, 1))
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, state: HiddenState) -> Tensor:
        """Subsample, convolve and normalise."""
        x = state.rectified if self.rectify else state.tensor
        if self.fast and may_be_fast(x):
            return self.norm(  # type: ignore[no-any-return]
                diagonal_halving(x, self.straight.weight, self.shifted.weight)
            )
        shifted = F.pad(x, (-1, 1, -1, 1))[..., ::2, ::2]  # drops the first row, adds one of zeros
        halves = (self.straight(x[..., ::2, ::2]), self.shifted(shifted))
        return self.norm(torch.cat(halves, dim=1))  # type: ignore[no-any-return]


class LinearProjection(nn.Module):
    """A 1x1 convolution and batch normalisation of a state, without a ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.projection = Convolution(in_channels, out_channels, (1, 1))

    def forward(self, state: HiddenState) -> Tensor:
        """Convolve and normalise the state as it is."""
        return self.projection(state.tensor)  # type: ignore[no-any-return]


def projection(in_channels: int, out_channels: int, stride: int = 1) -> nn.Module:
    """Return ReLU, 1x1 convolution and batch normalisation."""
    return ReLUConvolutions([Convolution(in_channels, out_channels, (1, 1), (stride, stride))])


def operation(name: str, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return the operation ``name``, one of ``OPERATION_NAMES``.

    Args:
        name: For example ``"sep_conv_5x5"``.
        in_channels: Channels of the state that it is applied to.
        out_channels: Channels that it puts out.
        stride: 1 or 2.

    Raises:
        UnknownName: There is no such operation.
    """
    if name == "identity":
        if stride == 1 and in_channels == out_channels:
            return PassThrough()
        return projection(in_channels, out_channels, stride)
    if name in POOLS:
        kind, kernel = POOLS[name]
        return Pool(kind, kernel, stride, in_channels, out_channels)
    if name in SEPARABLE:
        return _separable(*SEPARABLE[name], in_channels, out_channels, stride)
    if name in DENSE:
        kernel, dilation = DENSE[name]
        square, strides = (kernel, kernel), (stride, stride)
        return ReLUConvolutions([Convolution(in_channels, out_channels, square, strides, dilation)])
    if name in FACTORIZED:
        length = FACTORIZED[name]
        return ReLUConvolutions(
            [
                Convolution(in_channels, out_channels, (1, length), (1, stride)),
                Convolution(out_channels, out_channels, (length, 1), (stride, 1)),
            ]
        )
    raise unknown_name("operation", name, OPERATION_NAMES)


def _separable(
    kernel: int, dilation: int, times: int, in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    stages = [SeparableConvolution(in_channels, out_channels, kernel, stride, dilation)]
    while len(stages) < times:
        stages.append(SeparableConvolution(out_channels, out_channels, kernel, 1, dilation))
    return ReLUConvolutions(stages)


POOLS = {
    "avg_pool_3x3": ("avg", 3),
    "max_pool_3x3": ("max", 3),
    "max_pool_5x5": ("max", 5),
    "max_pool_7x7": ("max", 7),
}
# Kernel, dilation, times applied: separable convolutions are applied twice (Zoph et al. 2017,
# appendix A.4), dilated ones once (Liu et al. 2018).
SEPARABLE = {
    "sep_conv_3x3": (3, 1, 2),
    "sep_conv_5x5": (5, 1, 2),
    "sep_conv_7x7": (7, 1, 2),
    "dilated_sep_conv_3x3": (3, 2, 1),
    "dilated_sep_conv_5x5": (5, 2, 1),
}
DENSE = {"conv_1x1": (1, 1), "conv_3x3": (3, 1), "dilated_conv_3x3": (3, 2)}  # kernel, dilation
FACTORIZED = {"conv_1x3_3x1": 3, "conv_1x7_7x1": 7}
OPERATION_NAMES = ("identity", *POOLS, *SEPARABLE, *DENSE, *FACTORIZED)


def initialize(module: nn.Module) -> None:
    """Initialise as He et al. 2015: normal, fan-in, from torch's global generator."""
    if any(parameter.is_meta for parameter in module.parameters(recurse=False)):
        return  # nothing to fill, and torch would import its compiler for it (0.8 s)
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        nn.init.zeros_(module.bias)
