"""Parts of exported convolutional networks as plain PyTorch; ``network.py`` has what trains.

As in ``nas_gym.networks.plain``, their text is copied into ``model.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.plain import SameConv2d, same_padding


class DenseConvs(nn.Module):
    """Convolution, ReLU, batch norm; or several of them, each of which reads all before it."""

    def __init__(
        self,
        inputs: int,
        filters: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        times: int = 1,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.convolutions = nn.ModuleList(
            SameConv2d(inputs + n * filters, filters, kernel, (1, 1) if n else stride)
            for n in range(times)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for _ in range(times))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, rectify, normalise; only the first convolution strides."""
        seen = [x]
        for convolution, norm in zip(self.convolutions, self.norms):  # noqa: B905
            if len(seen) == 2:
                seen[0] = x[:, :, :: self.stride[0], :: self.stride[1]]
            seen.append(norm(F.relu(convolution(torch.cat(seen, 1)))))
        return torch.cat(seen[1:], 1)


class SameMaxPool(nn.Module):
    """A max pool that puts out ceil(size / stride) pixels per side; the padding never wins."""

    def __init__(self, window: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.window, self.stride = window, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pad and pool."""
        top, bottom = same_padding(int(x.shape[2]), self.window[0], self.stride[0], 1)
        left, right = same_padding(int(x.shape[3]), self.window[1], self.stride[1], 1)
        x = F.pad(x, [left, right, top, bottom], value=-float("inf"))
        return F.max_pool2d(x, self.window, self.stride)


def concatenated(states: list[Tensor]) -> Tensor:
    """Concatenate all channels; smaller images lie in the middle of zeros."""
    height = max([int(x.shape[2]) for x in states])
    width = max([int(x.shape[3]) for x in states])
    padded = []
    for x in states:
        down, across = height - int(x.shape[2]), width - int(x.shape[3])
        around = [across // 2, across - across // 2, down // 2, down - down // 2]
        padded.append(F.pad(x, around))
    return torch.cat(padded, 1)


def halved(x: Tensor) -> Tensor:
    """Halve both sides by a max pool."""
    return F.max_pool2d(x, 2, ceil_mode=True)
