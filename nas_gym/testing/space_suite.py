"""Conformance tests for a search space: subclass ``SpaceSuite`` and override ``space``."""

import json
import pickle
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest

from nas_gym.envs.episode import Episode
from nas_gym.search_spaces.architecture import architecture_of, genotype_to_json
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import (
    SearchSpace,
    Tokens,
    decode,
    next_choice,
    tokens_of,
    trace,
)
from nas_gym.search_spaces.graph import graph_of
from nas_gym.search_spaces.moves import (
    crossover,
    mutate,
    mutate_each,
    neighbours,
    random_tokens,
)

SAMPLES = 30  # random architectures per test


class SpaceSuite:
    """The tests that every search space must pass."""

    @pytest.fixture
    def space(self) -> SearchSpace[Any]:
        """Return the space under test: override this."""
        raise NotImplementedError("override the fixture `space` to return your search space")

    @pytest.fixture
    def rng(self) -> np.random.Generator:
        """Return a generator with a fixed seed."""
        return np.random.default_rng(0)

    @pytest.fixture
    def samples(self, space: SearchSpace[Any], rng: np.random.Generator) -> list[Tokens]:
        """Draw random architectures of the space."""
        return [random_tokens(space, rng) for _ in range(SAMPLES)]

    def test_it_declares_its_limits(self, space: SearchSpace[Any], samples: list[Tokens]) -> None:
        """Check that no path is longer, and no choice wider, than declared."""
        for tokens in samples:
            choices = trace(space, tokens)[1]
            assert 1 <= len(tokens) <= space.max_length
            assert all(1 <= len(choice.options) <= space.max_options for choice in choices)

    def test_names_are_unique_on_a_path(
        self, space: SearchSpace[Any], samples: list[Tokens]
    ) -> None:
        """Check names: mutation and crossover carry choices over by them."""
        for tokens in samples:
            names = [choice.name for choice in trace(space, tokens)[1]]
            assert len(set(names)) == len(names)

    def test_choose_depends_on_picks_alone(
        self, space: SearchSpace[Any], samples: list[Tokens]
    ) -> None:
        """Check that the same tokens give an equal genotype and the same choices, at any time."""
        first = [trace(space, tokens) for tokens in samples]
        again = [trace(space, tokens) for tokens in reversed(samples)]
        assert first == again[::-1]

    def test_static_is_true_where_declared(
        self, space: SearchSpace[Any], samples: list[Tokens]
    ) -> None:
        """Check that a static space offers the same choices whatever was picked before."""
        if getattr(space, "static", False):
            assert len({trace(space, tokens)[1] for tokens in samples}) == 1

    def test_tables_of_choices_are_right(
        self, space: SearchSpace[Any], samples: list[Tokens]
    ) -> None:
        """Check also what ``branching`` says: which picks later choices depend on."""
        table = ChoiceTable(space)
        for tokens in samples:
            found = [table.after(tokens[:count]) for count in range(len(tokens) + 1)]
            assert found == [*trace(space, tokens)[1], None]

    def test_set_selection_bits_follow_their_part(
        self, space: SearchSpace[Any], samples: list[Tokens]
    ) -> None:
        """Check what attention between parts needs: part by part, the bits of each at its end."""
        kind = getattr(space, "set_selection", None)
        for tokens in samples if kind else []:
            complete: list[str] = []  # parts, in order; the last still has other choices or bits
            ended = False
            for choice in trace(space, tokens)[1]:
                part, _, field = choice.name.rpartition(".")
                if part not in complete:
                    complete.append(part)
                    ended = False
                assert part == complete[-1]
                if choice.kind == kind:
                    earlier = part.rstrip("0123456789") + field.removeprefix(kind)
                    assert choice.options == (False, True)
                    assert earlier in complete[:-1]
                    ended = True
                else:
                    assert not ended

    def test_masked_rollouts_are_valid(
        self, space: SearchSpace[Any], rng: np.random.Generator
    ) -> None:
        """Step through open options only: that ends with a complete architecture."""
        episode = Episode(ChoiceTable(space))
        for _ in range(SAMPLES):
            episode.restart()
            while episode.open is not None:
                episode.take(int(rng.choice(np.flatnonzero(episode.mask()))))
            assert next_choice(space, episode.tokens) is None
            assert len(trace(space, episode.tokens)[1]) == len(episode.tokens)

    def test_mutants_are_legal_and_differ(
        self, space: SearchSpace[Any], samples: list[Tokens], rng: np.random.Generator
    ) -> None:
        """Allow a mutant equal to its parent only if no choice has a second option."""
        for tokens in samples:
            mutant = mutate(space, tokens, rng)
            choices = trace(space, mutant)[1]
            assert mutant != tokens or all(len(choice.options) == 1 for choice in choices)

    def test_neighbours_are_legal_and_differ(
        self, space: SearchSpace[Any], samples: list[Tokens], rng: np.random.Generator
    ) -> None:
        """Change one choice at a time, or each of them with some probability."""
        for tokens in samples:
            for neighbour in islice(neighbours(space, tokens, rng), 3):
                trace(space, neighbour)
                assert neighbour != tokens
            trace(space, mutate_each(space, tokens, rng, 0.5))

    def test_mutation_groups_name_kinds(
        self, space: SearchSpace[Any], samples: list[Tokens]
    ) -> None:
        """Check that the kinds in ``mutation_groups`` are some that the space may offer."""
        kinds = {choice.kind for tokens in samples for choice in trace(space, tokens)[1]}
        groups = getattr(space, "mutation_groups", ())
        assert not groups or any(kinds.intersection(group) for group in groups)

    def test_crossover_is_legal(
        self, space: SearchSpace[Any], samples: list[Tokens], rng: np.random.Generator
    ) -> None:
        """Check that a child of any two parents is an architecture of the space."""
        for one, other in pairwise(samples):
            trace(space, crossover(space, one, other, rng))

    def test_genotypes_round_trip(self, space: SearchSpace[Any], samples: list[Tokens]) -> None:
        """Check that ``answers``, if the space has them, lead back to the tokens."""
        if hasattr(space, "answers"):
            for tokens in samples:
                assert tokens_of(space, trace(space, tokens)[0]) == tokens

    def test_genotypes_are_json_data(self, space: SearchSpace[Any], samples: list[Tokens]) -> None:
        """Write them as JSON: they go into results, infos and files."""
        for tokens in samples:
            json.dumps(genotype_to_json(trace(space, tokens)[0]), allow_nan=False)

    def test_graphs_can_be_drawn(self, space: SearchSpace[Any], samples: list[Tokens]) -> None:
        """Check the nodes and inputs of ``graph``, if there is one."""
        for tokens in samples:
            graph_of(space, decode(space, tokens))

    def test_keys_are_stable_strings(self, space: SearchSpace[Any], samples: list[Tokens]) -> None:
        """Check that one architecture has one key."""
        for tokens in samples:
            assert architecture_of(space, tokens).key == architecture_of(space, tokens).key

    def test_it_goes_to_worker_processes(
        self, space: SearchSpace[Any], samples: list[Tokens]
    ) -> None:
        """Check that space and genotypes pickle, and stay equal."""
        assert pickle.loads(pickle.dumps(space)) == space
        genotypes = [trace(space, tokens)[0] for tokens in samples]
        assert pickle.loads(pickle.dumps(genotypes)) == genotypes
