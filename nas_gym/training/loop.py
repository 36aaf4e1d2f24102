"""The common part of trainings of all kinds: the device, the seed, epochs, steps, their state."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.training.optimizers import ChildOptimizer, DecayGroup
from nas_gym.training.processes import ALONE, Processes

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

    ``state`` and ``restore`` move it to another process, where it goes on as it would have here: on
    a CPU bit for bit. Both are called inside ``seeded``.

    Args:
        network: Trained in place; it is on its device.
        optimizer: Of the network's weights.
        epochs: Passes over the training part, >= 1.
        gradient_clip: Largest L2 norm of the gradient; 0: not clipped.
        counted: How many of the last epochs are measured, >= 1.
        ema: Decay of the average of the weights, which is measured and kept; 0: none.
        device: Where the network is.
        processes: Those that train it together.
    """

    figures: type[Figures]  # made of one float per field

    def __init__(
        self,
        network: nn.Module,
        optimizer: ChildOptimizer,
        epochs: int,
        gradient_clip: float,
        counted: int = COUNTED_EPOCHS,
        ema: float = 0.0,
        device: torch.device | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self.network: Any = network
        self.optimizer = optimizer
        self.epochs = epochs
        self.gradient_clip = gradient_clip
        self.counted = counted
        self.device = device or torch.device("cpu")
        self.processes = processes
        self.model: Any = processes.wrapped(network, self.device)  # what computes
        self.average = _average(network, ema) if ema else None
        self.epoch = 0  # that are over
        self.done = 0  # steps of all epochs
        self.rate = 0.0  # learning rate of the last step

    def run(self) -> list[Figures] | None:
        """Train, and return the figures of the last epochs, or None if the training diverged."""
        measured = []
        while self.epoch < self.epochs:
            if not all(map(math.isfinite, self.losses())):
                return None
            if self.epoch > self.epochs - self.counted:
                figures = self.validate()
                if figures is None:
                    return None
                measured.append(figures)
        self.finish()
        return measured

    def losses(self) -> Iterator[float]:
        """Train to the end of the epoch that is under way, and yield the loss of each step.

        A loss is that before the update; there is none if it is not finite.
        """
        self.model.train()
        end = self.end_of_epoch(self.epoch)
        while self.done < end:
            loss = self.advance()
            self.done += 1
            yield loss
        self.epoch += 1

    def run_to(self, end: int, measured: list[Figures]) -> bool:
        """Train to the end of epoch ``end``, measure after each, and return whether that went well.

        Args:
            end: From 1 to ``epochs``.
            measured: Of the epochs that are over; those of the others are added.
        """
        while self.epoch < end:
            if not all(map(math.isfinite, self.losses())):
                return False
            figures = self.validate()
            if figures is None:
                return False
            measured.append(figures)
        if end == self.epochs:
            self.finish()
        return True

    @abstractmethod
    def end_of_epoch(self, epoch: int) -> int:
        """Return the number of steps from the beginning to the end of an epoch, from 0."""

    @abstractmethod
    def advance(self) -> float:
        """Take the next step, and return the loss before it."""

    @abstractmethod
    def validate(self) -> Figures | None:
        """Measure the network on the validation part; return None if a logit is not finite."""

    @property
    def measured(self) -> nn.Module:
        """The network that is measured: the average, if there is one."""
        network: nn.Module = self.network if self.average is None else self.average.module
        return network

    def finish(self) -> None:
        """Leave in the network the weights that were measured."""
        if self.average is not None:
            self.network.load_state_dict(self.average.module.state_dict())

    def update(self, loss: Tensor, rate: float) -> None:
        """Change the weights by one step against the gradient of ``loss``.

        Args:
            loss: To be made smaller.
            rate: The learning rate of this step.
        """
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.apply(rate)

    def apply(self, rate: float) -> None:
        """Change the weights by one step against the gradients that they have."""
        if self.gradient_clip > 0:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
        self.optimizer.step(rate)
        self.rate = rate
        if self.average is not None:
            self.average.update_parameters(self.network)

    def state(self) -> dict[str, Tensor]:
        """Return all that the rest of the training depends on: the very tensors.

        All processes call it; it is the same for all.
        """
        tensors = {f"network.{n}": t for n, t in self.network.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{n}": t for n, t in self.average.state_dict().items()}
        tensors |= {f"optimizer.{n}": t for n, t in self.optimizer.state().items()}
        tensors |= {f"own.{n}": t for n, t in self.own_state().items()}
        for name, own in _random_states(self.device).items():
            for rank, each in enumerate(self.processes.gathered(own)):
                tensors[f"random.{name}.{rank}"] = each
        tensors["progress"] = torch.tensor([self.epoch, self.done])
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` returned.

        Raises:
            LookupError, RuntimeError, ValueError: It is that of another training.
        """
        self.network.load_state_dict(_below("network", state))
        if self.average is not None:
            self.average.load_state_dict(_below("average", state))
        self.optimizer.restore(_below("optimizer", state))
        epoch, done = state["progress"].tolist()
        begun = self.end_of_epoch(epoch - 1) if epoch else 0
        if not 0 <= epoch <= self.epochs or not begun <= done <= self.end_of_epoch(epoch):
            raise LookupError(f"step {done} of epoch {epoch}")
        self.epoch, self.done = epoch, done
        self.restore_own(_below("own", state))
        for name in _random_states(self.device):
            own = state.get(f"random.{name}.{self.processes.rank}")
            if own is not None:  # it may be one of more processes than there were
                _set_random_state(name, own, self.device)

    def close(self) -> None:
        """Release what it holds beside memory."""

    def own_state(self) -> dict[str, Tensor]:
        """Return what the kind of training keeps beside that."""
        return {}

    def restore_own(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``own_state`` returned."""
        del state


def _average(network: nn.Module, decay: float) -> Any:
    """Return a moving average of weights and buffers, as TensorFlow's with a number of updates.

    After n updates the decay is (1 + n) / (10 + n) at most, so that it counts from the beginning.
    """
    from torch.optim.swa_utils import AveragedModel

    @torch.no_grad()
    def update(averages: Any, values: Any, count: Tensor | int) -> None:
        number = int(count)
        share = 1 - min(decay, (1 + number) / (10 + number))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:
                average.copy_(value)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in state.items() if name.startswith(start)}


def _random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the generators that a network draws from, as bytes."""
    states = {"cpu": torch.default_generator.get_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_state(name: str, state: Tensor, device: torch.device) -> None:
    if name == "cpu":
        torch.default_generator.set_state(state.cpu())
    else:
        torch.cuda.set_rng_state(state.cpu(), device)


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
