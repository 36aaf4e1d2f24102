"""Every fast path can be switched off, and gives the numbers of the plain definition."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
import torch
from torch import Tensor, nn

from nas_gym.networks import convolutions, operations
from nas_gym.networks.kernels import convolution, elementwise
from nas_gym.networks.recurrent import RecurrentLayer
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.search_spaces.conv_net.genotype import ConvLayer, ConvNetGenotype
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell import fused as chain
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell import fused as tree
from nas_gym.search_spaces.rnn_cell.published import NAS_CELL
from nas_gym.search_spaces.rnn_cell.space import RNNCell

IMAGES, TEXT = Task(1, 8, 8, 10, filters=4), LanguageTask(11, hidden=6, embedding=6)
FIRST_CELL = ENASRNNCell(4).choose(lambda name, options: options[-1])
ROWS = ConvNetGenotype((ConvLayer(1, 5, 24), ConvLayer(7, 1, 24, (0,)), ConvLayer(1, 1, 24, (1,))))

# What is built, and where the fast paths are that it takes.
CASES: dict[str, tuple[Callable[[], nn.Module], list[tuple[Any, str]]]] = {
    "cells": (
        lambda: NASNetCell().build(NASNET_A, IMAGES),
        [
            (convolutions, "depthwise"),
            (convolutions, "pointwise"),
            (operations, "diagonal_halving"),
        ],
    ),
    "rows": (lambda: ConvNet().build(ROWS, IMAGES), [(convolutions, "by_rows")]),
    "tree": (lambda: RNNCell().build(NAS_CELL, TEXT), [(tree.TreeSequence, "run")]),
    "chain": (lambda: ENASRNNCell().build(FIRST_CELL, TEXT), [(chain.ENASSequence, "run")]),
}


def switch_off(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, convolutions.SamePaddedConv2d | operations.FactorizedReduction):
            module.fast = False
        elif isinstance(module, RecurrentLayer):
            module.fused = False


def numbers(network: nn.Module) -> list[Tensor]:
    """Logits and all gradients."""
    torch.manual_seed(1)
    if any(isinstance(module, RecurrentLayer) for module in network.modules()):
        logits = network(torch.randint(11, (5, 3)))[0]
    else:
        logits = network(torch.randn(64, 1, 8, 8, dtype=torch.float64))
    return [logits, *torch.autograd.grad(logits.square().mean(), list(network.parameters()))]


@pytest.mark.parametrize("case", CASES)
def test_the_plain_path_gives_the_same_numbers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, kernels = CASES[case]
    torch.manual_seed(0)
    network = build().double()
    taken = set()
    for owner, name in kernels:
        kernel = getattr(owner, name)

        def watched(*arguments: Any, name: str = name, kernel: Any = kernel) -> Any:
            taken.add(name)
            return kernel(*arguments)

        monkeypatch.setattr(owner, name, watched)
    fast = numbers(network)
    assert taken == {name for _, name in kernels}

    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a fast path was taken")

    for owner, name in kernels:
        monkeypatch.setattr(owner, name, refuse)
    switch_off(network)
    for ours, plain in zip(fast, numbers(network), strict=True):
        torch.testing.assert_close(ours, plain)


def test_every_kernel_says_what_to_read_first() -> None:
    for module in (convolution, elementwise, tree, chain):
        assert str(module.__doc__).startswith("Fast path; read ``")
