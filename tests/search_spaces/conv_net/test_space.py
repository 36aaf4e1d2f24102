import json
from itertools import islice
from math import log10
from typing import Any

import pytest

from nas_gym.errors import InvalidGenotype, InvalidOption, UnknownName
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.conv_net.published import (
    NAS_V1,
    NAS_V1_CHAIN,
    NAS_V1_DENSE,
    PUBLISHED,
)
from nas_gym.search_spaces.conv_net.space import POOLING, ConvLayer, ConvNet, ConvNetGenotype
from nas_gym.search_spaces.grammar import decode, tokens_of
from nas_gym.search_spaces.moves import enumerate_tokens, space_size
from nas_gym.testing.space_suite import SpaceSuite

SPACE = ConvNet()
MIXED = ConvNet(depth=(2, 5), types=("conv", "pool"), pools=(2,))


class TestDefault(SpaceSuite):
    @pytest.fixture
    def space(self):
        return SPACE


class TestDepthsAndPools(SpaceSuite):
    @pytest.fixture
    def space(self):
        return MIXED


class TestPooling(SpaceSuite):
    @pytest.fixture
    def space(self):
        return POOLING


@pytest.mark.parametrize(("depth", "size"), [(6, 2.25e15), (15, 5.0e58), (20, 2.1e93)])
def test_sizes_are_the_papers(depth: int, size: float) -> None:
    assert log10(space_size(ConvNet(depth=depth, strides=(1,)))) == pytest.approx(
        log10(size), abs=0.01
    )
    assert space_size(ConvNet(depth=depth)) == 9**depth * space_size(
        ConvNet(depth=depth, strides=(1,))
    )


@pytest.mark.parametrize(
    "space",
    [
        ConvNet(depth=3, heights=(1, 3), widths=(1,), strides=(1,), filters=(4, 8)),
        ConvNet((1, 2), (1, 3), (1,), (1, 2), (4, 8), types=("conv", "pool"), pools=(1,)),
    ],
)
def test_a_small_space_has_as_many_as_it_says(space: ConvNet) -> None:
    found = [decode(space, tokens) for tokens in enumerate_tokens(space)]
    assert len(found) == space_size(space)
    assert len(set(found)) == len(found)


def test_the_published_networks_have_tokens() -> None:
    space = ConvNet(depth=15, strides=(1,))
    for genotype in PUBLISHED.values():
        assert decode(space, tokens_of(space, genotype)) == genotype
    assert NAS_V1.layers[9] == ConvLayer(7, 7, 36, (0, 2, 3, 4, 5, 6, 7, 8))
    assert sum(len(layer.inputs) for layer in NAS_V1_DENSE.layers) == 15 * 14 // 2
    assert [layer.inputs for layer in NAS_V1_CHAIN.layers[:3]] == [(), (0,), (1,)]


@pytest.mark.parametrize("space", [SPACE, MIXED, POOLING])
def test_genotypes_come_back_from_json(space: ConvNet) -> None:
    for tokens in islice(enumerate_tokens(space), 40):
        genotype = decode(space, tokens)
        data = json.loads(json.dumps(genotype_to_json(genotype)))
        assert space.genotype_from_json(data) == genotype


def test_json_may_leave_out_what_is_usual() -> None:
    data = {"layers": [{"filter_height": 3, "filter_width": 1, "filters": 8}]}
    assert SPACE.genotype_from_json(data) == ConvNetGenotype((ConvLayer(3, 1, 8),))


LAYER = {"filter_height": 3, "filter_width": 3, "filters": 8}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "a convolutional network is a JSON object with the keys layers"),
        ({"layers": []}, "no layers"),
        ({"layers": "conv"}, "JSON lists"),
        ({"layers": [LAYER], "depth": 1}, "not one with layers, depth"),
        ({"layers": [LAYER], "block_layers": 0}, "block_layers is 0"),
        ({"layers": [LAYER], "pools": [1]}, r"pools is \[1\]: expected .* 1 to 0"),
        ({"layers": [LAYER, LAYER, LAYER], "pools": [2, 1]}, "rising"),
        ({"layers": [3]}, "layer 0 is a JSON object"),
        ({"layers": [{"filters": 8}]}, "layer 0 is a JSON object"),
        ({"layers": [LAYER | {"filters": 0}]}, "filters is 0"),
        ({"layers": [LAYER | {"filter_width": 2.5}]}, "filter_width is 2.5"),
        ({"layers": [LAYER | {"stride_height": True}]}, "stride_height is True"),
        ({"layers": [LAYER | {"type": "pool"}]}, "8 filters: give 0"),
        ({"layers": [LAYER | {"inputs": [0]}]}, r"layer 0: inputs is \[0\]"),
        ({"layers": [LAYER | {"inputs": 0}]}, "inputs is 0"),
        ({"layers": [LAYER, LAYER, LAYER | {"inputs": [1, 1]}]}, "each once"),
        ({"layers": [LAYER, LAYER | {"inputs": ["0"]}]}, "numbers of earlier layers"),
    ],
)
def test_broken_json_is_refused_in_a_sentence(data: object, message: str) -> None:
    with pytest.raises(InvalidGenotype, match=message):
        SPACE.genotype_from_json(data)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'conv'"):
        SPACE.genotype_from_json({"layers": [LAYER | {"type": "cnv"}]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pools": (6,)}, "networks have at most 6 layers"),
        ({"pools": 3}, "pools is 3: give a list, each once, each item a whole number"),
        ({"block_layers": 2.5}, "block_layers is 2.5: give a whole number"),
        ({"block_layers": "a"}, "block_layers is 'a': give a whole number"),
        ({"types": 5}, "types is 5: give a list"),
    ],
)
def test_spaces_whose_networks_cannot_be_built_are_refused(options: Any, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        ConvNet(**options)
    assert ConvNet(pools=(4, 2)).pools == (2, 4)
