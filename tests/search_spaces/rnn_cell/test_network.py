import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidGenotype, InvalidOption
from nas_gym.search_spaces.grammar import decode_valid
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.rnn_cell.genotype import Node, RNNCellGenotype
from nas_gym.search_spaces.rnn_cell.network import TreeLayer
from nas_gym.search_spaces.rnn_cell.published import LSTM_LIKE, NAS_CELL
from nas_gym.search_spaces.rnn_cell.space import CONTROL, RNNCell

TIME, BATCH, INPUTS, UNITS = 5, 3, 4, 6


def double(genotype: RNNCellGenotype, inputs: int = INPUTS, units: int = UNITS) -> TreeLayer:
    torch.manual_seed(0)
    return TreeLayer(genotype, inputs, units).double()


def some_state(seed: int = 1, batch: int = BATCH, units: int = UNITS) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(batch, units, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in range(2)
    )


def some_x(seed: int = 2, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = shape or (TIME, BATCH, INPUTS)
    return torch.randn(*size, generator=generator, dtype=torch.float64, requires_grad=True)


def assert_same_gradients(
    ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...], leaves: list[Tensor]
) -> None:
    """Equal values, and equal gradients of a fixed random mixture of them."""
    upstream = [some_x(7, *each.shape).detach() for each in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)
    for mine, other in zip(
        torch.autograd.grad(ours, leaves, upstream, retain_graph=True, allow_unused=True),
        torch.autograd.grad(theirs, leaves, upstream, allow_unused=True),
        strict=True,
    ):
        zero = torch.zeros(())
        torch.testing.assert_close(
            zero if mine is None else mine, zero if other is None else other,
            check_dtype=False,
        )  # fmt: skip


