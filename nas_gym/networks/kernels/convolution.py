"""Fast path; read ``networks/convolutions.py`` first. Small convolutions as matrix products (CPU).

torch's convolutions spend most of a child's training time on the gradients of depthwise and 1x1
kernels, at a hundredth of the processor's speed when images have 8 x 8 pixels or fewer and layers
have a few dozen channels. The functions here compute the same with ``mm`` and ``bmm``; see
``benchmarks/speed/training_step.py``. All work on feature maps in the ``channels_last`` format
without a copy, and accept any.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_gym.networks.padding import Axis, same_padding

MOST_PIXELS = 64  # of an image whose depthwise convolution is worth a matrix per channel
MOST_ENTRIES = 2**15  # of a matrix that is worth its taps' repetition


def may_be_fast(x: Tensor) -> bool:
    """Return whether these functions may be taken: on the CPU, and not while a network is traced.

    Which of them pays off depends on the batch, and what is traced must hold for all.
    """
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return x.device.type == "cpu" and not tracing and not torch.compiler.is_compiling()


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve with kernels of one pixel.

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
    """Concatenate two 1x1 convolutions of stride 2, the second one of the image moved by a pixel.

    Args:
        x: (batch, in_channels, height, width)
        straight: (some, in_channels, 1, 1), sees the upper left pixel of each 2 x 2 square.
        shifted: (others, in_channels, 1, 1), sees the lower right one; zero outside the image.

    Returns:
        (batch, some + others, ceil(height / 2), ceil(width / 2))
    """
    x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
    batch, channels, height, width = x.shape
    squares = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    squares = squares.transpose(2, 3).reshape(-1, 4 * channels)
    # One matrix for both: taking single pixels out would cost more in the gradient.
    upper_left = F.pad(straight.flatten(1).t(), (0, len(shifted), 0, 3 * channels))
    lower_right = F.pad(shifted.flatten(1).t(), (len(straight), 0, 3 * channels, 0))
    return _from_pixels(squares @ (upper_left + lower_right), batch, height // 2, width // 2)


def worth_depthwise(x: Tensor, weight: Tensor) -> bool:
    """Return whether ``depthwise`` beats torch's convolution (forward and gradients, measured)."""
    pixels, taps = x.shape[2] * x.shape[3], weight[0].numel()
    return pixels <= min(MOST_PIXELS, 4 * taps) and x.shape[0] >= taps


def worth_by_rows(x: Tensor, weight: Tensor, axes: tuple[Axis, ...]) -> bool:
    """Return whether ``by_rows`` beats torch's convolution (forward and gradients, measured)."""
    (height, stride, dilation), (width, _, _) = axes
    longest = max(x.shape[2:])
    unusual = min(height, width) == 1 or stride > 1 or (dilation > 1 and longest <= 4)
    entries = weight.shape[0] * weight.shape[1] * longest**2
    return unusual and entries <= MOST_ENTRIES and x.shape[0] * longest >= weight.shape[1]


def depthwise(x: Tensor, weight: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Convolve each channel, "SAME" padded, by one matrix from pixels to pixels per channel.

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
    x = with_gradient_in(torch.channels_last, x)
    images = x.permute(1, 0, 2, 3).contiguous().view(channels, batch, pixels)
    y = with_gradient_in(torch.contiguous_format, torch.bmm(images, matrices))
    y = y.permute(1, 2, 0).reshape(-1, channels)
    return _from_pixels(y, batch, -(-height // axes[0][1]), -(-width // axes[1][1]))


def by_rows(x: Tensor, weight: Tensor, axes: tuple[Axis, ...]) -> Tensor:
    """Convolve, "SAME" padded, by one matrix from the pixels of a row to those of an output row.

    Args:
        x: (batch, in_channels, height, width), narrow.
        weight: (out_channels, in_channels, kernel height, kernel width)
        axes: Kernel, stride and dilation, vertical and horizontal.

    Returns:
        (batch, out_channels, ceil(height / stride), ceil(width / stride))
    """
    (kernel, stride, dilation), horizontal = axes
    if kernel > 1 and horizontal[0] == 1:  # a column: turn it into a row
        turned = by_rows(x.transpose(2, 3), weight.transpose(2, 3), axes[::-1])
        return turned.transpose(2, 3).contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = x.shape
    table = tap_table((width,), (horizontal,), x.dtype)
    taps, _, width_out = table.shape
    matrix = weight.permute(2, 1, 0, 3).reshape(-1, taps) @ table.flatten(1)
    matrix = matrix.view(kernel, channels, len(weight), width, width_out)
    matrix = matrix.permute(0, 3, 1, 4, 2).reshape(kernel * width * channels, -1)
    rows = x.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
    height_out = -(-height // stride)
    if kernel > 1:
        before, after = same_padding(height, axes[0])
        rows = F.pad(rows, (0, 0, before, after))
        last = (height_out - 1) * stride + 1
        starts = range(0, kernel * dilation, dilation)
        rows = torch.cat([rows[:, start : start + last : stride] for start in starts], dim=2)
    elif stride > 1:
        rows = rows[:, ::stride]
    return _from_pixels(rows.reshape(-1, len(matrix)) @ matrix, batch, height_out, width_out)


@lru_cache(maxsize=128)  # at most 0.8 MB each
def tap_table(size: tuple[int, ...], axes: tuple[Axis, ...], dtype: torch.dtype) -> Tensor:
    """Return (taps, pixels, output pixels): 1 if a tap brings the pixel to the output pixel."""
    # A tensor made in inference mode could not take part in gradients later.
    with torch.inference_mode(False), torch.no_grad():
        tables = [_axis_table(n, axis, dtype) for n, axis in zip(size, axes, strict=True)]
        if len(tables) == 1:
            return tables[0]
        table = torch.einsum("iax,jby->ijabxy", *tables)
        return table.flatten(4).flatten(2, 3).flatten(0, 1).contiguous()


def _axis_table(size: int, axis: Axis, dtype: torch.dtype) -> Tensor:
    """Return the same along one side: (kernel, size, ceil(size / stride))."""
    kernel, stride, dilation = axis
    tap, pixel, output = torch.meshgrid(
        torch.arange(kernel), torch.arange(size), torch.arange(-(-size // stride)), indexing="ij"
    )
    before = same_padding(size, axis)[0]
    return (output * stride + tap * dilation - before == pixel).to(dtype)


def with_gradient_in(memory_format: torch.memory_format, x: Tensor) -> Tensor:
    """Return ``x`` itself; its gradient is brought into ``memory_format`` before it flows on.

    Many of torch's backward functions take several times as long when the gradient has another
    format than the input had.
    """

    def convert(gradient: Tensor | None) -> Tensor | None:  # None if it is not needed
        return None if gradient is None else gradient.contiguous(memory_format=memory_format)

    if x.requires_grad:
        x = x.view_as(x)
        x.register_hook(convert)  # type: ignore[no-untyped-call]
    return x


def _from_pixels(rows: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Return (batch * height * width, channels) as (batch, channels, height, width)."""
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)
