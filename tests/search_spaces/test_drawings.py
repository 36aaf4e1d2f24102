"""Convolutional networks and recurrent cells, drawn and in words."""

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import nas_gym  # noqa: F401
from nas_gym.drawing import save
from nas_gym.search_spaces.conv_net.drawing import (
    draw_network,
    lanes_of,
    network_as_text,
    padded_inputs,
)
from nas_gym.search_spaces.conv_net.genotype import ConvLayer, ConvNetGenotype
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell.drawing import (
    chain_as_text,
    draw_chain,
    lay_out,
    unread_nodes,
)
from nas_gym.search_spaces.enas_rnn_cell.genotype import ENASNode, ENASRNNCellGenotype
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.search_spaces.rendering import draw_genotype, draw_partial, genotype_as_text
from nas_gym.search_spaces.rnn_cell.drawing import draw_tree, tree_as_text
from nas_gym.search_spaces.rnn_cell.genotype import (
    ALL_ACTIVATIONS,
    ALL_COMBINATIONS,
    Node,
    RNNCellGenotype,
)
from nas_gym.search_spaces.rnn_cell.network import TreeLayer
from nas_gym.search_spaces.rnn_cell.space import RNNCell

DENSE = ConvNetGenotype(
    tuple(ConvLayer(7, 7, 64, tuple(range(i)), 3, 3) for i in range(20)), 3, (7, 13)
)
STAR = tuple(ENASNode(min(i, 1) - 1, "identity") for i in range(12))
CHAIN = tuple(ENASNode(i - 1, "sigmoid") for i in range(12))

seeds = st.integers(0, 2**32 - 1)


def random_of(space: Any, seed: int) -> Any:
    return decode(space, random_tokens(space, np.random.default_rng(seed)))


@st.composite
def networks(draw: st.DrawFn) -> ConvNetGenotype:
    """Of 1 to 20 layers of all types, with pools and blocks."""
    depth = draw(st.integers(1, 20))
    pools = draw(st.sampled_from(((), (1,), (3, 8))))
    space = ConvNet(
        types=("conv", "pool"),
        depth=depth,
        block_layers=draw(st.sampled_from((1, 3))),
        pools=tuple(place for place in pools if place < depth),  # a space refuses the others
    )
    genotype: ConvNetGenotype = random_of(space, draw(seeds))
    return genotype


@st.composite
def trees(draw: st.DrawFn) -> RNNCellGenotype:
    """Of 2 to 16 leaves."""
    space = RNNCell(draw(st.integers(2, 16)), ALL_COMBINATIONS, ALL_ACTIVATIONS)
    genotype: RNNCellGenotype = random_of(space, draw(seeds))
    return genotype


@st.composite
def chains(draw: st.DrawFn) -> ENASRNNCellGenotype:
    """Of 1 to 14 nodes."""
    space = ENASRNNCell(draw(st.integers(1, 14)), ALL_ACTIVATIONS)
    genotype: ENASRNNCellGenotype = random_of(space, draw(seeds))
    return genotype


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def arrows(figure: Figure) -> int:
    """Of upright edges."""
    found = figure.axes[0].collections
    return sum(len(c.get_paths()) for c in found if isinstance(c, PolyCollection))


def wires(figure: Figure) -> list[FancyArrowPatch]:
    return [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]


def dots(figure: Figure) -> list[tuple[float, float]]:
    return [(x, y) for line in figure.axes[0].lines for x, y in np.transpose(line.get_data())]


def check_boxes(figure: Figure) -> None:
    """All boxes lie inside the figure and those with a label do not overlap."""
    width, height = figure.get_size_inches()
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    sides = [(b.get_x(), b.get_x() + b.get_width(), b.get_y(), b.get_y() + b.get_height())
             for b in boxes if b.get_zorder() > 1]  # fmt: skip
    for left, right, low, high in sides:
        assert left > 0.05
        assert right < width - 0.05
        assert low > 0.05
        assert high < height - 0.45  # below the title
    for (a, b, c, d), (e, f, g, h) in combinations(sides, 2):
        assert b <= e + 1e-9 or f <= a + 1e-9 or d <= g + 1e-9 or h <= c + 1e-9


