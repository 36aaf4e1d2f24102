"""Multiply-adds of a network that is in memory anyway, counted while it computes one image.

The same number as ``nas_gym.networks.cost.count_multiply_adds`` gives, which needs no memory but
several times as long: proxies are computed of thousands of networks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Products(TorchDispatchMode):
    """A mode that adds up the work of convolutions and matrix products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0  # two for a multiply-add

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute, and count."""
        output = function(*args, **(kwargs or {}))
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=output)
        return output


def multiply_adds_of(network: nn.Module, shape: tuple[int, int, int], device: torch.device) -> int:
    """Return the multiply-adds of one image, in evaluation mode; the network's mode changes.

    Args:
        network: Maps images to logits.
        shape: (channels, height, width) of an image.
        device: Where the network is.
    """
    network.eval()
    products = Products()
    with torch.no_grad(), _plain(network), products:
        network(torch.zeros((1, *shape), device=device))
    return products.flops // 2


@contextmanager
def _plain(network: nn.Module) -> Iterator[None]:
    """Turn fast paths off, which compute the same by other products."""
    fast: list[Any] = [module for module in network.modules() if getattr(module, "fast", False)]
    for module in fast:
        module.fast = False
    try:
        yield
    finally:
        for module in fast:
            del module.fast
