"""The common part of trainings of all kinds: the device, the seed, epochs and steps."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.training.optimizers import ChildOptimizer, DecayGroup

COUNTED_EPOCHS = 5  # Zoph & Le 2016, section 4.1: the best of the last five epochs counts

Figures = TypeVar("Figures")  # what is measured on the validation part


def training_device(given: torch.device | str | None = None) -> torch.device:
    """Return the device given, or by default the GPU if there is one, else the CPU.

    Raises:
        InvalidOption: The device given is none that torch knows, or is not there.
    """
    try:
        device = torch.device(given or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise InvalidOption(f"device is {given!r}: give cpu, cuda or cuda:N") from error
    if given is not None and device.type == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= there:
            gpus = f"cuda:0 to cuda:{there - 1}" if there > 1 else "cuda:0" if there else "no GPU"
            raise InvalidOption(
                f"device is {str(given)!r}, and torch finds {gpus} here: give "
                f"{'one that is there' if there else 'cpu'}"
            )
    return device


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the randomness of a network (drop-path, dropout), and restore torch's state afterwards.

    Args:
        seed: Of torch's global generators inside the block.
        device: What the network computes on.
    """
    gpus = []
    if device.type == "cuda":
        gpus = [torch.cuda.current_device() if device.index is None else device.index]
    with torch.random.fork_rng(devices=gpus):
        # Not torch.manual_seed: it seeds all GPUs, and these are all that is restored.
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            torch.cuda.default_generators[gpu].manual_seed(seed)
        yield


class Training(ABC, Generic[Figures]):
    """The state of one training, and its loop.

    Args:
        network: Trained in place; it is on its device.
        optimizer: Of the network's weights.
        epochs: Passes over the training part, >= 1.
        gradient_clip: Largest L2 norm of the gradient; 0: not clipped.
        counted: How many of the last epochs are measured, >= 1.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: ChildOptimizer,
        epochs: int,
        gradient_clip: float,
        counted: int = COUNTED_EPOCHS,
    ) -> None:
        self.network: Any = network
        self.optimizer = optimizer
        self.epochs = epochs
        self.gradient_clip = gradient_clip
        self.counted = counted

    def run(self) -> list[Figures] | None:
        """Train, and return the figures of the last epochs, or None if the training diverged."""
        measured = []
        for epoch in range(self.epochs):
            self.network.train()
            if not all(map(math.isfinite, self.losses(epoch))):
                return None
            if epoch >= self.epochs - self.counted:
                figures = self.validate()
                if figures is None:
                    return None
                measured.append(figures)
        return measured

    @abstractmethod
    def losses(self, epoch: int) -> Iterator[float]:
        """Train for one epoch, from 0, and yield the loss of each step; no update if not finite."""

    @abstractmethod
    def validate(self) -> Figures | None:
        """Measure the network on the validation part; return None if a logit is not finite."""

    def update(self, loss: Tensor, rate: float) -> None:
        """Change the weights by one step against the gradient of ``loss``.

        Args:
            loss: To be made smaller.
            rate: The learning rate of this step.
        """
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.gradient_clip > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
        self.optimizer.step(rate)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[DecayGroup]:
    """Return the trainable parameters in two groups for an optimizer.

    Weights decay; batch norms and biases, the parameters of one dimension, do not.

    Args:
        network: Whose parameters they are.
        weight_decay: L2 coefficient of the weights, >= 0.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        DecayGroup([p for p in parameters if p.dim() > 1], weight_decay),
        DecayGroup([p for p in parameters if p.dim() <= 1], 0.0),
    ]
