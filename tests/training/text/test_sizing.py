from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.cost import count_parameters
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.rnn_cell.published import NAS_CELL
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.training.text.dataset import text_from_strings
from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe
from nas_gym.training.text.sizing import build_language_model, language_task_of, largest_size
from nas_gym.training.text.train import train_language_model

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


# ---------------------------------------------------------------- initial weights by width

PTB = LANGUAGE_RECIPES["zoph2016-ptb"]


def network_of(hidden, seed=0, **changes):
    recipe = replace(PTB, hidden=hidden, parameters=None, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_language_model(RNNCell(8), NAS_CELL, recipe, 50)


def signal(network):
    """The deviation of logits over inputs: what they say of the words that were read."""
    tokens = torch.randint(50, (20, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, _ = network.eval()(tokens)
    return float((logits - logits.mean((0, 1))).std())


def test_the_published_size_has_the_published_range():
    assert language_task_of(RNNCell(8), NAS_CELL, PTB, 10_000).hidden == PTB.initial_width == 537
    for hidden in (537, 538, 4_000):
        assert PTB.range_for(hidden) == 0.05
    wide, as_ever = network_of(537), network_of(537, initial_width=None)
    for one, other in zip(wide.parameters(), as_ever.parameters(), strict=True):
        assert torch.equal(one, other)
    assert float(wide.decoder.weight.detach().abs().max()) <= 0.05


def test_the_range_follows_the_width():
    """Near those of Zaremba et al. 2014: 0.1 for 200 units."""
    assert PTB.range_for(200) == pytest.approx(0.082, abs=0.001)
    for hidden in (1, 64, 200, 536):
        assert PTB.range_for(hidden) * hidden**0.5 == pytest.approx(0.05 * 537**0.5)
    assert replace(PTB, initial_width=None).range_for(64) == 0.05
    assert replace(PTB, initial_range=0.0).range_for(64) == 0.0
    assert float(network_of(64).embedding.weight.detach().abs().max()) > 0.14
    named = LanguageRecipe(**replace(PTB, initial_width=None).to_json())
    assert named.initial_width is None
    assert "initial_width" not in LANGUAGE_RECIPES["quick-text"].to_json()


def test_narrow_networks_hand_on_what_the_published_one_does():
    published = signal(network_of(537))
    assert signal(network_of(64)) > published
    assert signal(network_of(64, initial_width=None)) < published / 10


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "learns"), [({}, True), ({"initial_width": None}, False)])
def test_a_network_of_reduced_size_learns(changes, learns):
    """Which of 20 words comes next is known nine times of ten; 64 units, two layers."""
    random = np.random.default_rng(0)
    follows, words = random.permutation(20), [0]
    for _ in range(12_000):
        words.append(int(follows[words[-1]] if random.random() < 0.9 else random.integers(20)))
    line = " ".join(f"w{word}" for word in words)
    part = " ".join(f"w{word}" for word in words[:1000])
    text = text_from_strings("order", line, part, part)
    none = dict.fromkeys(("embedding", "input", "hidden", "output"), 0.0)
    recipe = replace(
        PTB, hidden=64, parameters=None, bptt=12, epochs=5,
        **{f"dropout_{place}": rate for place, rate in none.items()}, **changes,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = build_language_model(RNNCell(8), NAS_CELL, recipe, len(text.vocabulary))
    result = train_language_model(network, text, recipe, seed=0, device="cpu")
    assert result.final is not None
    guess = text.unigram_perplexity()
    if learns:
        assert result.final.perplexity < guess / 4
    else:
        assert result.final.perplexity > 0.98 * guess
