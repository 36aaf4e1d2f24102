"""The time that a search would take on a cluster, by the seconds that its evaluations report."""

import heapq
import math
from collections.abc import Iterable

from nas_gym.options import check
from nas_gym.options.counts import Machines


class SimulatedClock:
    """A clock that adds up seconds as if ``workers`` machines had trained the children.

    A batch is shared out in its order, each child to the machine that is free first; the next
    batch begins when the last child of this one is done, because the agent waits for all of it.
    Every request counts, a repeat again, as in NATS-Bench (Dong et al. 2021): so a search with a
    budget of seconds ends even if its agent always asks for the same architecture.

    Args:
        workers: Machines, >= 1.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers: int = check("simulated_workers", workers, Machines)
        self.busy_seconds = 0.0  # of all machines together
        self.seconds = 0.0  # since the search began

    def add(self, batch: Iterable[float]) -> None:
        """Advance the clock by one batch of training times."""
        seconds = list(batch)
        self.busy_seconds += math.fsum(seconds)
        self.seconds += makespan(seconds, self.workers)


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Return the seconds until a batch is done, if each child goes to the worker free first."""
    if workers == 1:
        return math.fsum(seconds)
    free = [0.0] * workers
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)
