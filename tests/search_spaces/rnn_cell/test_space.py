import json
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.errors import InvalidGenotype, InvalidOption, NASGymError, UnknownName
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.grammar import decode, decode_valid, tokens_of
from nas_gym.search_spaces.moves import random_tokens, space_size
from nas_gym.search_spaces.rnn_cell.genotype import (
    Node,
    RNNCellGenotype,
    canonical_key,
    genotype_from_json,
)
from nas_gym.search_spaces.rnn_cell.network import TreeLayer
from nas_gym.search_spaces.rnn_cell.published import LSTM_LIKE, NAS_CELL, PUBLISHED
from nas_gym.search_spaces.rnn_cell.space import CONTROL, RNNCell
from nas_gym.testing.space_suite import SpaceSuite


class TestRNNCell(SpaceSuite):
    @pytest.fixture
    def space(self) -> RNNCell:
        return RNNCell()


class TestBase3(SpaceSuite):
    @pytest.fixture
    def space(self) -> RNNCell:
        return RNNCell(base=3)


class TestControl(SpaceSuite):
    @pytest.fixture
    def space(self) -> RNNCell:
        return CONTROL


def test_size() -> None:
    """The paper says about 6e16: both indices range over all nodes."""
    assert space_size(RNNCell()) == 8**16 * 15**2
    assert RNNCell().max_length == 34
    assert space_size(CONTROL) == 15**16 * 15**2


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_cells_survive_tokens_and_json(name: str) -> None:
    cell = PUBLISHED[name]
    assert decode(RNNCell(), tokens_of(RNNCell(), cell)) == cell
    assert genotype_from_json(json.loads(json.dumps(genotype_to_json(cell)))) == cell


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": asdict(NAS_CELL)["nodes"][1:]}, "14 nodes: give 2 B - 1"),
        ({"nodes": 3}, "'nodes' is a JSON list, not 3"),
        ({"nodes": [{"combination": "add"}] * 3}, "node 0 is a JSON object with the keys"),
        ({"cell_output": 15}, "cell_output is 15: give a node, 0 to 14"),
        ({"cell_input": True}, "cell_input is True"),
        ({"cell_input": "1"}, "cell_input is '1'"),
        ({"inject": {"combination": "add", "activation": "tan"}}, "did you mean 'tanh'"),
        ({"inject": {"combination": [], "activation": "tanh"}}, "unknown combination in inject"),
        ({"more": 1}, "a recurrent cell is a JSON object with the keys nodes, inject"),
    ],
)
def test_wrong_json(change: dict[str, object], message: str) -> None:
    with pytest.raises((InvalidGenotype, UnknownName), match=message):
        genotype_from_json({**genotype_to_json(NAS_CELL), **change})


KEYS = ["nodes", "inject", "cell_output", "cell_input"]


@given(
    st.recursive(
        st.none() | st.integers(),
        lambda x: st.lists(x, max_size=3) | st.fixed_dictionaries(dict.fromkeys(KEYS, x)),
        max_leaves=6,
    )
)
@settings(max_examples=30, deadline=None)
def test_any_other_json(data: object) -> None:
    with pytest.raises(NASGymError):
        genotype_from_json(data)


def test_wrong_options() -> None:
    for base in (1, True, 2.0):
        with pytest.raises(InvalidOption, match="base is"):
            RNNCell(base=base)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="did you mean 'tanh'"):
        RNNCell(activations=("tan",))


# ---------------------------------------------------------------- canonical keys


def below(cell: RNNCellGenotype, node: int) -> list[int]:
    """The node and all below it, from left to right."""
    if node < cell.base:
        return [node]
    left, right = cell.children(node)
    return [node, *below(cell, left), *below(cell, right)]


def shape(cell: RNNCellGenotype, node: int) -> tuple[object, ...]:
    return tuple(shape(cell, child) for child in cell.children(node)) if node >= cell.base else ()


