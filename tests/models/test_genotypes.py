"""Architectures of models of spaces that read no genotypes: written, and made of their tokens."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from nas_gym.errors import InvalidGenotype
from nas_gym.models.genotypes import genotype_data, genotype_of
from nas_gym.search_spaces.grammar import Pick


@dataclass(frozen=True)
class Pair:
    sizes: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        # JSON has lists, and texts as keys.
        return {"sizes": self.sizes, "by_layer": dict(enumerate(self.sizes))}


class Pairs:
    max_length = 2
    max_options = 3

    def choose(self, pick: Pick) -> Pair:
        return Pair((pick("first", (0, 1, 2)), pick("second", (0, 1, 2))))


def test_what_json_turns_into_other_types_is_the_same_architecture() -> None:
    space, genotype = Pairs(), Pair((1, 2))
    data = json.loads(json.dumps(genotype_data(space, genotype, (1, 2))))
    assert genotype_of(space, data) == (genotype, (1, 2))
    data["tokens"] = [2, 2]
    with pytest.raises(InvalidGenotype, match="Pairs is not what it was"):
        genotype_of(space, data)
