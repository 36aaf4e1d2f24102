"""Keys of NAS-Bench-201's cells, against a slow search for what makes two cells the same."""

from itertools import permutations, product

import numpy as np
import pytest
import torch

from nas_gym.search_spaces.architecture import architecture_of, up_to_isomorphism
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens
from nas_gym.search_spaces.nasbench201.canonical import canonical_key
from nas_gym.search_spaces.nasbench201.genotype import EDGES, OPERATIONS
from nas_gym.search_spaces.nasbench201.network import NASBench201Cell
from nas_gym.search_spaces.nasbench201.space import NASBench201

SIZE = 5  # of the vectors that stand for images
RNG = np.random.default_rng(0)
POOL = RNG.normal(size=(SIZE, SIZE))
IMAGE = RNG.normal(size=SIZE)
WEIGHTS = {
    (kind, label): RNG.normal(size=(SIZE, SIZE))
    for kind, label in product(("nor_conv_1x1", "nor_conv_3x3"), range(6))
}
BIASES = RNG.normal(size=(6, SIZE))  # of the batch norms


def computed(operations: tuple[str, ...], labels: dict[int, int]) -> tuple[float, ...]:
    """What a cell computes if convolution number i has the weights of a label."""
    nodes = [IMAGE]
    for node in (1, 2, 3):
        value = np.zeros(SIZE)
        for edge, ((source, to), name) in enumerate(zip(EDGES, operations, strict=True)):
            if to != node or name == "none":
                continue
            x = nodes[source]
            if name == "skip_connect":
                value = value + x
            elif name == "avg_pool_3x3":
                value = value + POOL @ x
            else:
                label = labels[edge]
                value = value + np.tanh(WEIGHTS[name, label] @ np.maximum(x, 0)) + BIASES[label]
        nodes.append(value)
    return tuple(np.round(nodes[3], 6) + 0.0)


def convolutions(operations: tuple[str, ...]) -> list[int]:
    return [edge for edge, name in enumerate(operations) if name.startswith("nor_conv")]


def all_functions(operations: tuple[str, ...]) -> set[tuple[float, ...]]:
    edges = convolutions(operations)
    return {
        computed(operations, dict(zip(edges, labels, strict=True)))
        for labels in permutations(range(6), len(edges))
    }


def one_function(operations: tuple[str, ...]) -> tuple[float, ...]:
    return computed(operations, {edge: i for i, edge in enumerate(convolutions(operations))})


@pytest.mark.slow
def test_keys_are_equal_exactly_where_some_weights_make_the_same_function() -> None:
    classes: dict[str, list[tuple[str, ...]]] = {}
    for operations in product(OPERATIONS, repeat=6):
        classes.setdefault(canonical_key(operations), []).append(operations)
    rng = np.random.default_rng(3)
    large = [members for members in classes.values() if len(members) > 1]
    chosen = [large[i] for i in rng.choice(len(large), 25, replace=False)]
    cells = [members[int(i)] for members in chosen for i in rng.choice(len(members), 2, False)]
    cells += [tuple(rng.choice(OPERATIONS, 6)) for _ in range(15)]
    functions = {cell: all_functions(cell) for cell in cells}
    for one, other in product(cells, repeat=2):
        same = one_function(one) in functions[other]
        assert same == (canonical_key(one) == canonical_key(other)), (one, other)


def test_how_many_differ() -> None:
    space = NASBench201(isomorphic=True)
    keys = {architecture_of(space, tokens).key for tokens in enumerate_tokens(space)}
    assert len(keys) == 5_267


def test_a_convolution_that_two_edges_use_is_not_two_convolutions() -> None:
    """Strings of the expression, as the paper's, do not tell these apart."""
    one = ("nor_conv_3x3", "none", "skip_connect", "none", "nor_conv_1x1", "nor_conv_1x1")
    two = ("nor_conv_3x3", "nor_conv_3x3", "none", "none", "nor_conv_1x1", "nor_conv_1x1")
    assert canonical_key(one) != canonical_key(two)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (  # the mean of a sum is the sum of the means
            ("nor_conv_3x3", "nor_conv_1x1", "skip_connect", "none", "none", "avg_pool_3x3"),
            ("nor_conv_3x3", "nor_conv_1x1", "none", "none", "avg_pool_3x3", "avg_pool_3x3"),
        ),
        (  # what does not reach the output
            ("nor_conv_3x3", "none", "none", "none", "nor_conv_1x1", "none"),
            ("nor_conv_3x3", "none", "avg_pool_3x3", "none", "nor_conv_1x1", "none"),
        ),
    ],
)
def test_the_networks_of_isomorphic_cells_compute_the_same(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert canonical_key(one) == canonical_key(other)
    torch.manual_seed(0)
    cells = [NASBench201Cell(operations, 3, 3) for operations in (one, other)]
    cells[1].load_state_dict(cells[0].state_dict(), strict=False)
    images = torch.randn(2, 3, 6, 6)
    for cell in cells:
        cell.train()
    torch.testing.assert_close(cells[0](images), cells[1](images))


def test_a_space_has_shared_keys_only_where_it_is_asked_for_them() -> None:
    rng = np.random.default_rng(1)
    plain = NASBench201()
    keyed = up_to_isomorphism(plain)
    assert keyed == NASBench201(isomorphic=True)
    for _ in range(20):
        tokens = random_tokens(plain, rng)
        assert architecture_of(plain, tokens).key == ",".join(map(str, tokens))
        operations = architecture_of(plain, tokens).genotype.operations
        assert architecture_of(keyed, tokens).key == canonical_key(operations)
