"""The base of recurrent layers: elementwise functions, states and the choice of a fast path.

A layer is computed in one of two ways. ``unfused`` is the definition in torch's own operations. The
fused way (``fused.py`` beside the space) runs the whole sequence as one operation with its
gradient written out: autograd would call torch for every node and step, and that takes most of the
time of layers with 32 to 200 units. It needs no compiler (``benchmarks/speed/recurrent_speed.py``).
A layer takes it on the CPU unless its ``fused`` is False.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from nas_gym.options import check

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


class RecurrentSequence(ABC):
    """A sequence that went through a cell in the fused way, and what its gradient needs."""

    @abstractmethod
    def gradients(
        self, of_outputs: Tensor, of_last: State, want_x: bool
    ) -> tuple[Tensor | None, Tensor, Tensor, State]:
        """Return those of x (None unless wanted), of both weights, and of the first state."""


class RecurrentLayer(nn.Module, ABC):
    """A layer that runs a cell along a sequence.

    Args:
        inputs: Size of x_t, >= 1.
        units: Size of h_t, >= 1.
        states: How many tensors the state has.

    Raises:
        InvalidOption: A size is below 1.
    """

    input_weights: nn.Parameter
    hidden_weights: nn.Parameter

    def __init__(self, inputs: int, units: int, states: int) -> None:
        super().__init__()
        self.inputs: int = check("inputs", inputs, Annotated[int, Ge(1)])
        self.units: int = check("units", units, Annotated[int, Ge(1)])
        self.states = states
        self.fused = True  # take the fast path if it applies

    def reset_parameters(self) -> None:
        """Draw every weight uniformly in +-1 / sqrt(units), as torch's own recurrent layers.

        The papers search or do not give the range; recipes may set their own.
        """
        bound = self.units**-0.5
        for weights in self.parameters():
            nn.init.uniform_(weights, -bound, bound)

    def first_state(self, batch: int) -> State:
        """Return zeros for ``batch`` sequences, on the device of the weights."""
        return tuple(self.hidden_weights.new_zeros(batch, self.units) for _ in range(self.states))

    def forward(
        self, x: Tensor, state: State, hidden_mask: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run the cell over ``x``.

        Args:
            x: (time, batch, inputs), at least one step.
            state: h, of a tree cell also c, before the first step; each (batch, units).
            hidden_mask: (batch, units); multiplies h_{t-1} when it goes into matrix products, the
                same at every step (Gal & Ghahramani 2016).

        Returns:
            h at every step, (time, batch, units), and the state after the last.
        """
        tensors = (x, self.input_weights, self.hidden_weights, *state)
        if self.fused and _fusable(tensors, hidden_mask):
            outputs, *last = _Fused.apply(self, hidden_mask, *tensors)
            return outputs, tuple(last)
        return self.unfused(x, self.input_weights, self.hidden_weights, state, hidden_mask)

    @abstractmethod
    def unfused(
        self, x: Tensor, inputs: Tensor, hidden: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """Do as ``forward``, by the definition, with the given weights: for every device."""

    @abstractmethod
    def run(
        self, x: Tensor, inputs: Tensor, hidden: Tensor, state: State, mask: Tensor | None
    ) -> tuple[Tensor, State, RecurrentSequence]:
        """Do as ``unfused``, in the fused way: for the CPU, without autograd.

        What is returned shares no tensor object with the sequence.
        """


def _fusable(tensors: tuple[Tensor, ...], mask: Tensor | None) -> bool:
    """Return whether all are plain CPU tensors of one floating type, and nothing is transformed."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    given = tensors if mask is None else (*tensors, mask)
    return (
        tensors[0].dtype in (torch.float32, torch.float64)
        and (mask is None or not mask.requires_grad)
        and all(type(each) in (Tensor, nn.Parameter) and each.is_cpu for each in given)
        and len({each.dtype for each in given}) == 1
    )


class _Fused(torch.autograd.Function):
    """The whole sequence as one operation."""

    @staticmethod
    def forward(
        ctx: Any, layer: RecurrentLayer, mask: Tensor | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        x, inputs, hidden, *state = tensors
        outputs, last, sequence = layer.run(x, inputs, hidden, tuple(state), mask)
        ctx.layer, ctx.mask, ctx.sequence = layer, mask, sequence
        # The outputs are saved as well: autograd then notices if they are changed in place.
        ctx.save_for_backward(*tensors, outputs)
        return outputs, *last

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, _ = ctx.saved_tensors
        wanted = ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():  # someone differentiates the gradient
            return None, None, *_by_autograd(ctx.layer, ctx.mask, tensors, upstream, wanted)
        of_x, of_inputs, of_hidden, of_state = ctx.sequence.gradients(
            upstream[0], upstream[1:], wanted[0]
        )
        return None, None, of_x, of_inputs, of_hidden, *of_state


def _by_autograd(
    layer: RecurrentLayer,
    mask: Tensor | None,
    tensors: list[Tensor],
    upstream: tuple[Tensor, ...],
    wanted: tuple[bool, ...],
) -> list[Tensor | None]:
    """Return the gradient of the unfused way, which can be differentiated again."""
    x, inputs, hidden, *state = tensors
    outputs, last = layer.unfused(x, inputs, hidden, tuple(state), mask)
    asked = [each for each, want in zip(tensors, wanted, strict=True) if want]
    found = iter(
        torch.autograd.grad((outputs, *last), asked, upstream, create_graph=True, allow_unused=True)
    )
    return [next(found) if want else None for want in wanted]
