"""The Zen-score (Lin et al. 2021, arXiv 2102.01063): how much features move with the image.

As in the authors' code: weights from N(0, 1), Gaussian images a and b, the mean over the batch of
sum |f(a) - f(a + 0.01 b)|, its logarithm, and for each batch norm the logarithm of the root of its
mean running variance, which puts back what the norms take away. f are the features before the
global pool: here the last tensor of the shape of images that the network computes, whatever writes
it (of more than one pixel, if there is one).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from nas_gym.evaluators.proxies.weights import gaussian

MIXED = 0.01  # of b, beside a
MOMENTUM = 0.1  # of the running variances: torch's own, whatever the network's task says


class LastImages(TorchDispatchMode):
    """A mode that keeps the last feature map that is computed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.last: Tensor | None = None

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute, and keep what has the shape of images."""
        output = function(*args, **(kwargs or {}))
        if isinstance(output, Tensor) and output.dim() == 4 and output.is_floating_point():
            pixels = [0 if x is None else x.shape[2] * x.shape[3] for x in (output, self.last)]
            if pixels[0] > 1 or pixels[1] <= 1:
                self.last = output
        return output


def zen_of(network: nn.Module, images: Tensor, others: Tensor) -> float:
    """Return the Zen-score; ``-inf`` or NaN of a network whose features do not move.

    The network is initialised anew from torch's global generator.

    Args:
        network: Maps images to logits; computes in training mode.
        images: (batch, channels, height, width): a.
        others: (batch, channels, height, width): b.
    """
    gaussian(network)
    network.train()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.momentum = MOMENTUM
    plain, mixed = (_features(network, x) for x in (images, images + MIXED * others))
    if plain is None or mixed is None:
        return float("nan")
    moved = float((plain - mixed).abs().flatten(1).sum(dim=1).mean())
    scales = [math.log(math.sqrt(v)) if (v := _variance(norm)) > 0 else -math.inf for norm in norms]
    return (math.log(moved) if moved > 0 else -math.inf) + math.fsum(scales)


@torch.no_grad()
def _features(network: nn.Module, images: Tensor) -> Tensor | None:
    seen = LastImages()
    with seen:
        network(images)
    return seen.last


def _variance(norm: _BatchNorm) -> float:
    return 1.0 if norm.running_var is None else float(norm.running_var.mean())
