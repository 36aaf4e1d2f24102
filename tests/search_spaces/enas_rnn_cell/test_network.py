import numpy as np
import pytest
import torch
from torch import Tensor

from nas_gym.errors import InvalidGenotype
from nas_gym.search_spaces.enas_rnn_cell.genotype import ENASNode, ENASRNNCellGenotype
from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import decode_valid
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.rnn_cell.genotype import ALL_ACTIVATIONS

TIME, BATCH, INPUTS, UNITS = 5, 3, 4, 6


def double(genotype: ENASRNNCellGenotype) -> ENASLayer:
    torch.manual_seed(0)
    return ENASLayer(genotype, INPUTS, UNITS).double()


def random(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)


def straight(layer: ENASLayer, x: Tensor, h: Tensor, mask: Tensor | None = None) -> Tensor:
    """The definition, node by node; every h, (time, batch, units)."""
    activate = {
        "identity": lambda x: x, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
        "relu": torch.relu, "sin": torch.sin,
    }  # fmt: skip
    nodes, outputs = layer.genotype.nodes, []
    loose = set(range(len(nodes))) - {node.previous for node in nodes}
    for x_t in x:
        values: list[Tensor] = []
        for i, node in enumerate(nodes):
            u, m = layer.weights_of(i)
            into = values[node.previous] if i else h
            seen = into * mask if mask is not None and i == 0 else into
            gate, candidate = seen @ u.t(), seen @ m.t()
            if i == 0:
                v, w = layer.input_weights
                gate, candidate = gate + x_t @ v.t(), candidate + x_t @ w.t()
            c = torch.sigmoid(gate)
            values.append(c * activate[node.activation](candidate) + (1 - c) * into)
        h = sum(values[i] for i in loose) / len(loose)  # type: ignore[assignment]
        outputs.append(h)
    return torch.stack(outputs)


def assert_same_gradients(ours: Tensor, theirs: Tensor, leaves: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs)
    upstream = random(7, *theirs.shape).detach()
    for mine, other in zip(
        torch.autograd.grad(ours, leaves, upstream),
        torch.autograd.grad(theirs, leaves, upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("nodes", [1, 2, 5, 12])
def test_any_cell_is_its_definition(nodes: int) -> None:
    rng = np.random.default_rng(nodes)
    space = ENASRNNCell(nodes, ALL_ACTIVATIONS)
    mask = random(5, BATCH, UNITS).gt(0).double() * 2
    for i in range(8):
        layer = double(decode_valid(space, random_tokens(space, rng)))
        x, h = random(1, TIME, BATCH, INPUTS), random(2, BATCH, UNITS)
        given = mask if i % 2 else None
        ours, (last,) = layer(x, (h,), given)
        torch.testing.assert_close(last, ours[-1])
        leaves = [x, h, *layer.parameters()]
        assert_same_gradients(ours, straight(layer, x, h, given), leaves)


def test_numbers_by_hand() -> None:
    """Two nodes of one unit that read node 0: h_1 is the mean of 1 and 2."""
    cell = ENASRNNCellGenotype(
        (ENASNode(-1, "identity"), ENASNode(0, "relu"), ENASNode(0, "identity"))
    )
    layer = ENASLayer(cell, 1, 1).double()
    with torch.no_grad():
        layer.input_weights.copy_(torch.tensor([0.0, 3.0]).view(2, 1, 1))
        layer.hidden_weights.zero_()
        layer.weights_of(1).copy_(torch.tensor([0.0, 0.5]).view(2, 1, 1))
        layer.weights_of(2).copy_(torch.tensor([0.0, 3.0]).view(2, 1, 1))
    x, h = torch.ones(1, 1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    outputs, _ = layer(x, (h,))
    # All gates are 1/2: y_0 = (3 + 1) / 2 = 2, y_1 = (1 + 2) / 2, y_2 = (6 + 2) / 2.
    assert outputs.item() == pytest.approx((1.5 + 4) / 2)


def test_two_halves_are_the_whole() -> None:
    rng = np.random.default_rng(3)
    layer = double(decode_valid(ENASRNNCell(), random_tokens(ENASRNNCell(), rng)))
    x, h = random(1, TIME, BATCH, INPUTS), random(2, BATCH, UNITS)
    first, between = layer(x[:2], (h,))
    second, _ = layer(x[2:], between)
    leaves = [x, h, *layer.parameters()]
    assert_same_gradients(torch.cat((first, second)), layer(x, (h,))[0], leaves)


def test_on_the_meta_device() -> None:
    cell = ENASRNNCellGenotype((ENASNode(-1, "tanh"), ENASNode(0, "relu")))
    layer = ENASLayer(cell, INPUTS, UNITS).to("meta")
    outputs, (h,) = layer(torch.empty(TIME, BATCH, INPUTS, device="meta"), layer.first_state(BATCH))
    assert outputs.shape == (TIME, BATCH, UNITS)
    assert h.shape == (BATCH, UNITS)


def test_a_cell_that_cannot_be() -> None:
    with pytest.raises(InvalidGenotype, match="node 1 reads 1: expected an earlier node, 0 to 0"):
        ENASLayer(ENASRNNCellGenotype((ENASNode(-1, "tanh"), ENASNode(1, "relu"))), 1, 1)
