"""An architecture from the JSON data of its genotype: the way back from ``genotype_to_json``."""

import json
from collections.abc import Iterator
from typing import Any

from nas_gym.errors import InvalidGenotype, InvalidTokens
from nas_gym.search_spaces.architecture import (
    Architecture,
    G,
    architecture_of,
    genotype_to_json,
    key_of,
)
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import (
    SearchSpace,
    Tokens,
    checked_tokens,
    decode,
    tokens_of,
    trace,
)


def architecture_from_json(space: SearchSpace[G], data: Any) -> Architecture[G]:
    """Return the architecture whose genotype is written as ``genotype_to_json`` writes it.

    A space with ``genotype_from_json`` and ``answers``, as all of nas-gym's, is asked; in another
    one the choices are settled one by one, each by how much of the JSON data it makes agree.

    Args:
        space: The space of the architecture.
        data: JSON data: an object, a list or, of NAS-Bench-201, the architecture string.

    Raises:
        InvalidGenotype: It is no genotype, or not one that the space expresses.
        UnknownName: A part of it has a name that is not known.
    """
    read = getattr(space, "genotype_from_json", None)
    if read is not None and hasattr(space, "answers"):
        genotype: G = read(data)
        tokens = tokens_of(space, genotype)
        return Architecture(tokens, genotype, key_of(space, genotype, tokens))
    found = architecture_of(space, _nearest(space, data))
    if _text(genotype_to_json(found.genotype)) != _text(data):
        raise InvalidGenotype(
            f"no tokens of {type(space).__name__} were found for {_text(data)[:200]}: give tokens, "
            "or the space the methods genotype_from_json(data) and answers(genotype)"
        )
    return found


def checked_architecture(space: SearchSpace[G], tokens: Any) -> Architecture[G]:
    """Return the architecture of exactly these tokens, of which none is folded and none closed.

    Raises:
        InvalidTokens: Wrong length or type, a token beyond its options, or one that breaks limits.
    """
    plain = checked_tokens(tokens)
    architecture = architecture_of(space, plain)
    open_tokens: Any = getattr(space, "open_tokens", None)
    for place, choice in enumerate(() if open_tokens is None else trace(space, plain)[1]):
        opened = open_tokens(plain[:place])
        if plain[place] not in opened:
            raise closed_token(place, plain[place], choice.name, opened)
    return architecture


def closed_token(place: int, token: int, name: str, opened: Any) -> InvalidTokens:
    """Return the error for a token that limits close."""
    return InvalidTokens(
        f"token {place} is {token}, with which {name} breaks a limit: give one of "
        f"{', '.join(map(str, opened))}"
    )


def _nearest(space: SearchSpace[Any], data: Any) -> Tokens:
    """Return the tokens, choice by choice, with which the fewest parts of ``data`` differ."""
    table, wanted = ChoiceTable(space), dict(_leaves(data))

    def completed(prefix: Tokens) -> Tokens:
        while (choice := table.after(prefix)) is not None:
            prefix = (*prefix, choice.tokens[0])
        return prefix

    def differing(prefix: Tokens) -> tuple[int, int]:
        """Return how many parts there are too many or too few, and how many differ."""
        found = dict(_leaves(genotype_to_json(decode(space, completed(prefix)))))
        shared = found.keys() & wanted.keys()
        return len(found.keys() ^ wanted.keys()), sum(found[p] != wanted[p] for p in shared)

    tokens: Tokens = ()
    while (choice := table.after(tokens)) is not None:
        tokens = min(((*tokens, token) for token in choice.tokens), key=differing)
    return tokens


def _leaves(data: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every plain value of JSON data with the path to it."""
    if isinstance(data, dict | list | tuple):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        for name, value in items:
            yield from _leaves(value, f"{place}/{name}")
    else:
        yield place, data


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True)
