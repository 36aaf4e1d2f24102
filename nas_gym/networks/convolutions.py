"""Convolutions with TensorFlow's "SAME" padding, and their batch normalisation."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.matrix_products import (
    Axis,
    by_rows,
    depthwise,
    pointwise,
    same_padding,
    worth_by_rows,
    worth_depthwise,
)


def same_padded(x: Tensor, weight: Tensor, axes: Sequence[Axis], groups: int = 1) -> Tensor:
    """Convolution without bias, "SAME" padded: ceil(size / stride) outputs a side.

    On the CPU, where torch is slow at small images and few channels, some run as matrix
    products that give the same numbers (``matrix_products``).

    Args:
        x: (batch, in_channels, height, width)
        weight: (out_channels, in_channels / groups, kernel height, kernel width)
        axes: Kernel, stride and dilation, vertical and horizontal. Where an odd number of zeros
            surrounds the image, the odd one is on the right or below.
        groups: 1, or as many as channels: depthwise.
    """
    kernel, stride, dilation = zip(*axes, strict=True)
    if x.device.type == "cpu":
        if groups == 1 and kernel == stride == (1, 1):
            return pointwise(x, weight)
        if groups > 1:
            if worth_depthwise(x, weight):
                return depthwise(x, weight, tuple(axes))
        elif worth_by_rows(x, weight, tuple(axes)):
            return by_rows(x, weight, tuple(axes))
    height, width = (same_padding(n, axis) for n, axis in zip(x.shape[2:], axes, strict=True))
    more = (height[1] - height[0], width[1] - width[0])
    if any(more):
        x = F.pad(x, (0, more[1], 0, more[0]))
    return F.conv2d(x, weight, None, stride, (height[0], width[0]), dilation, groups)


class SamePaddedConv2d(nn.Conv2d):
    """A convolution without bias, "SAME" padded: see ``same_padded``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Height and width.
        stride: Vertical and horizontal.
        dilation: Distance of the kernel's taps in pixels.
        groups: 1, or ``in_channels`` (and as many ``out_channels``): depthwise.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, 0, dilation, groups, bias=False)
        self.axes = tuple(zip(kernel, stride, (dilation, dilation), strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x``."""
        return same_padded(x, self.weight, self.axes, self.groups)


class Convolution(nn.Module):
    """A convolution and its batch normalisation; takes a tensor that is already rectified."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.convolution = SamePaddedConv2d(in_channels, out_channels, kernel, stride, dilation)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and normalise."""
        return self.norm(self.convolution(x))  # type: ignore[no-any-return]


class SeparableConvolution(nn.Module):
    """A depthwise and a pointwise convolution with nothing in between, batch normalised."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.depthwise = SamePaddedConv2d(
            in_channels,
            in_channels,
            (kernel, kernel),
            (stride, stride),
            dilation,
            groups=in_channels,
        )
        self.pointwise = SamePaddedConv2d(in_channels, out_channels, (1, 1))
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and normalise."""
        return self.norm(self.pointwise(self.depthwise(x)))  # type: ignore[no-any-return]
