"""The architectures of a run by rank: of a long run, no more are read than are looked at."""

import itertools
import math
from array import array
from collections.abc import Iterator, Sequence

from nas_gym.evaluators.evaluation import rank as rank_of
from nas_gym.store import Row, RunData
from nas_gym.store.lazy import LazySequence
from nas_gym.store.long_runs import choose, column, key_hashes, metric


class Ranked(LazySequence[Row]):
    """All different architectures of a run that did not fail, best first; found when asked for.

    Those that were trained further come first: rewards of different epochs do not compare.

    Args:
        run: Has them.
    """

    def __init__(self, run: RunData) -> None:
        everything = choose(run.rows, range(len(run.rows)), run.unanswered)
        failed = [failure is not None for failure in column(everything, "failure")]
        rewards, epochs = column(everything, "reward"), column(everything, "epochs")
        fine = [number for number, bad in enumerate(failed) if not bad]
        # Stable: the first of equals stays first.
        order = array("q", sorted(fine, key=lambda n: rank_of(epochs[n], rewards[n])))
        self._order = choose(everything, order)
        self._waiting = iter(self._order)
        self._found: list[Row] = []
        self._keys: set[str] = set()

    def __len__(self) -> int:
        """Return how many there are, which takes all rows."""
        return len(self._up_to(None))

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return len(self._up_to(1)) > 0

    def _one(self, position: int) -> Row:
        return self._up_to(position + 1 if position >= 0 else None)[position]

    def _some(self, positions: slice) -> Sequence[Row]:
        last = positions.stop
        return self._up_to(None if last is None or last <= 0 else last)[positions]

    def __iter__(self) -> Iterator[Row]:
        """Yield them, best first."""
        for rank in itertools.count():
            found = self._up_to(rank + 1)
            if len(found) <= rank:
                return
            yield found[rank]

    def figures(self, name: str) -> Iterator[float]:
        """Yield a metric of each that has it, best first; no rows are made for it."""
        seen: set[int] = set()
        for hashed, figure in zip(key_hashes(self._order), metric(self._order, name), strict=True):
            if hashed not in seen and not math.isnan(figure):
                yield figure
            seen.add(hashed)

    def _up_to(self, count: int | None) -> list[Row]:
        while count is None or len(self._found) < count:
            row = next(self._waiting, None)
            if row is None:
                break
            if row.key not in self._keys:
                self._keys.add(row.key)
                self._found.append(row)
        return self._found
