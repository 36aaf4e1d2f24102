"""Convolutions with TensorFlow's "SAME" padding, and their batch normalisation."""

import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.kernels.convolution import (
    by_rows,
    depthwise,
    may_be_fast,
    pointwise,
    worth_by_rows,
    worth_depthwise,
)
from nas_gym.networks.padding import same_padding


class SamePaddedConv2d(nn.Conv2d):
    """A convolution without bias, "SAME" padded: ceil(size / stride) outputs per side.

    On the CPU, where torch is slow at small images and few channels, some run as matrix products
    that give the same numbers (``nas_gym.networks.kernels.convolution``), unless ``fast`` is False.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Height and width.
        stride: Vertical and horizontal.
        dilation: Distance of the kernel's taps in pixels.
        groups: 1, or ``in_channels`` (and as many ``out_channels``): depthwise.
    """

    fast = True  # take the fast paths if they apply

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
        if self.fast and may_be_fast(x):
            if self.groups == 1 and self.kernel_size == self.stride == (1, 1):
                return pointwise(x, self.weight)
            if self.groups > 1:
                if worth_depthwise(x, self.weight):
                    return depthwise(x, self.weight, self.axes)
            elif worth_by_rows(x, self.weight, self.axes):
                return by_rows(x, self.weight, self.axes)
        rows, columns = (
            same_padding(int(n), a) for n, a in zip(x.shape[2:], self.axes, strict=True)
        )
        more = (columns[1] - columns[0], rows[1] - rows[0])
        if any(more):
            x = F.pad(x, (0, more[0], 0, more[1]))
        padding = (rows[0], columns[0])
        return F.conv2d(x, self.weight, None, self.stride, padding, self.dilation, self.groups)


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
