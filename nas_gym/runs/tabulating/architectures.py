"""The architectures of a table: one for each canonical key, in an order that never changes."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_gym.agent import play_in_batches
from nas_gym.errors import InvalidOption, InvalidSpace
from nas_gym.search_spaces.architecture import Architecture, architecture_of_valid
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens, space_size

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv

ENUMERATED_AT_MOST = 200_000  # token lists of a space that are gone through
DRAWS = 10_000  # in a row that bring nothing new, after which a space has no more
BATCH = 64  # children per worker that are asked for at once; a batch ends with idle workers


class InOrder:
    """An agent that asks for the architectures it is given, one after the other.

    Args:
        tokens: The architectures.
        batch_size: Asked for at once, >= 1.
    """

    def __init__(self, tokens: Sequence[Tokens], batch_size: int) -> None:
        self._tokens = tokens
        self._batch_size = batch_size

    @property
    def batch_size(self) -> int:
        """Architectures asked for at once."""
        return self._batch_size

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Ask for all of them."""
        for _ in play_in_batches(env, self._tokens, self._batch_size):
            pass


def architectures_of(
    space: SearchSpace[Any], sample: int | None, seed: int
) -> list[Architecture[Any]]:
    """Return one architecture for each canonical key, all of them or the first ``sample``.

    The order is random, so that the first N are a random sample, and the first M of a larger
    sample the same. Spaces of up to 200,000 token lists are gone through: of equal keys the first
    in lexicographic order is taken. Larger ones are drawn from, choice by choice.

    Args:
        space: Whose they are.
        sample: How many, >= 1; None: all.
        seed: Of the order.

    Raises:
        InvalidOption: All of a space that is too large, or more than it has.
    """
    size = _size(space)
    rng = np.random.default_rng(seed)
    if size is None:
        if sample is None:
            raise InvalidOption(
                f"{type(space).__name__} has {_words(space)} architectures, more than can be "
                "trained: give a number of random ones, --sample N (in Python sample=N)"
            )
        return _drawn(space, sample, rng)
    found: dict[str, Architecture[Any]] = {}
    for tokens in enumerate_tokens(space):
        architecture = architecture_of_valid(space, tokens)
        found.setdefault(architecture.key, architecture)
    everything = list(found.values())
    if sample is not None and sample > len(everything):
        raise _too_many(space, sample, len(everything))
    order = rng.permutation(len(everything)).tolist()
    return [everything[number] for number in order[:sample]]


def _size(space: SearchSpace[Any]) -> int | None:
    """Return the number of token lists, or None if it is too large to go through them."""
    declared = isinstance(getattr(space, "size", None), int)
    if declared or ChoiceTable(space).static is not None:
        size = space_size(space)
    else:
        size = sum(1 for _ in islice(enumerate_tokens(space), ENUMERATED_AT_MOST + 1))
    return size if size <= ENUMERATED_AT_MOST else None


def _words(space: SearchSpace[Any]) -> str:
    try:
        size = space_size(space)
    except InvalidSpace:  # it takes too long to count them
        return "more than ten million"
    return f"{size:,}" if size < 10**9 else f"about {size:.1e}"


def _drawn(
    space: SearchSpace[Any], count: int, rng: np.random.Generator
) -> list[Architecture[Any]]:
    """Draw different architectures."""
    return list(islice(_different(space, count, rng), count))


def _different(
    space: SearchSpace[Any], count: int, rng: np.random.Generator
) -> Iterator[Architecture[Any]]:
    keys: set[str] = set()
    in_vain = 0
    while in_vain < DRAWS:
        architecture = architecture_of_valid(space, random_tokens(space, rng))
        in_vain += 1
        if architecture.key not in keys:
            keys.add(architecture.key)
            in_vain = 0
            yield architecture
    raise _too_many(space, count, len(keys))


def _too_many(space: SearchSpace[Any], asked: int, there: int) -> InvalidOption:
    return InvalidOption(
        f"sample is {asked:,}, and {type(space).__name__} has {there:,} architectures that differ: "
        "give at most so many, or none for all of them"
    )
