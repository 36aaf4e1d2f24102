import pickle

import numpy as np
import pytest

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitCount, BitString, Landscape, LayerChain


@pytest.mark.parametrize("space", [BitString(8), LayerChain(3)], ids=repr)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_better_than_the_reference(space, seed):
    landscape = Landscape(space, seed)
    accuracies = [landscape.accuracy(tokens) for tokens in enumerate_tokens(space)]
    assert landscape.accuracy(landscape.reference) == max(accuracies) == 0.98
    assert min(accuracies) >= 0
    assert len(set(accuracies)) > len(accuracies) / 2  # it has structure


def test_random_cells_lie_around_the_middle_with_a_tail_of_bad_ones():
    landscape = Landscape(NASNetCell())
    rng = np.random.default_rng(0)
    space = landscape.space
    accuracies = np.array([landscape.accuracy(random_tokens(space, rng)) for _ in range(500)])
    assert np.median(accuracies) == pytest.approx(0.88, abs=0.01)
    assert 0.01 < accuracies.std() < 0.05
    assert np.median(accuracies) - accuracies.min() > accuracies.max() - np.median(accuracies)
    assert accuracies.max() < 0.96  # room above random search


def test_without_interactions_every_choice_counts_alone():
    space = BitString(6)
    landscape = Landscape(space, seed=3, interactions=0.0)
    penalty = {t: (0.98 - landscape.accuracy(t)) ** (1 / 3) for t in enumerate_tokens(space)}
    zero = landscape.reference
    flips = [tuple(b ^ (i == j) for j, b in enumerate(zero)) for i in range(6)]
    both = tuple(1 - b if i < 2 else b for i, b in enumerate(zero))
    assert penalty[both] == pytest.approx(penalty[flips[0]] + penalty[flips[1]], abs=1e-9)


def test_a_landscape_is_its_seed():
    space = LayerChain(4)
    tokens = random_tokens(space, np.random.default_rng(1))
    one = Landscape(space, seed=1)
    copy = pickle.loads(pickle.dumps(one))
    assert copy == one
    assert copy.accuracy(tokens) == one.accuracy(tokens)
    assert Landscape(space, seed=2).accuracy(tokens) != one.accuracy(tokens)


def test_noise_follows_the_child_seed():
    space = BitString(20)
    landscape = Landscape(space, noise=0.01)
    architecture = architecture_of(space, [0] * 20)
    noisy = [e.accuracy for e in landscape.evaluate([architecture] * 400, range(400))]
    assert np.std(noisy) == pytest.approx(0.01, rel=0.15)
    assert np.mean(noisy) == pytest.approx(landscape.accuracy([0] * 20), abs=0.002)
    (again,) = landscape.evaluate([architecture], [7])
    assert again.accuracy == noisy[7]


def test_options_are_checked():
    with pytest.raises(InvalidOption, match=r"noise is -1\.0: give a finite number of 0 or more"):
        Landscape(BitString(2), noise=-1.0)
    with pytest.raises(InvalidOption, match=r"middling is 0\.9: give less than best, 0\.5"):
        Landscape(BitString(2), best=0.5, middling=0.9)


def test_bit_count_is_the_fraction_of_ones():
    space = BitString(10)
    architecture = architecture_of(space, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    (exact,) = BitCount(noise=0).evaluate([architecture], [0])
    assert exact.accuracy == pytest.approx(0.3)
