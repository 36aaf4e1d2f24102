"""Convolutions of small images as matrix products, for the CPU.

torch's convolutions spend most of a child's training time on the gradients of depthwise and 1x1
kernels, at a hundredth of the processor's speed when images have 8 x 8 pixels or fewer and layers
have a few dozen channels. The functions here compute the same with ``mm`` and ``bmm``; see
``benchmarks/training_step.py``. All work on feature maps in the ``channels_last`` format without
a copy, and accept any.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

Axis = tuple[int, int, int]  # kernel, stride and dilation along one side
MOST_PIXELS = 64  # of an image whose depthwise convolution is worth a matrix for each channel


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """1x1 convolution.

    Args:
        x: (batch, in_channels, height, width)
        weight: (out_channels, in_channels, 1, 1)

    Returns:
        (batch, out_channels, height, width)
    """
    batch, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
    return _from_pixels(pixels @ weight.flatten(1).t(), batch, height, width)


def diagonal_halving(x: Tensor, straight: Tensor, shifted: Tensor) -> Tensor:
    """Two 1x1 convolutions of stride 2, the second one on the image moved by a pixel, concatenated.

    Args:
        x: (batch, in_channels, height, width)
        straight: (half, in_channels, 1, 1), sees the upper left pixel of each 2 x 2 square.
        shifted: (half, in_channels, 1, 1), sees the lower right one; zero outside the image.

    Returns:
        (batch, 2 * half, ceil(height / 2), ceil(width / 2))
    """
    x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
    batch, channels, height, width = x.shape
    half = len(straight)
    squares = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    squares = squares.transpose(2, 3).reshape(-1, 4 * channels)
    # One matrix for both: taking single pixels out would cost more in the gradient.
    upper_left = F.pad(straight.flatten(1).t(), (0, half, 0, 3 * channels))
    lower_right = F.pad(shifted.flatten(1).t(), (half, 0, 3 * channels, 0))
    return _from_pixels(squares @ (upper_left + lower_right), batch, height // 2, width // 2)


def worth_matrices(x: Tensor, weight: Tensor) -> bool:
    """Whether ``depthwise`` beats torch's convolution (forward and gradients, as measured)."""
    pixels, taps = x.shape[2] * x.shape[3], weight[0].numel()
    return pixels <= min(MOST_PIXELS, 4 * taps) and x.shape[0] >= taps


def depthwise(x: Tensor, weight: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Depthwise convolution, "SAME" padded: one pixels-to-pixels matrix for each channel.

    Args:
        x: (batch, channels, height, width), small.
        weight: (channels, 1, kernel height, kernel width)
        axes: Kernel, stride and dilation, vertical and horizontal.

    Returns:
        (batch, channels, ceil(height / stride), ceil(width / stride))
    """
    batch, channels, height, width = x.shape
    table = tap_table((height, width), axes, x.dtype)
    taps, pixels, pixels_out = table.shape
    matrices = (weight.reshape(channels, taps) @ table.flatten(1)).view(-1, pixels, pixels_out)
    # torch would multiply permuted batches one matrix at a time.
    images = x.permute(1, 0, 2, 3).contiguous().view(channels, batch, pixels)
    y = torch.bmm(images, matrices)
    if y.requires_grad:
        y.register_hook(torch.Tensor.contiguous)
    y = y.permute(1, 2, 0).reshape(-1, channels)
    return _from_pixels(y, batch, -(-height // axes[0][1]), -(-width // axes[1][1]))


@lru_cache(maxsize=128)  # at most 0.8 MB each
def tap_table(size: tuple[int, int], axes: tuple[Axis, ...], dtype: torch.dtype) -> Tensor:
    """(taps, pixels, output pixels): 1 where a tap brings a pixel to an output pixel, else 0."""
    # A tensor made in inference mode could not take part in gradients later.
    with torch.inference_mode(False), torch.no_grad():
        vertical, horizontal = (
            _axis_table(n, axis, dtype) for n, axis in zip(size, axes, strict=True)
        )
        table = torch.einsum("iax,jby->ijabxy", vertical, horizontal)
        return table.flatten(4).flatten(2, 3).flatten(0, 1).contiguous()


def _axis_table(size: int, axis: Axis, dtype: torch.dtype) -> Tensor:
    """The same along one side: (kernel, size, ceil(size / stride))."""
    kernel, stride, dilation = axis
    outputs = -(-size // stride)
    span = (outputs - 1) * stride + dilation * (kernel - 1) + 1
    before = max(span - size, 0) // 2
    tap, pixel, output = torch.meshgrid(
        torch.arange(kernel), torch.arange(size), torch.arange(outputs), indexing="ij"
    )
    return (output * stride + tap * dilation - before == pixel).to(dtype)


def _from_pixels(rows: Tensor, batch: int, height: int, width: int) -> Tensor:
    """(batch * height * width, channels) as (batch, channels, height, width)."""
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)
