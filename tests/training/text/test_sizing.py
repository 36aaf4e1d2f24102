from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.cost import count_parameters
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe
from nas_gym.training.text.sizing import build_language_model, largest_size

RECIPE = LanguageRecipe(epochs=1, batch_size=2, bptt=3, learning_rate=1, layers=2, parameters=5000)


@dataclass(frozen=True)
class Own:
    """A user's space: its networks need no nas_gym class."""

    usual_evaluator = "language-model"

    def build(self, genotype, task):
        parts = [nn.Embedding(task.vocabulary, task.embedding)]
        sizes = [task.embedding] + [task.hidden] * (task.layers - 1)
        parts += [nn.GRU(inputs, task.hidden) for inputs in sizes]
        if not task.tied:
            parts.append(nn.Linear(task.hidden, task.vocabulary, bias=False))
        return nn.ModuleList(parts)


def parameters(hidden, tied, vocabulary=50):
    return vocabulary * hidden * (1 if tied else 2) + 2 * (6 * hidden**2 + 6 * hidden)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("target", [200, 5_000, 123_456])
def test_the_most_units_that_fit(tied, target):
    network = build_language_model(Own(), None, replace(RECIPE, tied=tied, parameters=target), 50)
    hidden = network[1].hidden_size
    assert count_parameters(network) == parameters(hidden, tied) <= target
    assert parameters(hidden + 1, tied) > target
    assert network[0].embedding_dim == hidden


@given(st.integers(1, 5000), st.integers(1, 9), st.integers(0, 9))
def test_the_largest_size_is_exact(target, a, b):
    def count(size):
        return a * size**2 + b * size

    if count(1) > target:
        with pytest.raises(InvalidOption, match="a network of one unit has"):
            largest_size(count, target)
    else:
        slow = max(size for size in range(1, target + 1) if count(size) <= target)
        assert largest_size(count, target) == slow


def test_sizes_that_change_nothing_end():
    assert largest_size(lambda size: 1, 100) >= 64


def test_all_initial_weights_are_in_the_range():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_language_model(Own(), None, replace(RECIPE, initial_range=0.05), 50)
        values = torch.cat([p.detach().flatten() for p in network.parameters()])
    assert float(values.abs().max()) <= 0.05
    assert float(values.std()) == pytest.approx(0.05 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("space", [RNNCell(), ENASRNNCell(), Own()])
@pytest.mark.parametrize("tied", [True, False])
def test_twenty_million_parameters_take_no_memory(space, tied):
    genotype = (
        None if isinstance(space, Own) else architecture_of(space, (0,) * space.max_length).genotype
    )
    recipe = replace(LANGUAGE_RECIPES["zoph2016-ptb"], tied=tied)
    with torch.device("meta"):
        network = build_language_model(space, genotype, recipe, 10_000)
    assert 19_900_000 < count_parameters(network) <= 20_000_000


def test_the_papers_character_model_has_the_papers_size():
    """16.28 million, with the about 50 characters of Penn Treebank (Zoph & Le 2016)."""
    space, recipe = RNNCell(), LANGUAGE_RECIPES["zoph2016-ptb-char"]
    with torch.device("meta"):
        genotype = architecture_of(space, (0,) * space.max_length).genotype
        network = build_language_model(space, genotype, recipe, 50)
    assert count_parameters(network) == pytest.approx(16.28e6, rel=0.005)
