"""The fast path of the recurrent layers: the same numbers as the definition, and its limits."""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor

from nas_gym.networks.kernels.elementwise import product, weight_gradient
from nas_gym.networks.recurrent import RecurrentLayer
from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import decode_valid
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.rnn_cell.genotype import ALL_ACTIVATIONS
from nas_gym.search_spaces.rnn_cell.network import TreeLayer
from nas_gym.search_spaces.rnn_cell.space import CONTROL

KINDS = [*(("tree", seed) for seed in range(3)), *(("enas", seed) for seed in range(2))]
both = pytest.mark.parametrize(("kind", "seed"), KINDS)


def layer_of(kind: str, seed: int, inputs: int = 3, units: int = 4) -> RecurrentLayer:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    if kind == "tree":
        return TreeLayer(decode_valid(CONTROL, random_tokens(CONTROL, rng)), inputs, units)
    space = ENASRNNCell(6, ALL_ACTIVATIONS)
    return ENASLayer(decode_valid(space, random_tokens(space, rng)), inputs, units)


def given(layer: RecurrentLayer, time: int = 4, batch: int = 2) -> tuple[Tensor, ...]:
    """x and a state that ask for gradients."""
    generator = torch.Generator().manual_seed(1)
    dtype = layer.input_weights.dtype
    shapes = [(time, batch, layer.inputs), *[(batch, layer.units)] * layer.states]
    return tuple(
        torch.randn(*shape, generator=generator, dtype=dtype, requires_grad=True)
        for shape in shapes
    )


def results(layer: RecurrentLayer, fused: bool, mask: Tensor | None = None) -> list[Tensor]:
    """Outputs, last state and all gradients."""
    layer.fused = fused
    x, *state = given(layer, 40, 5)
    outputs, last = layer(x, tuple(state), mask)
    leaves = [x, *state, *layer.parameters()]
    (outputs.square().sum() + sum(each.sum() for each in last)).backward()
    gradients = [each.grad if each.grad is not None else each.new_zeros(()) for each in leaves]
    layer.zero_grad()
    return [outputs.detach(), *(each.detach() for each in last), *gradients]


@pytest.mark.few(3)
@both
def test_fused_is_unfused(kind: str, seed: int) -> None:
    """Over several blocks, in single precision."""
    layer = layer_of(kind, seed, 30, 192)
    mask = (torch.rand(5, 192) < 0.5) * 2.0
    for ours, theirs in zip(results(layer, True, mask), results(layer, False, mask), strict=True):
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * max(scale, 1e-3))


@pytest.mark.few(3)
@both
def test_gradients(kind: str, seed: int) -> None:
    """First and second derivatives; the second ones come from the unfused way."""
    layer = layer_of(kind, seed, 2, 2).double()
    x, *state = given(layer, 3, 2)

    def run(x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        outputs, last = layer(x, state)
        return outputs, *last

    assert torch.autograd.gradcheck(run, (x, *state))
    if seed == 0:
        assert torch.autograd.gradgradcheck(run, (x, *state))


@both
def test_the_same_bits_twice(kind: str, seed: int) -> None:
    layer = layer_of(kind, seed, 20, 40)
    for one, two in zip(results(layer, True), results(layer, True), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("kind", ["tree", "enas"])
class TestLimits:
    def test_a_change_in_place_is_noticed(self, kind: str) -> None:
        layer = layer_of(kind, 0)
        x, *state = given(layer)
        outputs, _ = layer(x, tuple(state))
        outputs.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            outputs.sum().backward()

    def test_memory_is_let_go_at_once(self, kind: str) -> None:
        layer = layer_of(kind, 0)
        x, *state = given(layer)
        gc.disable()
        try:
            outputs, _ = layer(x, tuple(state))
            alive = weakref.ref(outputs.grad_fn)
            del outputs, _
            assert alive() is None
        finally:
            gc.enable()

    def test_what_diverges_warns_of_nothing(self, kind: str) -> None:
        layer = layer_of(kind, 0)
        with torch.no_grad():
            layer.hidden_weights.fill_(1e30)
        x, *state = given(layer, 6)
        outputs, _ = layer(x, tuple(state))
        outputs.sum().backward()

    def test_frozen_parts(self, kind: str) -> None:
        layer = layer_of(kind, 0)
        x, *state = (each.detach() for each in given(layer))
        layer.input_weights.requires_grad_(False)
        layer(x, tuple(state))[0].sum().backward()
        assert layer.input_weights.grad is None
        assert layer.hidden_weights.grad is not None

    def test_other_types_and_transforms(self, kind: str) -> None:
        layer = layer_of(kind, 0)
        x, *state = (each.detach() for each in given(layer))
        slope = torch.func.grad(lambda x: layer(x, tuple(state))[0].sum())(x)
        asked = x.clone().requires_grad_()
        layer(asked, tuple(state))[0].sum().backward()
        torch.testing.assert_close(slope, asked.grad)
        half = layer.bfloat16()
        outputs, _ = half(x.bfloat16(), tuple(each.bfloat16() for each in state))
        assert outputs.dtype == torch.bfloat16

    def test_strided_inputs(self, kind: str) -> None:
        layer = layer_of(kind, 0)
        x, *state = (each.detach() for each in given(layer))
        strided = x.transpose(0, 1).contiguous().transpose(0, 1)
        torch.testing.assert_close(layer(strided, tuple(state)), layer(x, tuple(state)))


@pytest.mark.parametrize("rows", [3, 700])
def test_product(rows: int) -> None:
    """Small and large ones, of whole matrices, turned ones and parts."""
    x, weights, wide = torch.randn(rows, 64), torch.randn(64, 100).t(), torch.randn(rows, 200)
    torch.testing.assert_close(product(x, weights), x @ weights.t(), rtol=1e-4, atol=1e-4)
    part = wide[:, 30:130]
    torch.testing.assert_close(product(part, weights.t()), part @ weights, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(weight_gradient(part, x), part.t() @ x, rtol=1e-4, atol=1e-4)
