"""The optimizers of children: the numbers of ``torch.optim``, by its own functional forms.

``torch.optim``'s classes import torch's compiler at the first use (a second or two of every process
that trains) and look for it at every step. The functions behind their ``step`` need none of it, so
that these classes give the same weights, bit for bit, after a lighter start. RMSProp is
TensorFlow's, which is another than torch's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
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
        self.kept: dict[Tensor, dict[str, Tensor]] = {}  # of each parameter that was changed

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

    def state(self) -> dict[str, Tensor]:
        """Return what it keeps, by the place of the parameter: the very tensors."""
        return {
            f"{group}.{index}.{name}": tensor
            for group, (parameters, _) in enumerate(self.groups)
            for index, parameter in enumerate(parameters)
            for name, tensor in self.kept.get(parameter, {}).items()
        }

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Keep what ``state`` returned instead of what is kept now.

        Raises:
            LookupError: It is that of another network.
        """
        self.kept = {}
        for place, tensor in state.items():
            group, index, name = place.split(".")
            parameter = self.groups[int(group)].parameters[int(index)]
            if tensor.dim() and tensor.shape != parameter.shape:
                raise LookupError(place)
            own = torch.empty_like(parameter) if tensor.dim() else torch.empty_like(
                tensor, device=parameter.device)  # fmt: skip
            self.kept.setdefault(parameter, {})[name] = own.copy_(tensor)


class SGD(ChildOptimizer):
    """Stochastic gradient descent, as ``torch.optim.SGD(…, fused=True)``.

    Args:
        groups: All that is trained.
        momentum: Share of the last step in the next, in [0, 1).
        nesterov: Whether it is Nesterov's, if it is above 0.
    """

    def __init__(
        self, groups: Sequence[DecayGroup], momentum: float = 0.0, nesterov: bool = True
    ) -> None:
        super().__init__(groups)
        self.momentum, self.nesterov = momentum, nesterov

    def move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change the parameters of one group."""
        moved = [p in self.kept for p in parameters]
        if self.momentum and any(moved) and not all(moved):  # shared weights move by and by
            for known in (True, False):
                chosen = [i for i, each in enumerate(moved) if each is known]
                own = [parameters[i] for i in chosen]
                self._move(own, [gradients[i] for i in chosen], weight_decay, rate)
        else:
            self._move(parameters, gradients, weight_decay, rate)

    def _move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change parameters of which all were changed before, or none."""
        buffers: list[Tensor | None] = []
        if self.momentum:
            buffers = [self.kept.get(p, {}).get("momentum") for p in parameters]
        sgd(
            parameters, gradients, buffers,
            fused=True, foreach=False, lr=rate, weight_decay=weight_decay,
            momentum=self.momentum, nesterov=self.nesterov and self.momentum > 0, dampening=0.0,
            maximize=False,
        )  # fmt: skip
        for parameter, buffer in zip(parameters, buffers, strict=bool(buffers)):
            assert buffer is not None  # the first step made them
            self.kept[parameter] = {"momentum": buffer}


class RMSProp(ChildOptimizer):
    """RMSProp as TensorFlow 1 has it, by which NASNet and AmoebaNet were trained on ImageNet.

    It differs from torch's: epsilon is added under the root, the mean square starts at one, and the
    learning rate is in the momentum. With an epsilon of 1 that is another optimizer.

    Args:
        groups: All that is trained.
        momentum: In [0, 1).
        decay: Of the mean of squared gradients, in [0, 1).
        epsilon: > 0.
    """

    def __init__(
        self, groups: Sequence[DecayGroup], momentum: float, decay: float, epsilon: float
    ) -> None:
        super().__init__(groups)
        self.momentum, self.decay, self.epsilon = momentum, decay, epsilon

    def move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change the parameters of one group."""
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if weight_decay:
                gradient = gradient.add(parameter, alpha=weight_decay)
            kept = self.kept.get(parameter)
            if kept is None:
                kept = {"square": torch.ones_like(parameter)}
                if self.momentum:
                    kept["momentum"] = torch.zeros_like(parameter)
                self.kept[parameter] = kept
            square = kept["square"].lerp_(gradient.square(), 1 - self.decay)
            change = gradient / square.add(self.epsilon).sqrt_()
            if self.momentum:
                change = kept["momentum"].mul_(self.momentum).add_(change, alpha=rate)
                parameter.sub_(change)
            else:
                parameter.sub_(change, alpha=rate)


class Adam(ChildOptimizer):
    """Adam (Kingma & Ba 2015), as ``torch.optim.Adam(…, fused=True)`` with its usual values."""

    def move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change the parameters of one group."""
        means, squares, steps = self._states(parameters)
        adam(
            parameters, gradients, means, squares, [], steps,
            fused=True, foreach=False, lr=rate, weight_decay=weight_decay,
            beta1=0.9, beta2=0.999, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    def _states(self, parameters: list[Tensor]) -> list[list[Tensor]]:
        """Return moving averages of gradients and of their squares, and steps taken (float32)."""
        for p in parameters:
            if p not in self.kept:
                steps = torch.zeros((), dtype=torch.float32, device=p.device)
                self.kept[p] = {
                    "mean": torch.zeros_like(p), "square": torch.zeros_like(p), "steps": steps,
                }  # fmt: skip
        return [[self.kept[p][name] for p in parameters] for name in ("mean", "square", "steps")]


class AdamW(Adam):
    """Adam with decoupled weight decay, as ``torch.optim.AdamW(…, fused=True)``.

    Args:
        groups: All that is trained.
        epsilon: > 0.
    """

    def __init__(self, groups: Sequence[DecayGroup], epsilon: float = 1e-8) -> None:
        super().__init__(groups)
        self.epsilon = epsilon

    def move(
        self, parameters: list[Tensor], gradients: list[Tensor], weight_decay: float, rate: float
    ) -> None:
        """Change the parameters of one group."""
        means, squares, steps = self._states(parameters)
        adamw(
            parameters, gradients, means, squares, [], steps,
            fused=True, foreach=False, lr=rate, weight_decay=weight_decay,
            beta1=0.9, beta2=0.999, eps=self.epsilon, amsgrad=False, maximize=False,
        )  # fmt: skip
