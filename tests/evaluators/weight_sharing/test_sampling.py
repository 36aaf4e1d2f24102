"""Which paths are trained: evenly over architectures, strictly fair, or those asked for last."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.errors import InvalidSpace
from nas_gym.evaluators.weight_sharing.sampling import FairPaths, RecentPaths, UniformPaths
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.enas_rnn_cell.supernet import canonical
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasbench201.canonical import canonical_key as function_of
from nas_gym.search_spaces.nasbench201.genotype import NASBench201Genotype
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.canonical import canonical_key
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import LayerChain

SMALL = ENASRNNCell(nodes=4, activations=("tanh", "relu"))


def uniform(seed: int = 0) -> UniformPaths:
    return UniformPaths(SMALL, canonical, SMALL.canonical_key, seed)


def test_every_architecture_of_a_small_space_comes_equally_often() -> None:
    """Architectures, not token lists: of 96 token lists 47 or so differ."""
    paths = uniform()
    all_keys = {SMALL.canonical_key(decode(SMALL, (*t,))) for t in _token_lists()}
    drawn = Counter(SMALL.canonical_key(paths(step)[0]) for step in range(3 * len(all_keys)))
    assert set(drawn) == all_keys
    assert set(drawn.values()) == {3}
    assert len(all_keys) < len(_token_lists())


def _token_lists() -> list[tuple[int, ...]]:
    from nas_gym.search_spaces.moves import enumerate_tokens

    return list(enumerate_tokens(SMALL))


@pytest.mark.slow
@given(st.permutations(range(60)))
@settings(max_examples=5, deadline=None)
def test_the_path_of_a_step_is_the_same_whenever_it_is_asked(order: list[int]) -> None:
    one, other = uniform(7), uniform(7)
    assert {step: one(step) for step in order} == {step: other(step) for step in range(60)}
    assert [uniform(8)(step) for step in range(60)] != [one(step) for step in range(60)]


def test_in_a_large_space_no_architecture_comes_twice() -> None:
    space = NASNetCell(blocks=2)
    paths = UniformPaths(space, lambda genotype: genotype, canonical_key, 0)
    keys = [canonical_key(paths(step)[0]) for step in range(200)]
    assert len(set(keys)) == 200
    again = UniformPaths(space, lambda genotype: genotype, canonical_key, 0)
    assert canonical_key(again(199)[0]) == keys[199]


def test_cells_of_nasbench201_are_drawn_by_their_function() -> None:
    space = NASBench201()
    function = lambda genotype: function_of(genotype.operations)  # noqa: E731
    paths = UniformPaths(space, lambda genotype: genotype, function, 0)
    count = len({function(paths(step)[0]) for step in range(300)})
    assert count == 300


@given(st.integers(0, 2**31), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_fair_paths_have_each_option_equally_often(seed: int, step: int) -> None:
    """Strictly once where a choice has as many options as there are paths."""
    for space in (NASNetCell(blocks=2), NASBench201(), ENASRNNCell(nodes=5)):
        paths = FairPaths(space, seed)
        tokens = paths.tokens(step)
        assert len(tokens) == paths.most == max(paths.counts)
        for position, count in enumerate(paths.counts):
            came = Counter(each[position] for each in tokens)
            assert set(came) == set(range(count))
            assert max(came.values()) - min(came.values()) <= 1
            if count == paths.most:
                assert set(came.values()) == {1}
        assert len(paths(step)) == len(tokens)


def test_every_step_draws_its_own_permutations() -> None:
    """A released baseline drew them once per epoch, so that each step trained the same paths."""
    paths = FairPaths(NASBench201(), 0)
    steps = [tuple(paths.tokens(step)) for step in range(50)]
    assert len(set(steps)) == 50
    assert len({tokens for step in steps for tokens in step}) > 200


def test_choices_that_depend_on_each_other_cannot_be_fair() -> None:
    with pytest.raises(InvalidSpace, match="give sampling 'uniform'"):
        FairPaths(LayerChain(), 0)


def test_recent_paths_are_those_asked_for_last() -> None:
    paths = RecentPaths(uniform(), warm_up=5, most=2, seed=0)
    assert [paths(step) for step in range(5)] == [uniform()(step) for step in range(5)]
    cells = [NASBench201Genotype((name,) * 6) for name in ("none", "skip_connect", "nor_conv_1x1")]
    for number, cell in enumerate(cells):
        paths.recent.append(((number,), cell))
    assert {str(paths(step)[0]) for step in range(5, 60)} == set(map(str, cells[1:]))
