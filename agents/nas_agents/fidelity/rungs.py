"""The rungs of a ladder: the epochs at which children are compared, and their results there."""

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field


def rungs_of(least: int, most: int, factor: int) -> tuple[int, ...]:
    """Return the epochs of all rungs, fewest first: the most, a ``factor``-th of it, and so on.

    They are counted in whole numbers, and from the top, so that the last one is a whole training;
    where ``most`` is ``least`` times a power of the factor, they are the papers' ``least *
    factor ** k`` (Jamieson & Talwalkar 2016; Li et al. 2018 and 2020).

    Args:
        least: Epochs below which no rung lies, >= 1.
        most: Epochs of the last rung, >= ``least``.
        factor: >= 2.
    """
    epochs = [most]
    while epochs[-1] // factor >= least:
        epochs.append(epochs[-1] // factor)
    return tuple(reversed(epochs))


@dataclass
class Rung:
    """The results at one rung.

    Args:
        epochs: Of training.
    """

    epochs: int
    results: dict[int, float] = field(default_factory=dict)  # reward by trial; failed: -inf
    promoted: set[int] = field(default_factory=set)
    _sorted: list[float] = field(default_factory=list)

    def add(self, trial: int, reward: float) -> None:
        """Note a result."""
        self.results[trial] = reward
        insort(self._sorted, reward)

    def best(self, count: int) -> list[int]:
        """Return the trials with the highest rewards, best first; of equals the older is first."""
        return sorted(self.results, key=lambda trial: -self.results[trial])[:count]

    def promotable(self, factor: int) -> int | None:
        """Return the best trial that may go on: one of the best ``n // factor`` of all ``n`` here.

        Those that went on before count among them (Li et al. 2020, algorithm 2). None: nobody may.
        """
        for trial in self.best(len(self.results) // factor):
            if trial not in self.promoted and self.results[trial] > -math.inf:
                return trial
        return None

    def goes_on(self, trial: int, factor: int) -> bool:
        """Return whether a trial that has just come here is among the best ``1 / factor``.

        Itself counts; the first one always goes on (Li et al. 2020, section 3.3: stopping).
        """
        reward = self.results[trial]
        better = len(self._sorted) - bisect_right(self._sorted, reward)
        return reward > -math.inf and better < max(1, len(self._sorted) // factor)

    def standing(self, trial: int) -> float:
        """Return the share of the results here that are below a trial's; of equals half count."""
        reward = self.results[trial]
        below = bisect_left(self._sorted, reward)
        equal = bisect_right(self._sorted, reward) - below
        return (below + 0.5 * equal) / len(self._sorted)
