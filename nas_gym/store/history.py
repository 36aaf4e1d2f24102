"""The requests of a run that goes on, as its ledger answers them again."""

from collections.abc import Iterator, Sequence

from nas_gym.envs.recorder import Known
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.store.lazy import LazySequence
from nas_gym.store.run_data import Row

Replayed = tuple[Tokens, Known]


class StoredHistory(LazySequence[Replayed]):
    """Tokens and answers of requests, made from their rows when they are asked for.

    Args:
        rows: Of the requests, in order.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self._rows)

    def _one(self, position: int) -> Replayed:
        return _replayed(self._rows[position])

    def _some(self, positions: slice) -> Sequence[Replayed]:
        return StoredHistory(self._rows[positions])

    def __iter__(self) -> Iterator[Replayed]:
        """Yield them in order."""
        return map(_replayed, self._rows)


def _replayed(row: Row) -> Replayed:
    return row.tokens, Known(
        row.metrics, row.seconds, row.failure, row.detail, row.reward, row.epochs, row.curve
    )
