"""The cost of a network: parameters and multiply-adds, counted without training it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    """The size of a network and the work of one example."""

    parameters: int  # trainable
    multiply_adds: int  # of one example


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters; batch normalisation's statistics are none."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_multiply_adds(
    network: nn.Module, input_shape: Sequence[int], dtype: torch.dtype = torch.float32
) -> int:
    """Count the multiply-adds of convolutions and matrix products for one example, in evaluation.

    Runs on torch's meta device: nothing is computed, no memory is taken, and the network, which
    may live anywhere, stays as it is. Additions, pools and normalisation are not counted, as in
    the papers.

    Args:
        network: Any module that takes one tensor.
        input_shape: Of one example, e.g. (channels, height, width).
        dtype: Of the input.
    """
    modes = {module: module.training for module in network.modules()}
    state = [*network.named_parameters(), *network.named_buffers()]
    shadows = {name: torch.empty_like(tensor, device="meta") for name, tensor in state}
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            example = torch.empty((1, *input_shape), dtype=dtype, device="meta")
            functional_call(network, shadows, (example,))
    finally:
        for module, mode in modes.items():
            module.training = mode
    return int(counter.get_total_flops()) // 2


def cost_on_meta(build: Callable[[], nn.Module], input_shape: Sequence[int]) -> Cost:
    """Return the cost of the network that ``build`` makes, on the meta device: without memory.

    Args:
        build: For example ``lambda: space.build(genotype, task)``.
        input_shape: Of one example, e.g. (channels, height, width).
    """
    with torch.device("meta"):
        network = build()
    return Cost(count_parameters(network), count_multiply_adds(network, input_shape))
