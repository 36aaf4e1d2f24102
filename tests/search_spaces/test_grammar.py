import re
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.envs.episode import Episode
from nas_gym.errors import InvalidGenotype, InvalidSpace, InvalidTokens
from nas_gym.networks.task import Task
from nas_gym.search_spaces import choice_table
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.conv_net.space import NO_STRIDE, ConvNet
from nas_gym.search_spaces.grammar import Choice, decode, next_choice, tokens_of, trace
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.genotype import ENAS_OPERATIONS
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitString, LayerChain
from nas_gym.testing.spaces import Layer

SPACES = [
    NASNetCell(),
    NASNetCell(2, ENAS_OPERATIONS, ("add",), "all"),
    BitString(9),
    LayerChain(1),
    LayerChain(5),
    ConvNet(depth=(1, 3, 5), types=("conv", "pool")),  # with tables for its branches
]
spaces = st.sampled_from(SPACES)
seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(spaces, st.data())
def test_masked_rollouts_are_valid(space, data):
    episode = Episode(ChoiceTable(space))
    while episode.open is not None:
        mask = episode.mask()
        assert mask.sum() == len(episode.open.options) >= 1
        episode.take(data.draw(st.sampled_from(np.flatnonzero(mask).tolist())))
    choices = trace(space, episode.tokens)[1]
    assert len(choices) == len(episode.tokens) <= space.max_length
    assert (episode.observation[: len(choices)] == np.array(episode.tokens) + 1).all()


@settings(deadline=None)
@given(spaces, seeds)
def test_tokens_and_genotypes_round_trip(space, seed):
    tokens = random_tokens(space, np.random.default_rng(seed))
    genotype = decode(space, tokens)
    assert tokens_of(space, genotype) == tokens
    assert decode(space, tokens_of(space, genotype)) == genotype


@settings(deadline=None)
@given(spaces, seeds)
def test_next_choice_trace_and_table_agree(space, seed):
    tokens = random_tokens(space, np.random.default_rng(seed))
    table = ChoiceTable(space)
    for _ in range(2):  # a conditional table answers from its cache the second time
        for position, choice in enumerate(trace(space, tokens)[1]):
            assert next_choice(space, tokens[:position]) == choice
            assert table.after(tokens[:position]) == choice
        assert next_choice(space, tokens) is table.after(tokens) is None


@settings(deadline=None)
@given(spaces, seeds)
def test_broken_token_lists_are_refused(space, seed):
    tokens = random_tokens(space, np.random.default_rng(seed))
    with pytest.raises(InvalidTokens, match="not complete"):
        trace(space, tokens[:-1])
    with pytest.raises(InvalidTokens, match="complete after"):
        trace(space, (*tokens, 0))
    with pytest.raises(InvalidTokens, match="give a number from 0"):
        trace(space, (space.max_options, *tokens[1:]))


@pytest.mark.parametrize("tokens", ["0101", 3, [0, True], [0, 1.0], [0, None], [-1, 0], b"01"])
def test_tokens_of_the_wrong_type_are_refused(tokens):
    with pytest.raises(InvalidTokens, match="token"):
        trace(BitString(2), tokens)


def test_numpy_tokens_are_tokens():
    assert decode(BitString(2), np.array([1, 0])) == (1, 0)


def test_a_space_that_tells_its_branches_is_run_once_for_each(monkeypatch):
    """And not once a token, of which there are 251."""
    runs = []
    choose = ConvNet.choose
    monkeypatch.setattr(ConvNet, "choose", lambda *given: runs.append(1) or choose(*given))
    table, rng = ChoiceTable(NO_STRIDE), np.random.default_rng(0)
    for _ in range(3):
        tokens = (7, *rng.integers(2, size=250).tolist())  # the deepest
        assert table.after(tokens) is None
        assert all(table.after(tokens[:position]) for position in range(251))
    assert len(runs) == 2


def test_tables_of_branches_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(choice_table, "CACHED_PREFIXES", 40)
    space = ConvNet(depth=(2, 4), types=("conv", "pool"))
    table, rng = ChoiceTable(space), np.random.default_rng(0)
    for _ in range(20):
        tokens = random_tokens(space, rng)
        found = [table.after(tokens[:position]) for position in range(len(tokens) + 1)]
        assert found == [*trace(space, tokens)[1], None]
        assert table._kept < 40 + space.max_length


