import json
from itertools import permutations, product
from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.errors import InvalidGenotype, InvalidOption, NASGymError, UnknownName
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.enas_rnn_cell.genotype import (
    ENASNode,
    ENASRNNCellGenotype,
    canonical_key,
    genotype_from_json,
)
from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import decode_valid, tokens_of
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens, space_size
from nas_gym.testing.space_suite import SpaceSuite


class TestENASRNNCell(SpaceSuite):
    @pytest.fixture
    def space(self) -> ENASRNNCell:
        return ENASRNNCell()


def cell_of(seed: int, space: ENASRNNCell) -> ENASRNNCellGenotype:
    return decode_valid(space, random_tokens(space, np.random.default_rng(seed)))


def test_size() -> None:
    """4^12 * 11!, which the paper calls about 1e15."""
    assert space_size(ENASRNNCell()) == 4**12 * factorial(11)
    assert ENASRNNCell().max_length == 23


def test_json_and_tokens() -> None:
    space = ENASRNNCell()
    cell = cell_of(0, space)
    assert space.genotype_from_json(json.loads(json.dumps(genotype_to_json(cell)))) == cell
    assert decode_valid(space, tokens_of(space, cell)) == cell


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nodes": []}, "0 nodes"),
        ({"nodes": 1}, "'nodes' is a JSON list, not 1"),
        ([], "an ENAS cell is a JSON object with the keys nodes, not"),
        ({"nodes": [{"previous": 0, "activation": "tanh"}]}, "node 0 reads 0: expected -1"),
        ({"nodes": [{"previous": -1, "activation": "tan"}]}, "did you mean 'tanh'"),
        ({"nodes": [{"previous": -1}]}, "node 0 is a JSON object with the keys previous, activat"),
        (
            {"nodes": [{"previous": p, "activation": "tanh"} for p in (-1, True)]},
            "node 1 reads True: expected an earlier node, 0 to 0",
        ),
    ],
)
def test_wrong_json(data: object, message: str) -> None:
    with pytest.raises((InvalidGenotype, UnknownName), match=message):
        genotype_from_json(data)


@given(st.recursive(st.none() | st.integers(), st.lists, max_leaves=6))
@settings(max_examples=30, deadline=None)
def test_any_other_json(data: object) -> None:
    with pytest.raises(NASGymError):
        genotype_from_json({"nodes": data})


def test_wrong_options() -> None:
    with pytest.raises(InvalidOption, match="nodes is 0"):
        ENASRNNCell(nodes=0)


# ---------------------------------------------------------------- canonical keys


def renumbered(
    cell: ENASRNNCellGenotype, order: tuple[int, ...]
) -> ENASRNNCellGenotype | None:  # fmt: skip
    """The cell whose node i was ``order[i]``; None where a node would come before what it reads."""
    nodes = []
    for i, old in enumerate(order):
        previous = cell.nodes[old].previous
        new = order.index(previous) if previous >= 0 else -1
        if new >= i:
            return None
        nodes.append(ENASNode(new, cell.nodes[old].activation))
    return ENASRNNCellGenotype(tuple(nodes))


def test_keys_are_the_classes_of_all_renumberings() -> None:
    """Every cell of five nodes: equal keys exactly where a renumbering leads to the other."""
    space = ENASRNNCell(5, ("tanh", "relu"))
    by_key: dict[str, set[ENASRNNCellGenotype]] = {}
    for tokens in enumerate_tokens(space):
        cell = decode_valid(space, tokens)
        by_key.setdefault(canonical_key(cell), set()).add(cell)
    orders = [(0, *rest) for rest in permutations(range(1, 5))]
    for same in by_key.values():
        one = next(iter(same))
        assert same == {renumbered(one, order) for order in orders} - {None}
    assert sum(map(len, by_key.values())) == space.size


@given(st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_renumbering_keeps_the_key_and_the_function(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    cell = cell_of(seed, ENASRNNCell(count))
    order = [0]
    while len(order) < count:
        ready = [i for i in range(count) if i not in order and cell.nodes[i].previous in order]
        order.append(int(rng.choice(ready)))
    other = renumbered(cell, tuple(order))
    assert other is not None
    assert canonical_key(other) == ENASRNNCell(count).canonical_key(cell)
    ours, theirs = ENASLayer(cell, 2, 3).double(), ENASLayer(other, 2, 3).double()
    with torch.no_grad():
        theirs.input_weights.copy_(ours.input_weights)
        for i, old in enumerate(order):
            theirs.weights_of(i).copy_(ours.weights_of(old))
    x = torch.from_numpy(rng.normal(size=(3, 2, 2)))
    h = (torch.from_numpy(rng.normal(size=(2, 3))),)
    torch.testing.assert_close(ours(x, h), theirs(x, h))


def test_activations_are_in_the_key() -> None:
    keys = {
        canonical_key(ENASRNNCellGenotype((ENASNode(-1, a), ENASNode(0, b))))
        for a, b in product(("tanh", "relu"), repeat=2)
    }
    assert len(keys) == 4
