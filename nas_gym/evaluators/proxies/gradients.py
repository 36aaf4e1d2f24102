"""Proxies by the gradients of the loss: grad_norm, snip, ZiCo.

The first two as in Samsung's zero-cost-nas (Abdelfattah et al. 2021, arXiv 2101.08134; SNIP: Lee et
al. 2019); ZiCo as in its authors' code and AZ-NAS's (Li et al. 2023, arXiv 2301.11300). The loss is
the cross entropy, the network is as it was initialised, batch norms use the batch.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nas_gym.evaluators.proxies.features import logits_of
from nas_gym.evaluators.proxies.weights import weights_of


def gradients_of(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Return the gradient of each weight, in the order of ``weights_of``; zeros of unused ones.

    Args:
        network: Maps images to logits; computes in training mode.
        images: (batch, channels, height, width)
        labels: (batch,) int64
    """
    network.train()
    weights = weights_of(network)
    loss = cross_entropy(logits_of(network(images)), labels)
    found: tuple[Tensor | None, ...] = (None,) * len(weights)
    if loss.requires_grad:  # the logits may be constants
        found = torch.autograd.grad(loss, weights, allow_unused=True)
    return [
        torch.zeros_like(weight) if gradient is None else gradient
        for weight, gradient in zip(weights, found, strict=True)
    ]


def grad_norm_of(gradients: Sequence[Tensor]) -> float:
    """Return the sum over layers of the L2 norm of the gradient of its weights."""
    return math.fsum(float(gradient.norm()) for gradient in gradients)


def snip_of(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> float:
    """Return the sum over weights of |w dL/dw|: the gradient of a mask of ones."""
    products = zip(weights, gradients, strict=True)
    return math.fsum(float((weight.detach() * g).abs().sum()) for weight, g in products)


def zico_of(batches: Sequence[Sequence[Tensor]]) -> float:
    """Return the sum over layers of log(sum over weights of mean |g| / deviation of g).

    Mean and deviation are those over the batches; weights whose gradient does not vary are left
    out, and so are layers in which none does. ``-inf`` if there is no layer left.

    Args:
        batches: Gradients of each batch, two batches or more.
    """
    logs = []
    for layer in zip(*batches, strict=True):
        gradients = torch.stack([gradient.flatten() for gradient in layer]).double()
        deviation = gradients.std(dim=0, correction=0)
        varies = deviation > 0
        total = float((gradients.abs().mean(dim=0)[varies] / deviation[varies]).sum())
        if total:
            logs.append(math.log(total))
    return math.fsum(logs) if logs else -math.inf