def test_the_static_table_is_the_whole_path():
    table = ChoiceTable(NASNetCell())
    assert table.static is not None
    assert len(table.static) == 50
    assert table.static[0] == Choice("normal.block0.input_a", (0, 1))
    assert ChoiceTable(LayerChain()).static is None


def test_the_cache_of_prefixes_is_bounded(monkeypatch):
    monkeypatch.setattr(choice_table, "CACHED_PREFIXES", 10)
    table = ChoiceTable(LayerChain(3))
    rng = np.random.default_rng(0)
    for _ in range(50):
        tokens = random_tokens(table.space, rng)
        for position in range(len(tokens)):
            assert table.after(tokens[:position]) == next_choice(table.space, tokens[:position])
            assert len(table._cache) <= 10


@pytest.mark.parametrize(
    ("name", "kind"),
    [("layer3.skip1", "skip"), ("depth", "depth"), ("normal.block0.input_a", "input_a")],
)
def test_kind_is_the_last_part_without_its_number(name, kind):
    assert Choice(name, (0,)).kind == kind


# ---------------------------------------------------------------- users' mistakes


@dataclass(frozen=True)
class Broken:
    """Offers ``offered`` options ``picks`` times, whatever it declares."""

    offered: int = 2
    picks: int = 2
    max_length: int = 2
    max_options: int = 2
    static: bool = False

    def choose(self, pick):
        try:
            return tuple(pick(f"pick{i}", range(self.offered)) for i in range(self.picks))
        except Exception:  # a space may guard itself: it must not swallow the open choice
            return ()


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"offered": 0}, "pick0 offers no options"),
        ({"offered": 3}, "max_options = 2: raise it"),
        ({"picks": 3}, "max_length = 2: raise it"),
    ],
)
def test_a_space_that_breaks_its_contract_is_named(mistake, message, static):
    @dataclass(frozen=True)
    class Mistaken(Broken):
        def choose(self, pick):
            return tuple(pick(f"pick{i}", range(self.offered)) for i in range(self.picks))

    space = Mistaken(**mistake, static=static)
    with pytest.raises(InvalidSpace, match=message):
        random_tokens(space, np.random.default_rng(0))
    with pytest.raises(InvalidSpace, match=message):
        trace(space, [0, 0, 0])
    with pytest.raises(InvalidSpace, match=message):
        roll_out(space)


def roll_out(space):
    episode = Episode(ChoiceTable(space))
    while episode.open is not None:
        episode.take(0)


def test_except_exception_does_not_swallow_the_open_choice():
    choice = next_choice(Broken(), (1,))
    assert choice is not None
    assert choice.name == "pick1"


def test_genotypes_that_the_space_does_not_offer_are_refused():
    space = LayerChain(2, widths=(8, 16))
    with pytest.raises(InvalidGenotype, match=r"layer0.width is 9: expected one of 8, 16"):
        tokens_of(space, (Layer("conv", 9, -1),))
    with pytest.raises(InvalidGenotype, match="depth is 3"):
        tokens_of(space, (Layer("pool"),) * 3)
    with pytest.raises(InvalidGenotype, match="cannot express"):
        tokens_of(space, (Layer("pool", width=8),))
    with pytest.raises(InvalidGenotype, match="no answer to bit2"):
        tokens_of(BitString(3), (0, 1))
    with pytest.raises(InvalidSpace, match="answers"):
        tokens_of(Broken(), (0, 1))


# ---------------------------------------------------------------- the page is true


def test_the_page_of_own_spaces_runs(capsys, tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)  # it saves a drawing
    page = (Path(__file__).parents[2] / "docs" / "guide" / "own_space.md").read_text()
    module = types.ModuleType("readme")
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, module.__dict__)
    assert capsys.readouterr().out.count("ConvLayer(") == 8
    space = module.TrainableConvChain()
    tokens = random_tokens(space, np.random.default_rng(0))
    task = Task(channels=3, height=6, width=6, classes=10)
    network = space.build(decode(space, tokens), task)
    assert network(torch.zeros(2, 3, 6, 6)).shape == (2, 10)
    suite, samples = module.TestConvChain(), [tokens]
    suite.test_it_declares_its_limits(space, samples)
    suite.test_names_are_unique_on_a_path(space, samples)
