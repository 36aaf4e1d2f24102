"""Convolutional networks as pictures and words."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nas_gym.search_spaces.conv_net.drawing import draw_network, network_as_text
from nas_gym.search_spaces.conv_net.genotype import ConvLayer, ConvNetGenotype
from nas_gym.search_spaces.conv_net.layout import lanes_of, padded_inputs
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.search_spaces.rendering import genotype_as_text

Look = Callable[..., Any]  # a helper of tests/search_spaces/conftest.py

DENSE = ConvNetGenotype(
    tuple(ConvLayer(7, 7, 64, tuple(range(i)), 3, 3) for i in range(20)), 3, (7, 13)
)

seeds = st.integers(0, 2**32 - 1)


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
    return decode(space, random_tokens(space, np.random.default_rng(draw(seeds))))


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
def test_a_network_is_drawn_with_all_its_edges(
    texts: Look, arrows: Look, dots: Look, check_boxes: Look, genotype: ConvNetGenotype
) -> None:
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


def test_labels_of_the_largest_network_fit(texts: Look, check_labels: Look) -> None:
    figure = draw_network(DENSE)
    assert sum("3 dense x conv 7x7, 64 filters, stride 3x3" in text for text in texts(figure)) == 20
    check_labels(figure)


def test_nas_v1_has_its_skips(dots: Look) -> None:
    genotype, space = PUBLISHED["nas-v1"]
    figure = draw_network(genotype)
    assert len(dots(figure)) == sum(len(layer.inputs) for layer in genotype.layers) - 14
    assert genotype_as_text(space, (0,) * space.max_length).endswith("classifier <- " + ", ".join(
        map(str, range(15))
    ))  # fmt: skip