def check_labels(figure: Figure) -> None:
    """Each text inside a box fits into it, and no two texts overlap."""
    canvas: Any = figure.canvas
    canvas.draw()
    dpi = figure.dpi
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    centres = {(round(b.get_x() + b.get_width() / 2, 6), round(b.get_y() + b.get_height() / 2, 6)):
               b for b in boxes if b.get_zorder() > 1}  # fmt: skip
    fitted = 0
    for text in figure.axes[0].texts:
        box = centres.get(tuple(round(float(p), 6) for p in text.get_position()))
        if box is not None:
            extent = text.get_window_extent()
            assert extent.width < box.get_width() * dpi, text.get_text()
            assert extent.height < box.get_height() * dpi, text.get_text()
            fitted += 1
    assert fitted == len(centres)
    extents = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a, b in combinations(extents, 2))


# ---------------------------------------------------------------- convolutional networks


def test_a_network_in_words() -> None:
    layers = (
        ConvLayer(3, 5, 24),
        ConvLayer(1, 1, 48, (0,), 2, 1),
        ConvLayer(2, 2, 0, (0, 1), 2, 2, "pool"),
        ConvLayer(7, 7, 36),
    )
    assert network_as_text(ConvNetGenotype(layers, 3, (2,))).splitlines() == [
        "layer 0: 3 dense x conv 3x5, 24 filters <- image",
        "layer 1: 3 dense x conv 1x1, 48 filters, stride 2x1 <- 0",
        "max pool 2x2 of all outputs so far",
        "layer 2: max pool 2x2, stride 2x2 <- 0, 1",
        "layer 3: 3 dense x conv 7x7, 36 filters <- image",
        "classifier <- 2, 3",
    ]


@given(networks())
@example(DENSE)
@settings(max_examples=10, deadline=None)
def test_a_network_is_drawn_with_all_its_edges(genotype: ConvNetGenotype) -> None:
    layers = genotype.layers
    figure = draw_network(genotype, title="mine")
    check_boxes(figure)
    axes = figure.axes[0]
    centre = next(t.get_position()[0] for t in axes.texts if t.get_text() == "image")
    # Upright arrows: from the image, to the next layer, to the classifier.
    assert arrows(figure) == 2 + sum(i - 1 in layer.inputs for i, layer in enumerate(layers) if i)
    skips = [(j, i) for i, layer in enumerate(layers) for j in layer.inputs if j < i - 1]
    read = {j for layer in layers for j in layer.inputs}
    loose = [i for i in range(len(layers) - 1) if i not in read]
    from_image = [i for i, layer in enumerate(layers) if i and not layer.inputs]
    assert sum(x > centre + 0.1 for x, _ in dots(figure)) == len(skips)
    assert sum(x < centre - 0.1 for x, _ in dots(figure)) == len(loose) + len(from_image)
    shown = texts(figure)
    assert ("read by no layer: goes to the classifier" in shown) is bool(loose)
    assert ("no input chosen: reads the image" in shown) is bool(from_image)
    assert ("○  smaller input, padded with zeros" in shown) is any(padded_inputs(layers))
    assert shown.count("max pool 2x2 of all outputs so far") == len(genotype.pools)


@given(networks())
@settings(max_examples=10, deadline=None)
def test_no_two_layers_are_on_a_lane_at_once(genotype: ConvNetGenotype) -> None:
    last: dict[int, int] = {}
    for i, layer in enumerate(genotype.layers):
        last |= {j: i for j in layer.inputs if j < i - 1}
    lanes = lanes_of(genotype.layers)
    assert lanes.keys() == last.keys()
    for a, b in combinations(sorted(lanes), 2):
        assert lanes[a] != lanes[b] or last[a] < b


def test_smaller_inputs_are_known() -> None:
    layers = (
        ConvLayer(3, 3, 8, (), 2, 3),
        ConvLayer(3, 3, 8, (), 3, 2),  # higher in one side, lower in the other
        ConvLayer(3, 3, 8, (0, 1), 1, 1),
        ConvLayer(3, 3, 8, (2,), 2, 2),
    )
    assert padded_inputs(layers) == [(), (), (0, 1), (), ()]
    assert padded_inputs(layers[:2])[-1] == (0, 1)  # at the classifier


