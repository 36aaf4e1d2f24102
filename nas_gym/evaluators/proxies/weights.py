"""Weights of networks: how proxies set them, and whose gradients they look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


def weights_of(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights: the parameters of two dimensions or more, without biases and norms."""
    return [p for p in network.parameters() if p.dim() > 1]


@torch.no_grad()
def kaiming(network: nn.Module) -> None:
    """Draw weights as He et al. 2015 (normal, fan-in), zero biases, make norms plain.

    From torch's global generator; so AZ-NAS's code initialises networks.
    """
    for parameter in weights_of(network):
        nn.init.kaiming_normal_(parameter, mode="fan_in", nonlinearity="relu")
    _plain(network)


@torch.no_grad()
def gaussian(network: nn.Module) -> None:
    """Draw weights from N(0, 1), zero biases, make norms plain; so Zen-NAS's code does."""
    for parameter in weights_of(network):
        parameter.normal_()
    _plain(network)


def _plain(network: nn.Module) -> None:
    """Set biases to 0, scales of norms to 1, and forget the norms' statistics."""
    for module in network.modules():
        own = dict(module.named_parameters(recurse=False))
        for name, parameter in own.items():
            if parameter.dim() <= 1:
                scale = isinstance(module, NORMS) and name == "weight"
                parameter.fill_(1.0 if scale else 0.0)
        if isinstance(module, _NormBase):
            module.reset_running_stats()


@contextmanager
def without_norms(network: nn.Module) -> Iterator[None]:
    """Let norms pass what they are given, inside the block.

    Those that are modules; what a network computes by ``torch.nn.functional`` stays.
    """
    norms: list[Any] = [module for module in network.modules() if isinstance(module, NORMS)]
    for norm in norms:
        norm.forward = _passed
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _passed(x: Tensor) -> Tensor:
    return x


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Ask for no gradients of parameters inside the block: those of inputs cost half as much."""
    asked = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in asked:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asked:
            parameter.requires_grad_(True)


@contextmanager
def put_back(network: nn.Module) -> Iterator[None]:
    """Give parameters, buffers, gradients and norms back what they have now, after the block.

    As a deep copy would, in a tenth of its time.
    """
    parameters = [(p, p.detach().clone(), p.grad) for p in network.parameters()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in network.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    momenta = [(m, m.momentum) for m in network.modules() if isinstance(m, _NormBase)]
    modes = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for parameter, value, gradient in parameters:
            parameter.data, parameter.grad = value, gradient
        for module, name, buffer, value in buffers:
            buffer.data = value
            module._buffers[name] = buffer
        for norm, momentum in momenta:
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
