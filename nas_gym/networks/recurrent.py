"""What the recurrent layers share: elementwise functions, states and first weights."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption

State = tuple[Tensor, ...]  # each (batch, units); h comes first

COMBINE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "elem_mult": torch.mul,
    "max": torch.maximum,
}
ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "sin": torch.sin,
}


class RecurrentLayer(nn.Module):
    """A layer that runs a cell along a sequence.

    Args:
        inputs: Size of x_t, >= 1.
        units: Size of h_t, >= 1.
        states: How many tensors the state has.

    Raises:
        InvalidOption: A size is below 1.
    """

    def __init__(self, inputs: int, units: int, states: int) -> None:
        super().__init__()
        for name, size in (("inputs", inputs), ("units", units)):
            if size < 1:
                raise InvalidOption(f"{name} is {size}: give 1 or more")
        self.inputs, self.units, self.states = inputs, units, states

    def reset_parameters(self) -> None:
        """Every weight uniform in +-1 / sqrt(units), as torch's own recurrent layers.

        The papers search or do not give the range; recipes may set their own.
        """
        bound = self.units**-0.5
        for weights in self.parameters():
            nn.init.uniform_(weights, -bound, bound)

    def first_state(self, batch: int) -> State:
        """Zeros for ``batch`` sequences, where the weights are."""
        weights = next(self.parameters())
        return tuple(weights.new_zeros(batch, self.units) for _ in range(self.states))