def test_labels_of_the_largest_network_fit() -> None:
    figure = draw_network(DENSE)
    assert sum("3 dense x conv 7x7, 64 filters, stride 3x3" in text for text in texts(figure)) == 20
    check_labels(figure)


def test_nas_v1_has_its_skips() -> None:
    genotype, space = PUBLISHED["nas-v1"]
    figure = draw_network(genotype)
    assert len(dots(figure)) == sum(len(layer.inputs) for layer in genotype.layers) - 14
    assert genotype_as_text(space, (0,) * space.max_length).endswith("classifier <- " + ", ".join(
        map(str, range(15))
    ))  # fmt: skip


# ---------------------------------------------------------------- trees


WORKED_EXAMPLE = RNNCellGenotype(  # the paper's figure 5
    (Node("add", "tanh"), Node("elem_mult", "relu"), Node("elem_mult", "sigmoid")),
    Node("add", "relu"), cell_output=1, cell_input=0,
)  # fmt: skip


def test_the_papers_example_in_words() -> None:
    assert tree_as_text(WORKED_EXAMPLE).splitlines() == [
        "a0 = tanh(W0 x_t + M0 h_{t-1})",
        "a0' = relu(a0 + c_{t-1})",
        "a1 = relu((W1 x_t) * (M1 h_{t-1}))",
        "a2 = sigmoid(a0' * a1)",
        "c_t = (W1 x_t) * (M1 h_{t-1})",
        "h_t = a2",
    ]


FUNCTIONS: dict[str, Any] = {
    "tanh": math.tanh,
    "sin": math.sin,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "max": max,
}


@given(trees(), seeds)
@settings(max_examples=10, deadline=None)
def test_the_formulas_compute_what_the_layer_does(genotype: RNNCellGenotype, seed: int) -> None:
    x, h, c, *weights = np.random.default_rng(seed).normal(size=3 + 2 * genotype.base)
    layer = TreeLayer(genotype, 1, 1).double()
    values = {**FUNCTIONS, "x_t": x, "h_before": h, "c_before": c}
    with torch.no_grad():
        for leaf in range(genotype.base):
            for letter, view, w in zip(
                "WM", layer.weights_of(leaf), weights[2 * leaf :], strict=False
            ):
                view.fill_(float(w))
                values[f"{letter}{leaf}"] = w
        state = tuple(torch.tensor([[float(v)]], dtype=torch.float64) for v in (h, c))
        _, (hidden, cell) = layer(torch.tensor([[[float(x)]]], dtype=torch.float64), state)
    text = tree_as_text(genotype).replace("{t-1}", "before").replace("'", "_")
    for leaf in range(genotype.base):  # a matrix beside a vector is a product
        text = text.replace(f"W{leaf} x", f"W{leaf} * x").replace(f"M{leaf} h", f"M{leaf} * h")
    exec(text, values)
    assert values["h_t"] == pytest.approx(hidden.item(), rel=1e-9, abs=1e-12)
    assert values["c_t"] == pytest.approx(cell.item(), rel=1e-9, abs=1e-12)


@given(trees())
@settings(max_examples=6, deadline=None)
def test_a_tree_is_drawn_with_all_its_edges(genotype: RNNCellGenotype) -> None:
    figure = draw_tree(genotype, title="mine")
    check_boxes(figure)
    base = genotype.base
    # Two into each node, one into the injection, one out of the root; and those of the cell state.
    assert arrows(figure) == 2 * (2 * base - 1) + 2
    assert len(wires(figure)) == 2
    shown = texts(figure)
    for text, count in (("xₜ", base), ("hₜ₋₁", base), ("hₜ", 1), ("cₜ", 1), ("cₜ₋₁", 1)):
        assert shown.count(text) == count
    nodes = [*genotype.nodes, genotype.inject]
    for activation in ALL_ACTIVATIONS:
        assert shown.count(activation) == sum(n.activation == activation for n in nodes)
    for combination, word in (("add", "add"), ("elem_mult", "mult"), ("max", "max")):
        assert shown.count(word) == sum(n.combination == combination for n in nodes)


