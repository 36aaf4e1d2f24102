"""Layers of exported networks as plain PyTorch; ``operations.py`` has the ones that train.

``nas_gym.models.source`` copies the text of those that a network needs into its ``model.py``, so
each definition stands for itself and needs torch alone. Parameters have the names and shapes of the
layers that train; the same weights give the same numbers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the zeros before and after a side of ``size`` pixels: ceil(size / stride) come out."""
    span = ((size + stride - 1) // stride - 1) * stride + dilation * (kernel - 1) + 1
    total = max(span - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution without bias that puts out ceil(size / stride) pixels per side."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, 0, dilation, groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pad with zeros, an odd one below and on the right, and convolve."""
        kernel, stride, dilation = self.kernel_size, self.stride, self.dilation
        top, bottom = same_padding(int(x.shape[2]), kernel[0], stride[0], dilation[0])
        left, right = same_padding(int(x.shape[3]), kernel[1], stride[1], dilation[1])
        x = F.pad(x, [left, right, top, bottom])
        return F.conv2d(x, self.weight, None, stride, (0, 0), dilation, self.groups)


class ConvBN(nn.Module):
    """A convolution and its batch normalisation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.convolution = SameConv2d(inputs, outputs, kernel, stride, dilation)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and normalise."""
        return self.norm(self.convolution(x))  # type: ignore[no-any-return]


class SeparableConvBN(nn.Module):
    """A convolution per channel, one across channels, and batch normalisation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        square, strides = (kernel, kernel), (stride, stride)
        self.depthwise = SameConv2d(inputs, inputs, square, strides, dilation, groups=inputs)
        self.pointwise = SameConv2d(inputs, outputs, (1, 1))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve twice and normalise."""
        return self.norm(self.pointwise(self.depthwise(x)))  # type: ignore[no-any-return]


class ReLUStages(nn.Module):
    """Convolutions one after the other, with a ReLU before each."""

    def __init__(self, *stages: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tensor:
        """Apply ReLU and convolution in turn."""
        for stage in self.stages:
            x = stage(F.relu(x))
        return x


class SamePool(nn.Module):
    """A pool that puts out ceil(size / stride) pixels per side; then a 1 x 1 convolution, perhaps.

    ``kind`` is ``"max"`` or ``"avg"``, which is over the pixels inside the image only.
    """

    def __init__(self, kind: str, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.kind, self.kernel, self.stride = kind, kernel, stride
        self.projection = nn.Identity() if inputs == outputs else ConvBN(inputs, outputs, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Pool, and bring to the number of channels."""
        # The row and column that an even side lacks at stride 2 come from ceil_mode.
        height = self.kernel // 2 - int(self.stride == 2 and int(x.shape[2]) % 2 == 0)
        width = self.kernel // 2 - int(self.stride == 2 and int(x.shape[3]) % 2 == 0)
        if self.kind == "max":
            x = F.max_pool2d(x, self.kernel, self.stride, [height, width], ceil_mode=True)
        else:
            x = F.avg_pool2d(
                x, self.kernel, self.stride, [height, width],
                ceil_mode=True, count_include_pad=False,
            )  # fmt: skip
        return self.projection(x)  # type: ignore[no-any-return]


class Halving(nn.Module):
    """Two 1 x 1 convolutions of every other pixel, the second shifted by one, side by side."""

    def __init__(self, inputs: int, outputs: int, rectify: bool = True) -> None:
        super().__init__()
        self.rectify = rectify
        self.straight = SameConv2d(inputs, outputs // 2, (1, 1))
        self.shifted = SameConv2d(inputs, outputs - outputs // 2, (1, 1))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Halve both sides and normalise."""
        if self.rectify:
            x = F.relu(x)
        shifted = F.pad(x[:, :, 1:, 1:], [0, 1, 0, 1])
        halves = [self.straight(x[:, :, ::2, ::2]), self.shifted(shifted[:, :, ::2, ::2])]
        return self.norm(torch.cat(halves, 1))  # type: ignore[no-any-return]


class LinearConvBN(nn.Module):
    """A 1 x 1 convolution and batch normalisation without a ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.projection = ConvBN(inputs, outputs, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Bring to the number of channels."""
        return self.projection(x)  # type: ignore[no-any-return]


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Module:
    """Return ReLU, a square convolution, batch normalisation."""
    square, strides = (kernel, kernel), (stride, stride)
    return ReLUStages(ConvBN(inputs, outputs, square, strides, dilation))


def conv_1xn_nx1(inputs: int, outputs: int, n: int, stride: int = 1) -> nn.Module:
    """Return ReLU and convolution twice: along the rows, then along the columns."""
    across = ConvBN(inputs, outputs, (1, n), (1, stride))
    return ReLUStages(across, ConvBN(outputs, outputs, (n, 1), (stride, 1)))


def sep_conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Return ReLU and depthwise-separable convolution, twice."""
    first = SeparableConvBN(inputs, outputs, kernel, stride)
    return ReLUStages(first, SeparableConvBN(outputs, outputs, kernel))


def dilated_sep_conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Return ReLU and a depthwise-separable convolution with taps two pixels apart."""
    return ReLUStages(SeparableConvBN(inputs, outputs, kernel, stride, dilation=2))


def avg_pool(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Return an average pool."""
    return SamePool("avg", inputs, outputs, kernel, stride)


def max_pool(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Return a max pool."""
    return SamePool("max", inputs, outputs, kernel, stride)


def identity(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """Return what leaves a state as it is if its shape is right, else ReLU and a convolution."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return conv(inputs, outputs, 1, stride)
