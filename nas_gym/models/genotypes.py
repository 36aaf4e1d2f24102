"""A genotype in a folder's JSON, and back: read by its space, or decoded from the tokens beside it.

A space of the user's own may have no ``genotype_from_json``; and no ``to_source``, so that its
networks are built by the space alone, wherever a folder is loaded.
"""

import json
from collections.abc import Mapping
from typing import Any

from nas_gym.errors import InvalidGenotype, InvalidOption
from nas_gym.registry import restorable
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.from_json import architecture_from_json
from nas_gym.search_spaces.grammar import Tokens, decode, tokens_of


def genotype_data(space: Any, genotype: Any, tokens: Tokens | None) -> dict[str, Any]:
    """Return JSON data from which ``genotype_of`` reads a genotype back.

    Args:
        space: The search space.
        genotype: Of this space.
        tokens: Those that describe it; None: they are found, if they are needed.

    Raises:
        InvalidGenotype: They are needed, and cannot be found.
        InvalidSpace: The genotype holds something that JSON cannot.
    """
    data = {"architecture": genotype_to_json(genotype)}
    if hasattr(space, "genotype_from_json"):
        return data
    if tokens is None and hasattr(space, "answers"):
        tokens = tokens_of(space, genotype)
    elif tokens is None:
        tokens = architecture_from_json(space, data["architecture"]).tokens
    return {**data, "tokens": list(tokens)}


def genotype_of(space: Any, data: Mapping[str, Any]) -> tuple[Any, Tokens | None]:
    """Return the genotype that ``genotype_data`` wrote, and its tokens if they are there.

    Raises:
        InvalidGenotype, InvalidTokens: It is not one of this space.
    """
    read = getattr(space, "genotype_from_json", None)
    if read is not None:
        return read(data.get("architecture")), None
    if not isinstance(data.get("tokens"), list):
        raise InvalidGenotype(
            f"{type(space).__name__} reads no genotypes, and there are no tokens: give it a method "
            "genotype_from_json(data)"
        )
    tokens = tuple(data["tokens"])
    genotype = decode(space, tokens)
    if json.loads(json.dumps(genotype_to_json(genotype))) != data.get("architecture"):
        raise InvalidGenotype(
            f"{type(space).__name__} is not what it was: its tokens describe another architecture "
            "now; bring the old class back"
        )
    return genotype, tokens


def has_source(space: Any) -> bool:
    """Return whether a space writes its networks as plain PyTorch."""
    return callable(getattr(space, "to_source", None))


def check_loadable(space: Any, genotype: Any, tokens: Tokens | None) -> None:
    """Raise unless a network of this space can be loaded again: before it is trained.

    Raises:
        InvalidOption: The space has no ``to_source``, and no other process could make it again.
        InvalidGenotype, InvalidSpace: As ``genotype_data``.
    """
    genotype_data(space, genotype, tokens)
    of = type(space)
    if has_source(space) or of.__module__ == "__main__":
        return  # what a script has defined, the script itself can load
    if not restorable("space", space):
        raise InvalidOption(
            f"networks of {of.__name__} could not be loaded again: make it a frozen dataclass at "
            "the top level of a module that can be imported, with options that JSON can hold, or "
            "give it a method to_source(genotype, task)"
        )
