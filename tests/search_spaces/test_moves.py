from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.errors import InvalidSpace
from nas_gym.search_spaces import moves
from nas_gym.search_spaces.grammar import decode, trace
from nas_gym.search_spaces.moves import (
    crossover,
    enumerate_tokens,
    mutate,
    mutate_each,
    neighbours,
    random_tokens,
    space_size,
)
from nas_gym.search_spaces.nasnet_cell.genotype import AMOEBANET_OPERATIONS
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitString, LayerChain

SPACES = [NASNetCell(), NASNetCell(3, AMOEBANET_OPERATIONS, ("add",)), BitString(9), LayerChain(4)]
spaces = st.sampled_from(SPACES)
seeds = st.integers(0, 2**32 - 1)


def picks(space, tokens):
    return {c.name: c.options[t] for c, t in zip(trace(space, tokens)[1], tokens, strict=True)}


@settings(deadline=None)
@given(spaces, seeds)
def test_a_mutant_is_legal_and_one_choice_differs(space, seed):
    rng = np.random.default_rng(seed)
    parent = random_tokens(space, rng)
    before, after = picks(space, parent), picks(space, mutate(space, parent, rng))
    changed = [name for name in before if name in after and before[name] != after[name]]
    # Choices that the mutation opens anew are further names, not changed ones.
    assert len(changed) == 1


@settings(deadline=None)
@given(seeds)
def test_mutation_keeps_to_its_kinds(seed):
    rng = np.random.default_rng(seed)
    space = NASNetCell()
    parent = random_tokens(space, rng)
    mutant = mutate(space, parent, rng, ("operation_a", "operation_b"))
    (place,) = [i for i, (a, b) in enumerate(zip(parent, mutant, strict=True)) if a != b]
    assert trace(space, parent)[1][place].kind in ("operation_a", "operation_b")


def test_mutation_without_a_second_option_changes_nothing():
    space = NASNetCell(1, ("identity",), ("add",))
    tokens = random_tokens(space, np.random.default_rng(0))
    assert mutate(space, tokens, np.random.default_rng(0), ("operation_a",)) == tokens


def test_mutation_reaches_every_other_option_equally():
    space = LayerChain(1)
    rng = np.random.default_rng(0)
    conv = (0, 0, 2, 0)  # depth 1, a convolution, its third width, the image
    counts = Counter(mutate(space, conv, rng) for _ in range(4000))
    # Two choices have other options (depth and source have one): operation, width.
    assert set(counts) == {(0, 1), (0, 0, 0, 0), (0, 0, 1, 0), (0, 0, 3, 0)}
    assert counts[(0, 1)] == pytest.approx(2000, abs=160)
    assert counts[(0, 0, 0, 0)] == pytest.approx(667, abs=120)


@settings(deadline=None)
@given(spaces, seeds)
def test_a_child_of_two_is_legal_and_takes_from_either(space, seed):
    rng = np.random.default_rng(seed)
    one, other = random_tokens(space, rng), random_tokens(space, rng)
    first, second = picks(space, one), picks(space, other)
    for name, value in picks(space, crossover(space, one, other, rng)).items():
        donors = [parent[name] for parent in (first, second) if name in parent]
        assert not donors or value in donors
    assert crossover(space, one, one, rng) == one


@pytest.mark.parametrize(
    ("space", "size"),
    [(LayerChain(1), 5), (LayerChain(2), 50), (LayerChain(3), 635), (BitString(6), 64)],
    ids=repr,
)
def test_enumeration_yields_each_architecture_once(space, size):
    everything = list(enumerate_tokens(space))
    assert everything == sorted(set(everything))
    assert len(everything) == size == space_size(space)
    assert len({decode(space, tokens) for tokens in everything}) == size
    rng = np.random.default_rng(0)
    assert {random_tokens(space, rng) for _ in range(100)} <= set(everything)


def test_size_of_nasnet_is_the_papers():
    assert space_size(NASNetCell()) == pytest.approx(5.23e36, rel=0.001)
    # Real et al.'s space: papers count 5.57e14 a cell.
    per_cell = space_size(NASNetCell(5, AMOEBANET_OPERATIONS, ("add",))) ** 0.5
    assert per_cell == pytest.approx(5.57e14, rel=0.001)


def test_size_of_a_large_conditional_space_is_declared_or_refused(monkeypatch):
    monkeypatch.setattr(moves, "COUNTED_AT_MOST", 600)
    with pytest.raises(InvalidSpace, match="property size"):
        space_size(LayerChain(3))

    @dataclass(frozen=True)
    class Sized(LayerChain):
        size: int = 10**20

    assert space_size(Sized()) == 10**20


def test_random_tokens_are_uniform_over_the_options_of_each_choice():
    space = LayerChain(2)
    rng = np.random.default_rng(0)
    drawn = [random_tokens(space, rng) for _ in range(4000)]
    assert np.mean([t[0] for t in drawn]) == pytest.approx(0.5, abs=0.03)  # not 45 of 50
    first = [t for t in drawn if t[:2] == (0, 0)]
    counts = np.bincount([t[2] for t in first], minlength=4) / len(first)
    assert counts == pytest.approx(np.full(4, 0.25), abs=0.06)


@settings(deadline=None, max_examples=30)
@given(spaces, seeds)
def test_neighbours_are_all_that_differ_by_one_choice(space, seed):
    rng = np.random.default_rng(seed)
    parent = random_tokens(space, rng)
    before = picks(space, parent)
    found = list(neighbours(space, parent, rng))
    changes = []
    for tokens in found:
        after = picks(space, tokens)
        # Of what changes first, later choices that it opens anew are the consequence.
        first = next(i for i, (a, b) in enumerate(zip(parent, tokens, strict=False)) if a != b)
        changes.append((first, tokens[first]))
        assert sum(before[name] != after[name] for name in before if name in after) == 1
    choices = trace(space, parent)[1]
    every = {(i, t) for i, c in enumerate(choices) for t in range(len(c.options))}
    assert set(changes) == every - set(enumerate(parent))
    assert len(changes) == len(set(changes)) == len(set(found))


def test_neighbours_come_in_random_order():
    space = BitString(8)
    rng = np.random.default_rng(0)
    orders = [tuple(neighbours(space, (0,) * 8, rng)) for _ in range(20)]
    assert len(set(orders)) == 20
    assert len({order[0] for order in orders}) > 4


@settings(deadline=None)
@given(spaces, seeds)
def test_mutating_each_choice_with_rate_0_or_1(space, seed):
    rng = np.random.default_rng(seed)
    parent = random_tokens(space, rng)
    assert mutate_each(space, parent, rng, 0.0) == parent
    before, after = picks(space, parent), picks(space, mutate_each(space, parent, rng, 1.0))
    counts = {c.name: len(c.options) for c in trace(space, parent)[1]}
    assert all(before[name] != after[name] for name in before if name in after and counts[name] > 1)


def test_mutation_of_each_choice_keeps_its_rate():
    space = BitString(50)
    rng = np.random.default_rng(0)
    flipped = [sum(mutate_each(space, (0,) * 50, rng, 0.1)) for _ in range(400)]
    assert np.mean(flipped) == pytest.approx(5, abs=0.4)
    assert np.var(flipped) == pytest.approx(4.5, abs=1.2)
