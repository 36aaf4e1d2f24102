"""Parts of exported NASNets as plain PyTorch; ``layers.py`` has the ones that train.

As in ``nas_gym.networks.plain``, their text is copied into ``model.py``.
"""

import torch
from torch import Tensor, nn

from nas_gym.networks.plain import Halving, LinearConvBN, conv


class TwoOperations(nn.Module):
    """A block: an operation on each of two states; the results are added or concatenated."""

    def __init__(
        self, operation_a: nn.Module, operation_b: nn.Module, concatenate: bool = False
    ) -> None:
        super().__init__()
        self.operation_a, self.operation_b = operation_a, operation_b
        self.concatenate = concatenate

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Apply both and combine."""
        a, b = self.operation_a(a), self.operation_b(b)
        return torch.cat([a, b], 1) if self.concatenate else a + b


def adjusted(inputs: int, filters: int, first: bool, halve: bool) -> nn.Module:
    """Return what brings the output of the cell before the last to the shape of a cell."""
    if halve:
        return Halving(inputs, filters)
    return nn.Identity() if first or inputs == filters else conv(inputs, filters, 1)


def shortcut(inputs: int, filters: int, halve: bool = False) -> nn.Module:
    """Return what brings a cell's input, if it goes to the output, to the output's shape."""
    if halve:
        return Halving(inputs, filters, rectify=False)
    return nn.Identity() if inputs == filters else LinearConvBN(inputs, filters)
