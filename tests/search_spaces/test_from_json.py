"""Genotypes as JSON become tokens again: every published one, and any of every space."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.errors import InvalidGenotype, InvalidTokens, NASGymError
from nas_gym.plugins import names
from nas_gym.registry import make
from nas_gym.search_spaces.architecture import architecture_of, genotype_to_json
from nas_gym.search_spaces.from_json import architecture_from_json, checked_architecture
from nas_gym.search_spaces.grammar import Pick
from nas_gym.search_spaces.limits import LimitedSpace
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.genotype import with_concat
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.testing.spaces import BitString, LayerChain


class Stage(NamedTuple):
    """Of a user's space that can neither read a genotype nor answer for one."""

    width: int
    kernels: tuple[int, ...]


@dataclass(frozen=True)
class Stages:
    """A conditional space with nothing optional."""

    max_length = 10
    max_options = 3

    def choose(self, pick: Pick) -> dict[str, Any]:
        count = pick("stages", (1, 2, 3))
        return {
            "stages": [
                Stage(
                    pick(f"stage{i}.width", (8, 16)),
                    tuple(pick(f"stage{i}.kernel{k}", (1, 3, 5)) for k in range(2)),
                )
                for i in range(count)
            ]
        }


def through_json(genotype: Any) -> Any:
    return json.loads(json.dumps(genotype_to_json(genotype)))


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - {"nasnet-a"}))
def test_every_published_architecture_has_tokens(name: str) -> None:
    genotype, space = PUBLISHED[name]
    architecture = architecture_from_json(space, through_json(genotype))
    assert architecture.genotype == genotype
    assert architecture == architecture_of(space, architecture.tokens)


def test_nasnet_a_has_tokens_with_the_concat_of_its_text_alone() -> None:
    genotype, space = PUBLISHED["nasnet-a"]
    with pytest.raises(InvalidGenotype, match="concat rule"):
        architecture_from_json(space, through_json(genotype))
    texts = with_concat(genotype, "unused")
    architecture = architecture_from_json(space, through_json(texts))
    assert architecture_of(space, architecture.tokens).genotype == texts


@pytest.mark.parametrize("name", names("space"))
def test_any_architecture_of_every_space_comes_back(name: str) -> None:
    space, rng = make("space", name), np.random.default_rng(0)
    for _ in range(5):
        architecture = architecture_of(space, random_tokens(space, rng))
        assert architecture_from_json(space, through_json(architecture.genotype)) == architecture


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_spaces_without_a_reader_find_their_tokens_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for space in (Stages(), LayerChain(3), BitString(8)):
        architecture = architecture_of(space, random_tokens(space, rng))
        assert architecture_from_json(space, through_json(architecture.genotype)) == architecture


@pytest.mark.parametrize("data", [None, 3, "text", [], {}, {"stages": [[9, [1, 1]]]}])
@pytest.mark.parametrize(
    "space", [Stages(), make("space", "nasnet-cell"), make("space", "nasbench201")]
)
def test_what_is_no_genotype_is_refused_in_a_sentence(space: Any, data: Any) -> None:
    with pytest.raises(NASGymError) as error:
        architecture_from_json(space, data)
    assert "\n" not in str(error.value)


class AtMostThree:
    """Closes what would bring the sum of the tokens above 3."""

    def open_tokens(self, prefix: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(range(min(5, 4 - sum(prefix))))


def test_closed_tokens_are_no_architecture() -> None:
    space = make("space", "nasbench201")
    limited = LimitedSpace(space, limits_of({"parameters": 200_000}), None, AtMostThree())
    assert checked_architecture(limited, [0, 3, 0, 0, 0, 0]).tokens == (0, 3, 0, 0, 0, 0)
    with pytest.raises(InvalidTokens, match=r"token 1 is 4, with which .* give one of 0, 1, 2, 3"):
        checked_architecture(limited, [0, 4, 0, 0, 0, 0])
    with pytest.raises(InvalidTokens, match="give a number from 0 to 4"):
        checked_architecture(space, [5] * 6)
