"""The processes that train one network together, as ``torchrun`` starts them; usually one alone.

What a training comes to does not depend on how many there are, but for rounding and for the random
numbers inside the network: the batch is that of all together, batch norms see all of it, and a
checkpoint of one number of processes goes on with another.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nas_gym.errors import InvalidOption

PATIENCE = timedelta(minutes=30)  # until the others count as lost


@dataclass(frozen=True)
class Processes:
    """Which one of how many this is.

    Args:
        rank: From 0.
        count: >= 1.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """Return which rows of a batch are this process's.

        Raises:
            InvalidOption: They cannot be shared equally.
        """
        if batch % self.count:
            raise InvalidOption(
                f"a batch has {batch} examples, and there are {self.count} processes: give a "
                "batch_size that is a multiple of them"
            )
        own = batch // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def mean(self, value: float) -> float:
        """Return the mean of a number over all processes: the same for all."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=_own_device())
        dist.all_reduce(total)
        return float(total) / self.count

    def total(self, counts: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, on the CPU."""
        if self.count > 1:
            counts = counts.to(_own_device())
            dist.all_reduce(counts)
        return counts.cpu()

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, by rank; all have one shape."""
        if self.count == 1:
            return [tensor]
        own = tensor.to(_own_device()).contiguous()
        every = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(every, own)
        return [each.to(tensor.device) for each in every]

    def wrapped(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return what computes the network's output, and keeps all processes' weights equal.

        Batch norms are changed to see the batches of all; they stay the network's own.
        """
        if self.count == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and not isinstance(module, SharedBatchNorm2d):
                module.__class__ = SharedBatchNorm2d
        # Until the training's own filters of warnings end: what torch advises is meant so here.
        for advice in ("find_unused_parameters", "Grad strides", ".*broadcast_buffers"):
            warnings.filterwarnings("ignore", message=advice)
        # A cell need not use both its inputs, so that some weights may have no gradient.
        return DistributedDataParallel(
            network,
            device_ids=[device] if device.type == "cuda" else None,
            find_unused_parameters=True,
            broadcast_buffers=False,  # they are equal already
        )

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            dist.barrier()


ALONE = Processes()


class _SumOfAll(torch.autograd.Function):
    """The sum over all processes; so are its gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Add up."""
        del ctx
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Add up the gradients."""
        del ctx
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, on any device.

    ``torch.nn.SyncBatchNorm`` does the same on GPUs only.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in evaluation mode as ever."""
        if not self.training or not dist.is_initialized():
            return super().forward(x)
        values, axes = x.float(), (0, 2, 3)
        count = values.numel() // values.shape[1] * dist.get_world_size()
        sum_of_all: Any = _SumOfAll.apply
        # Sums in float64, as torch's own: where a channel is nearly constant, rounding is divided
        # by next to nothing.
        mean = (sum_of_all(values.sum(axes, dtype=torch.float64)) / count).float()
        centred = values - mean[:, None, None]
        squares = centred.square().sum(axes, dtype=torch.float64)
        variance = (sum_of_all(squares) / count).float()
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean.detach(), self.momentum)
            unbiased = variance.detach() * (count / max(1, count - 1))
            self.running_var.lerp_(unbiased, self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        normal: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normal.to(x.dtype)


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started with this one, until the block ends.

    Args:
        device: What this one trains on.

    Raises:
        InvalidOption: The others cannot be reached.
    """
    count = started_together()
    if count == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError, dist.DistError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidOption(
            f"the other processes cannot be reached ({reason}): start all with torchrun, or unset "
            "WORLD_SIZE to train with one"
        ) from error
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def started_together() -> int:
    """Return how many processes ``torchrun`` started, >= 1, this one among them."""
    text = os.environ.get("WORLD_SIZE", "1")
    return int(text) if text.isdecimal() and int(text) and "RANK" in os.environ else 1


def place_on_machine() -> int:
    """Return which one of this machine's processes this is, from 0."""
    text = os.environ.get("LOCAL_RANK", "0")
    return int(text) if text.isdecimal() else 0


def _own_device() -> torch.device:
    backend = dist.get_backend()
    return torch.device("cuda", torch.cuda.current_device()) if backend == "nccl" else torch.device(
        "cpu")  # fmt: skip