def straight(
    layer: TreeLayer, x: Tensor, state: tuple[Tensor, ...], mask: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The definition, node by node: no grouping, no shared products."""
    combine = {"add": torch.add, "elem_mult": torch.mul, "max": torch.maximum}
    activate = {
        "identity": lambda x: x, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
        "relu": torch.relu, "sin": torch.sin,
    }  # fmt: skip
    genotype, (h, c), outputs = layer.genotype, state, []
    for x_t in x:
        seen = h if mask is None else h * mask
        values: list[Tensor] = []
        new_c = c
        for i, node in enumerate(genotype.nodes):
            if i < genotype.base:
                w, m = layer.weights_of(i)
                left, right = x_t @ w.t(), seen @ m.t()
            else:
                left, right = (values[child] for child in genotype.children(i))
            before = combine[node.combination](left, right)
            value = activate[node.activation](before)
            if i == genotype.cell_output:
                new_c = before
            if i == genotype.cell_input:
                inject = genotype.inject
                value = activate[inject.activation](combine[inject.combination](value, c))
            values.append(value)
        h, c = values[-1], new_c
        outputs.append(h)
    return torch.stack(outputs), h, c


def cell_of(rng: np.random.Generator, space: RNNCell) -> RNNCellGenotype:
    return decode_valid(space, random_tokens(space, rng))


# ---------------------------------------------------------------- known cells


def test_the_papers_example_of_base_2() -> None:
    """Figure 5: a0 = tanh(W1 x + W2 h), a1 = relu((W3 x) (W4 h)), and so on."""
    genotype = RNNCellGenotype(
        (Node("add", "tanh"), Node("elem_mult", "relu"), Node("elem_mult", "sigmoid")),
        Node("add", "relu"), cell_output=1, cell_input=0,
    )  # fmt: skip
    layer = double(genotype)
    (w1, w2), (w3, w4) = layer.weights_of(0), layer.weights_of(1)
    x, (h, c) = some_x(), some_state()
    outputs, (last, cell) = layer(x, (h, c))
    for t in range(TIME):
        a0 = torch.tanh(x[t] @ w1.t() + h @ w2.t())
        product = (x[t] @ w3.t()) * (h @ w4.t())
        a0 = torch.relu(a0 + c)
        h, c = torch.sigmoid(a0 * torch.relu(product)), product
        torch.testing.assert_close(outputs[t], h)
    torch.testing.assert_close((last, cell), (h, c))


def test_numbers_of_the_papers_example() -> None:
    """By hand: one unit, x = 2, h = 0.5, c = 1, all weights 1 but W2 = -1."""
    genotype = RNNCellGenotype(
        (Node("add", "tanh"), Node("elem_mult", "relu"), Node("elem_mult", "sigmoid")),
        Node("add", "relu"), cell_output=1, cell_input=0,
    )  # fmt: skip
    layer = double(genotype, 1, 1)
    with torch.no_grad():
        for leaf, weights in enumerate(((1.0, -1.0), (1.0, 1.0))):
            for parameter, value in zip(layer.weights_of(leaf), weights, strict=True):
                parameter.fill_(value)
    one = torch.ones(1, 1, dtype=torch.float64)
    _, (h, c) = layer(2 * one[None], (0.5 * one, one))
    assert c.item() == 1.0
    assert h.item() == pytest.approx(1 / (1 + np.exp(-(np.tanh(1.5) + 1))), abs=1e-12)


def test_the_cell_that_the_search_found() -> None:
    """Its formulas as TensorFlow's NASCell has them; values and all gradients."""
    layer = double(NAS_CELL)
    x, state = some_x(), some_state()
    sig, tanh, relu = torch.sigmoid, torch.tanh, torch.relu
    (h, c), outputs = state, []
    for x_t in x:
        i, m = zip(*((x_t @ w.t(), h @ u.t()) for w, u in map(layer.weights_of, range(8))), strict=True)  # fmt: skip # noqa: E501
        l1_0, l1_1 = sig(i[0] + m[0]), relu(i[1] + m[1])
        l1_2, l1_3 = sig(i[2] + m[2]), relu(i[3] * m[3])
        l1_4, l1_5 = tanh(i[4] + m[4]), sig(i[5] + m[5])
        l1_6, l1_7 = tanh(i[6] + m[6]), sig(i[7] + m[7])
        l2_0 = tanh(tanh(l1_0 * l1_1) + c)
        l2_1, l2_2, l2_3 = tanh(l1_2 + l1_3), tanh(l1_4 * l1_5), sig(l1_6 + l1_7)
        c = l2_0 * l2_1
        h = tanh(c * tanh(l2_2 + l2_3))
        outputs.append(h)
    ours, (hidden, cell) = layer(x, state)
    leaves = [x, *state, *layer.parameters()]
    assert_same_gradients((ours, hidden, cell), (torch.stack(outputs), h, c), leaves)
    assert sum(p.numel() for p in layer.parameters()) == 8 * (INPUTS + UNITS) * UNITS


def test_an_lstm_is_a_tree() -> None:
    layer = double(LSTM_LIKE)
    lstm = nn.LSTM(INPUTS, UNITS, bias=False).double()
    gates = [lstm.weight_ih_l0.chunk(4), lstm.weight_hh_l0.chunk(4)]  # input, forget, cell, output
    place = {2: 0, 0: 1, 3: 2, 4: 3}
    with torch.no_grad():
        for leaf in range(8):
            for parameter, kind in zip(layer.weights_of(leaf), gates, strict=True):
                parameter.copy_(kind[place[leaf]]) if leaf in place else parameter.zero_()
    x, state = some_x(), some_state()
    theirs, (h, c) = lstm(x, tuple(each[None] for each in state))
    ours, (hidden, cell) = layer(x, state)
    assert_same_gradients((ours, hidden, cell), (theirs, h[0], c[0]), [x, *state])
    theirs, _ = lstm(x, tuple(each[None] for each in state))
    wanted = torch.autograd.grad(theirs.sum(), [lstm.weight_ih_l0, lstm.weight_hh_l0])
    layer(x, state)[0].sum().backward()
    grown = [layer.input_weights.grad, layer.hidden_weights.grad]
    order = [leaf for group in layer.groups for leaf in group.leaves]
    for mine, their in zip(grown, wanted, strict=True):
        assert mine is not None
        for leaf, gate in place.items():
            torch.testing.assert_close(mine[order.index(leaf)], their.chunk(4)[gate])


def test_a_basic_rnn_is_a_tree() -> None:
    genotype = RNNCellGenotype(
        (Node("add", "identity"), Node("add", "identity"), Node("add", "tanh")),
        Node("add", "identity"), cell_output=1, cell_input=1,
    )  # fmt: skip
    layer = double(genotype)
    rnn = nn.RNN(INPUTS, UNITS, bias=False).double()
    with torch.no_grad():
        for parameter, other in zip(layer.weights_of(0), rnn.parameters(), strict=True):
            parameter.copy_(other)
        for parameter in layer.weights_of(1):
            parameter.zero_()
    x, (h, c) = some_x(), some_state()
    c = torch.zeros_like(c)
    theirs, last = rnn(x, h[None])
    ours, (hidden, cell) = layer(x, (h, c))
    assert not cell.any()
    assert_same_gradients((ours, hidden), (theirs, last[0]), [x, h])


# ---------------------------------------------------------------- any cell


@pytest.mark.parametrize("base", [2, 3, 5, 8])
def test_any_cell_is_its_definition(base: int) -> None:
    rng = np.random.default_rng(base)
    space = RNNCell(base, CONTROL.combinations, CONTROL.activations)
    mask = some_x(5, BATCH, UNITS).gt(0).double() * 2
    for i in range(12):
        layer = double(cell_of(rng, space))
        x, state = some_x(), some_state()
        theirs = straight(layer, x, state, mask if i % 2 else None)
        ours, after = layer(x, state, mask if i % 2 else None)
        assert_same_gradients((ours, *after), theirs, [x, *state, *layer.parameters()])


def test_all_pairs_of_indices() -> None:
    rng = np.random.default_rng(0)
    space = RNNCell(3)
    for output in range(5):
        for into in range(5):
            cell = cell_of(rng, space)
            layer = double(RNNCellGenotype(cell.nodes, cell.inject, output, into))
            x, state = some_x(), some_state()
            ours, after = layer(x, state)
            leaves = [x, *state, *layer.parameters()]
            assert_same_gradients((ours, *after), straight(layer, x, state), leaves)


def test_two_halves_are_the_whole() -> None:
    layer = double(NAS_CELL)
    x, state = some_x(), some_state()
    whole, last = layer(x, state)
    first, between = layer(x[:2], state)
    second, after = layer(x[2:], between)
    leaves = [x, *state, *layer.parameters()]
    assert_same_gradients((torch.cat((first, second)), *after), (whole, *last), leaves)


def test_on_the_meta_device() -> None:
    layer = TreeLayer(NAS_CELL, INPUTS, UNITS).to("meta")
    outputs, state = layer(
        torch.empty(TIME, BATCH, INPUTS, device="meta"), layer.first_state(BATCH)
    )
    assert outputs.shape == (TIME, BATCH, UNITS)
    assert [each.shape for each in state] == [(BATCH, UNITS)] * 2
    assert outputs.is_meta


def test_first_weights_and_state() -> None:
    layer = double(NAS_CELL, 10, 16)
    for parameter in layer.parameters():
        assert 0.24 < parameter.abs().max() <= 0.25  # 1 / sqrt(16)
    state = layer.first_state(3)
    assert all(each.dtype == torch.float64 and not each.any() for each in state)


def test_wrong_cells_and_sizes() -> None:
    with pytest.raises(InvalidGenotype, match="cell_output is 15: give a node, 0 to 14"):
        TreeLayer(RNNCellGenotype(NAS_CELL.nodes, NAS_CELL.inject, 15, 0), 1, 1)
    with pytest.raises(InvalidGenotype, match="14 nodes"):
        TreeLayer(RNNCellGenotype(NAS_CELL.nodes[1:], NAS_CELL.inject, 0, 0), 1, 1)
    with pytest.raises(InvalidOption, match="units is 0"):
        TreeLayer(NAS_CELL, 1, 0)
