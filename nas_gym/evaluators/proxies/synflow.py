"""Synaptic flow without data (Tanaka et al. 2020), as a proxy (Abdelfattah et al. 2021).

Definitions of Samsung's zero-cost-nas: all weights and buffers made absolute, batch norms left out,
an image of ones, double precision, R the sum of the logits; synflow is the sum over weights of
|w dR/dw|. Logsynflow (Cavagnero et al. 2022, "FreeREA") is the sum of |w| log(1 + dR/dw). Both grow
exponentially with depth: take the logarithm of the first.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas_gym.evaluators.proxies.features import logits_of
from nas_gym.evaluators.proxies.weights import weights_of, without_norms


class Flows(NamedTuple):
    """Two sums over all weights."""

    synflow: float  # >= 0; inf where double precision has no such number
    logsynflow: float  # >= 0

    @property
    def log(self) -> float:
        """The natural logarithm of synflow; -inf of a network through which nothing flows."""
        return math.log(self.synflow) if self.synflow > 0 else -math.inf


def flows_of(network: nn.Module, shape: tuple[int, int, int]) -> Flows:
    """Return both flows; the network's weights become absolute, and of double precision.

    Args:
        network: Maps images to logits.
        shape: Of an image: channels, height, width.
    """
    network.double().train()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.abs_()
    weights = weights_of(network)
    device = weights[0].device if weights else torch.device("cpu")
    image = torch.ones((1, *shape), dtype=torch.float64, device=device)
    with without_norms(network):
        flow = logits_of(network(image)).sum()
    gradients: tuple[Tensor | None, ...] = (None,) * len(weights)
    if flow.requires_grad:  # the logits may be constants
        gradients = torch.autograd.grad(flow, weights, allow_unused=True)
    plain, logged = 0.0, 0.0
    for weight, gradient in zip(weights, gradients, strict=True):
        if gradient is not None:  # of a part that is not on any path to the output there is none
            plain += _sum(weight * gradient.abs())
            logged += _sum(weight * torch.log1p(gradient.abs()))
    return Flows(plain, logged)


def _sum(flows: Tensor) -> float:
    return float(flows.detach().sum())