def swaps(cell: RNNCellGenotype) -> list[int]:
    """Inner nodes whose children may change places: what is below both has one shape."""
    inner = range(cell.base, len(cell.nodes))
    return [n for n in inner if len({shape(cell, child) for child in cell.children(n)}) == 1]


def swapped(cell: RNNCellGenotype, node: int) -> tuple[RNNCellGenotype, list[int]]:
    """The cell with the children of ``node`` exchanged, and where each node of it was before."""
    left, right = (below(cell, child) for child in cell.children(node))
    before = list(range(len(cell.nodes)))
    for a, b in zip(left, right, strict=True):
        before[a], before[b] = b, a
    nodes = tuple(cell.nodes[i] for i in before)
    output, into = before.index(cell.cell_output), before.index(cell.cell_input)
    return RNNCellGenotype(nodes, cell.inject, output, into), before


def orbit(cell: RNNCellGenotype) -> frozenset[RNNCellGenotype]:
    """All cells that swaps make of one: the definition, slowly."""
    found, waiting = {cell}, [cell]
    while waiting:
        one = waiting.pop()
        new = {swapped(one, node)[0] for node in swaps(one)} - found
        found |= new
        waiting += new
    return frozenset(found)


@pytest.mark.few(2)
@pytest.mark.parametrize("base", [2, 3, 4])
def test_keys_are_the_classes_of_all_swaps(base: int) -> None:
    """Every cell of a small space: equal keys exactly where swaps lead from one to the other."""
    count = 2 * base - 1
    plain, other = Node("add", "tanh"), Node("elem_mult", "tanh")
    indices = product(range(count), repeat=2) if base < 4 else [(0, 3), (3, 0), (1, 1), (4, 2)]
    cells = [
        RNNCellGenotype(tuple(other if bit else plain for bit in bits), plain, *pair)
        for pair in indices
        for bits in product((0, 1), repeat=count)
    ]
    by_key: dict[str, set[RNNCellGenotype]] = {}
    for cell in cells:
        by_key.setdefault(canonical_key(cell), set()).add(cell)
    for same in by_key.values():
        reached = orbit(next(iter(same)))
        assert same == reached & set(cells)


@given(st.integers(2, 9), st.integers(0, 2**32), st.lists(st.integers(0, 100), max_size=6))
@settings(max_examples=60, deadline=None)
def test_swaps_keep_the_key(base: int, seed: int, choices: list[int]) -> None:
    space = RNNCell(base, CONTROL.combinations, CONTROL.activations)
    first = cell = decode_valid(space, random_tokens(space, np.random.default_rng(seed)))
    for choice in choices:
        places = swaps(cell)
        cell, _ = swapped(cell, places[choice % len(places)])
    assert space.canonical_key(cell) == canonical_key(first)


def test_cells_of_one_key_compute_the_same() -> None:
    rng = np.random.default_rng(0)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    for _ in range(10):
        cell = decode_valid(CONTROL, random_tokens(CONTROL, rng))
        one = TreeLayer(cell, 3, 5).double()
        same, before = swapped(cell, swaps(cell)[rng.integers(len(swaps(cell)))])
        other = TreeLayer(same, 3, 5).double()
        with torch.no_grad():
            for leaf in range(cell.base):
                for to, of in zip(
                    other.weights_of(leaf), one.weights_of(before[leaf]), strict=True
                ):
                    to.copy_(of)
        state = (torch.randn(2, 5).double(), torch.randn(2, 5).double())
        torch.testing.assert_close(one(x, state), other(x, state))


def test_every_part_is_in_the_key() -> None:
    others = {
        canonical_key(replace(NAS_CELL, inject=Node("add", "relu"))),
        canonical_key(replace(NAS_CELL, cell_input=12)),
        canonical_key(replace(NAS_CELL, cell_output=8)),
        canonical_key(replace(NAS_CELL, nodes=(Node("add", "tanh"), *NAS_CELL.nodes[1:]))),
        canonical_key(LSTM_LIKE),
        canonical_key(NAS_CELL),
    }
    assert len(others) == 6
