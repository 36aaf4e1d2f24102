"""The optimizers of children: the numbers of ``torch.optim``, by its own functional forms.

``torch.optim``'s classes import torch's compiler at the first use (a second or two of every process
that trains) and look for it at every step. The functions behind their ``step`` need none of it, so
that these classes give the same weights, bit for bit, after a lighter start.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd


class DecayGroup(NamedTuple):
    """Parameters that decay alike."""

    parameters: list[nn.Parameter]
    weight_decay: float  # L2 coefficient, >= 0


class ChildOptimizer(ABC):
    """An optimizer, which changes weights along their gradients.

    Args:
        groups: All that is trained; all on one device.
    """

    def __init__(self, groups: Sequence[DecayGroup]) -> None:
        self.groups = groups

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameters, _ in self.groups:
            for parameter in parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Change every parameter that has a gradient, at the learning rate ``rate``."""
        for parameters, weight_decay in self.groups:
            moved = [(p, p.grad) for p in parameters if p.grad is not None]
            if moved:
                self.move([p for p, _ in moved], [g for _, g in moved], weight_decay, rate)

    @abstractmethod
    def move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change the parameters of one group, of which there is one at least."""


class SGD(ChildOptimizer):
    """Stochastic gradient descent, as ``torch.optim.SGD(…, fused=True)``.

    Args:
        groups: All that is trained.
        momentum: Share of the last step in the next, in [0, 1); Nesterov's if above 0.
    """

    def __init__(self, groups: Sequence[DecayGroup], momentum: float = 0.0) -> None:
        super().__init__(groups)
        self.momentum = momentum
        self.buffers: dict[Tensor, Tensor | None] = {}  # the momentum of each parameter

    def move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change the parameters of one group."""
        buffers = [self.buffers.get(p) for p in parameters] if self.momentum else []
        sgd(
            parameters, gradients, buffers,
            fused=True, foreach=False, lr=rate, weight_decay=weight_decay,
            momentum=self.momentum, nesterov=self.momentum > 0, dampening=0.0, maximize=False,
        )  # fmt: skip
        if self.momentum:  # the first step made them
            self.buffers.update(zip(parameters, buffers, strict=True))


class AdamState(NamedTuple):
    """The state that Adam keeps of a parameter."""

    mean: Tensor  # moving average of its gradients
    square: Tensor  # and of their squares
    steps: Tensor  # taken so far: a number in float32


class Adam(ChildOptimizer):
    """Adam (Kingma & Ba 2015), as ``torch.optim.Adam(…, fused=True)`` with its usual values."""

    def __init__(self, groups: Sequence[DecayGroup]) -> None:
        super().__init__(groups)
        self.states: dict[Tensor, AdamState] = {}

    def move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change the parameters of one group."""
        means, squares, steps = zip(*map(self._state, parameters), strict=True)
        adam(
            parameters, gradients, list(means), list(squares), [], list(steps),
            fused=True, foreach=False, lr=rate, weight_decay=weight_decay,
            beta1=0.9, beta2=0.999, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    def _state(self, parameter: Tensor) -> AdamState:
        if parameter not in self.states:
            steps = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self.states[parameter] = AdamState(
                torch.zeros_like(parameter), torch.zeros_like(parameter), steps
            )
        return self.states[parameter]
