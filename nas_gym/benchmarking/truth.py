"""What a table says every architecture is worth: for reports, never for agents."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidOption
from nas_gym.registry import make
from nas_gym.search_spaces.moves import enumerate_tokens, space_size

Tokens = tuple[int, ...]
MOST = 1_000_000  # architectures that are looked up one by one


@dataclass(frozen=True)
class Truth:
    """All architectures of a table, each with a number."""

    tokens: npt.NDArray[np.int16]  # (architectures, longest), by number; -1 after the last one
    accuracies: npt.NDArray[np.float64]  # (architectures,) means over seeds, in percent
    numbers: Mapping[Tokens, int]

    @cached_property
    def optimum(self) -> float:
        """The highest mean accuracy, in percent."""
        return float(self.accuracies.max())


def truth_of(space: Any, evaluator: Any) -> Truth:
    """The truth that a table knows of a space.

    Numbers are those of the table's ``index_of`` (NAS-Bench-201's official index) where it also has
    a ``ranking`` of all architectures; else their order in the space.

    Raises:
        InvalidOption: The evaluator is no table, or lacks an architecture of the space.
    """
    ranking = getattr(evaluator, "ranking", None)
    index_of = getattr(evaluator, "index_of", None)
    if ranking is not None and index_of is not None:
        known = list(ranking())
        return _truth(known, [int(index_of(tokens)) for tokens, _ in known])
    if not hasattr(evaluator, "mean_accuracy"):
        raise InvalidOption(
            f"{type(evaluator).__name__} cannot be benchmarked on: it is no table that knows the "
            "mean_accuracy of every architecture"
        )
    if space_size(space) > MOST:
        raise InvalidOption(
            f"{type(space).__name__} has {space_size(space):,} architectures: a benchmark looks up "
            f"{MOST:,} at most, to know the best one"
        )
    try:
        known = [(tokens, evaluator.mean_accuracy(tokens)) for tokens in enumerate_tokens(space)]
    except LookupError as error:
        raise InvalidOption(f"the table does not know the whole space: {error}") from error
    return _truth(known, range(len(known)))


def _truth(known: list[tuple[Tokens, float]], numbers: Iterable[int]) -> Truth:
    by_tokens = dict(zip((tuple(tokens) for tokens, _ in known), numbers, strict=True))
    table = np.full((len(known), max(map(len, by_tokens))), -1, np.int16)
    accuracies = np.empty(len(known))
    for (tokens, number), (_, accuracy) in zip(by_tokens.items(), known, strict=True):
        table[number, : len(tokens)] = tokens
        accuracies[number] = 100 * accuracy
    return Truth(table, accuracies, by_tokens)


_KEPT: dict[str, tuple[Any, Any, Truth]] = {}


def prepared(space: Mapping[str, Any], evaluator: Mapping[str, Any]) -> tuple[Any, Any, Truth]:
    """Space, evaluator and truth; made once in a process, because a table takes time to read."""
    key = repr((sorted(space.items()), sorted(evaluator.items())))
    if key not in _KEPT:
        made = make("space", space)
        table = make("evaluator", evaluator, space=made)
        _KEPT[key] = (made, table, truth_of(made, table))
    return _KEPT[key]
