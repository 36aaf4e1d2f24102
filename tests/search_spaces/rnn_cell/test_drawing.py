"""Recurrent cells that are trees, as pictures and words."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.rendering import draw_partial
from nas_gym.search_spaces.rnn_cell.drawing import draw_tree, tree_as_text
from nas_gym.search_spaces.rnn_cell.genotype import (
    ALL_ACTIVATIONS,
    ALL_COMBINATIONS,
    Node,
    RNNCellGenotype,
)
from nas_gym.search_spaces.rnn_cell.network import TreeLayer
from nas_gym.search_spaces.rnn_cell.space import RNNCell

Look = Callable[..., Any]  # a helper of tests/search_spaces/conftest.py

seeds = st.integers(0, 2**32 - 1)


@st.composite
def trees(draw: st.DrawFn) -> RNNCellGenotype:
    """Of 2 to 16 leaves."""
    space = RNNCell(draw(st.integers(2, 16)), ALL_COMBINATIONS, ALL_ACTIVATIONS)
    return decode(space, random_tokens(space, np.random.default_rng(draw(seeds))))


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


@pytest.mark.slow
@given(trees())
@settings(max_examples=6, deadline=None)
def test_a_tree_is_drawn_with_all_its_edges(
    texts: Look, arrows: Look, wires: Look, check_boxes: Look, genotype: RNNCellGenotype
) -> None:
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


@pytest.mark.few(1)
@pytest.mark.parametrize("base", [8, 16])
def test_labels_of_trees_fit(check_labels: Look, base: int) -> None:
    node = Node("elem_mult", "identity")
    check_labels(draw_tree(RNNCellGenotype((node,) * (2 * base - 1), node, 0, base)))


def test_an_unfinished_tree_shows_what_is_open(texts: Look) -> None:
    space = RNNCell(base=2)
    shown = texts(draw_partial(space, (0, 1, 1)))
    assert "choice 4, now open: node1.activation" in shown
    assert (shown.count("?"), shown.count("tanh"), shown.count("mult")) == (3, 1, 1)
    assert not {"cₜ", "cₜ₋₁"} & set(shown)
    assert {"cₜ", "cₜ₋₁"} & set(texts(draw_partial(space, (0,) * 9))) == {"cₜ"}
