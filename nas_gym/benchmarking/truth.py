"""What a table says every architecture is worth: for reports, never for agents."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidOption
from nas_gym.registry import make

Tokens = tuple[int, ...]


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


def truth_of(evaluator: Any) -> Truth:
    """The truth that a table with a ``ranking`` knows.

    Architectures are numbered by the table's ``index_of``, as NAS-Bench-201's official index is, or
    by their rank.

    Raises:
        InvalidOption: The evaluator is no such table.
    """
    ranking = getattr(evaluator, "ranking", None)
    if ranking is None:
        raise InvalidOption(
            f"{type(evaluator).__name__} cannot be benchmarked on: it needs ranking(), all "
            "architectures with their mean accuracies"
        )
    ranked = list(ranking())
    index_of = getattr(evaluator, "index_of", None)
    numbers = {
        tuple(tokens): rank if index_of is None else int(index_of(tokens))
        for rank, (tokens, _) in enumerate(ranked)
    }
    longest = max(len(tokens) for tokens in numbers)
    table = np.full((len(ranked), longest), -1, np.int16)
    accuracies = np.empty(len(ranked))
    for tokens, accuracy in ranked:
        number = numbers[tuple(tokens)]
        table[number, : len(tokens)] = tokens
        accuracies[number] = 100 * accuracy
    return Truth(table, accuracies, numbers)


_KEPT: dict[str, tuple[Any, Any, Truth]] = {}


def prepared(space: Mapping[str, Any], evaluator: Mapping[str, Any]) -> tuple[Any, Any, Truth]:
    """Space, evaluator and truth; made once in a process, because a table takes time to read."""
    key = repr((sorted(space.items()), sorted(evaluator.items())))
    if key not in _KEPT:
        made = make("space", space)
        table = make("evaluator", evaluator, space=made)
        _KEPT[key] = (made, table, truth_of(table))
    return _KEPT[key]
