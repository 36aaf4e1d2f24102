"""ENAS's recurrent cells as pictures and words."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
from nas_gym.search_spaces.rendering import draw_partial
from nas_gym.search_spaces.rnn_cell.genotype import (
    ALL_ACTIVATIONS,
)

Look = Callable[..., Any]  # a helper of tests/search_spaces/conftest.py

STAR = tuple(ENASNode(min(i, 1) - 1, "identity") for i in range(12))

CHAIN = tuple(ENASNode(i - 1, "sigmoid") for i in range(12))

seeds = st.integers(0, 2**32 - 1)


@st.composite
def chains(draw: st.DrawFn) -> ENASRNNCellGenotype:
    """Of 1 to 14 nodes."""
    space = ENASRNNCell(draw(st.integers(1, 14)), ALL_ACTIVATIONS)
    return decode(space, random_tokens(space, np.random.default_rng(draw(seeds))))


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
def test_an_enas_cell_is_drawn_with_all_its_edges(
    texts: Look, arrows: Look, check_boxes: Look, genotype: ENASRNNCellGenotype
) -> None:
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


def test_labels_of_enas_cells_fit(check_labels: Look) -> None:
    check_labels(draw_chain(STAR))
    check_labels(draw_chain(CHAIN))


def test_an_unfinished_enas_cell_has_no_mean(texts: Look) -> None:
    space = ENASRNNCell(nodes=3)
    shown = texts(draw_partial(space, (0, 0, 1, 0)))
    assert "choice 5, now open: node2.activation" in shown
    assert {"0  tanh", "1  relu"} <= set(shown)
    assert "mean" not in shown
    assert "mean" in texts(draw_partial(space, (0, 0, 1, 0, 1)))