@pytest.mark.parametrize("base", [8, 16])
def test_labels_of_trees_fit(base: int) -> None:
    node = Node("elem_mult", "identity")
    check_labels(draw_tree(RNNCellGenotype((node,) * (2 * base - 1), node, 0, base)))


def test_an_unfinished_tree_shows_what_is_open() -> None:
    space = RNNCell(base=2)
    shown = texts(draw_partial(space, (0, 1, 1)))
    assert "choice 4, now open: node1.activation" in shown
    assert (shown.count("?"), shown.count("tanh"), shown.count("mult")) == (3, 1, 1)
    assert not {"cₜ", "cₜ₋₁"} & set(shown)
    assert {"cₜ", "cₜ₋₁"} & set(texts(draw_partial(space, (0,) * 9))) == {"cₜ"}


# ---------------------------------------------------------------- ENAS's cells


def test_an_enas_cell_in_words() -> None:
    nodes = (ENASNode(-1, "tanh"), ENASNode(0, "relu"), ENASNode(0, "identity"))
    assert chain_as_text(ENASRNNCellGenotype(nodes)).splitlines() == [
        "node 0: tanh <- x_t, h_{t-1}",
        "node 1: relu <- 0",
        "node 2: identity <- 0",
        "h_t = mean of 1, 2",
    ]


@given(chains())
@example(ENASRNNCellGenotype(STAR))
@example(ENASRNNCellGenotype(CHAIN))
@settings(max_examples=10, deadline=None)
def test_an_enas_cell_is_drawn_with_all_its_edges(genotype: ENASRNNCellGenotype) -> None:
    nodes = genotype.nodes
    figure = draw_chain(nodes, title="mine")
    check_boxes(figure)
    unread = unread_nodes(genotype)
    assert arrows(figure) == 2 + (len(nodes) - 1) + len(unread) + 1
    assert {f"{i}  {node.activation}" for i, node in enumerate(nodes)} < set(texts(figure))
    columns, rows = lay_out(nodes)
    assert sorted(columns[i] for i in unread) == list(range(len(unread)))  # each has its own way up
    for i, node in enumerate(nodes[1:], start=1):
        assert rows[i] == rows[node.previous] + 1


def test_labels_of_enas_cells_fit() -> None:
    check_labels(draw_chain(STAR))
    check_labels(draw_chain(CHAIN))


def test_an_unfinished_enas_cell_has_no_mean() -> None:
    space = ENASRNNCell(nodes=3)
    shown = texts(draw_partial(space, (0, 0, 1, 0)))
    assert "choice 5, now open: node2.activation" in shown
    assert {"0  tanh", "1  relu"} <= set(shown)
    assert "mean" not in shown
    assert "mean" in texts(draw_partial(space, (0, 0, 1, 0, 1)))


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize(
    "space",
    [
        ConvNet(depth=(2, 4), types=("conv", "pool"), pools=(3,)),
        RNNCell(base=3),
        ENASRNNCell(nodes=4),
    ],
)
def test_frames_of_an_episode_have_one_size(space: Any) -> None:
    tokens = random_tokens(space, np.random.default_rng(3))
    size = space.frame_size
    for end in (0, 5, len(tokens)):
        figure = draw_partial(space, tokens[:end])
        assert tuple(figure.get_size_inches()) == pytest.approx(size)
        check_boxes(figure)
    assert set(texts(draw_genotype(space, tokens))) == set(texts(draw_partial(space, tokens)))


@pytest.mark.parametrize("env_id", ["NASConvNet-v0", "NASRNNCell-v0"])
def test_environments_draw_their_episodes(env_id: str) -> None:
    env = gym.make(env_id, render_mode="rgb_array", evaluator="landscape")
    env.reset(seed=0)
    first: Any = env.render()
    env.step(np.int64(0))
    second: Any = env.render()
    assert first.shape == second.shape
    assert (first != second).any()


@pytest.mark.parametrize("name", ["nas-v1-chain", "lstm-like"])
def test_files_are_the_same_each_time(name: str, tmp_path: Path) -> None:
    genotype, space = PUBLISHED[name]
    drawn: Any = space
    first, second = (
        save(drawn.draw(genotype, name), tmp_path / f"{run}.svg").read_bytes() for run in "ab"
    )
    assert first == second
