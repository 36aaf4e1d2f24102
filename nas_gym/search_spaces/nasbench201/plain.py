"""Parts of exported NAS-Bench-201 networks as plain PyTorch; ``network.py`` has what trains.

As in ``nas_gym.networks.plain``, their text is copied into ``model.py``.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.plain import LinearConvBN, conv


class ResidualHalving(nn.Module):
    """A basic residual block (He et al. 2016) that halves the sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = conv(outputs, outputs, 3)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Halve both sides."""
        inside = self.second(self.first_norm(self.first(F.relu(x))))
        small = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        return inside + self.shortcut(small)  # type: ignore[no-any-return]


def skip(inputs: int, outputs: int) -> nn.Module:
    """Return an edge that only brings a state to the cell's channels."""
    return nn.Identity() if inputs == outputs else LinearConvBN(inputs, outputs)
