"""The time that a search would take on a cluster, by the seconds that its evaluations report."""

import heapq
import math
from collections.abc import Iterable

from nas_gym.options import check
from nas_gym.options.counts import Machines


class SimulatedClock:
    """A clock that adds up seconds as if ``workers`` machines had trained the children.

    It is a queue of events: a child goes to the machine that is free first, and ``begin`` says when
    it will be done; whoever waits for a child moves the clock to that moment. A round is the
    special case in which the agent waits for all children before it asks again (``add``).

    Every request counts, a repeat again, as in NATS-Bench (Dong et al. 2021): so a search with a
    budget of seconds ends even if its agent always asks for the same architecture.

    Args:
        workers: Machines, >= 1.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers: int = check("simulated_workers", workers, Machines)
        self.busy_seconds = 0.0  # of all machines together
        self.seconds = 0.0  # since the search began
        self._idle_since = 0.0  # the last moment at which no machine was busy
        self._free = [0.0] * self.workers  # when each is free, counted from then; a heap
        self._all_free = 0.0  # the moment at which all will be

    def begin(self, seconds: float) -> float:
        """Give a child to the machine that is free first, and return when it will be done.

        Args:
            seconds: That its training takes, >= 0.
        """
        if self.seconds >= self._all_free:  # count from now, as a round does
            self._idle_since, self._free = self.seconds, [0.0] * self.workers
        done = max(self.seconds - self._idle_since, self._free[0]) + seconds
        heapq.heapreplace(self._free, done)
        self.busy_seconds += seconds
        moment = self._idle_since + done
        self._all_free = max(self._all_free, moment)
        return moment

    @property
    def next_start(self) -> float:
        """The moment at which the next child would begin."""
        if self.seconds >= self._all_free:
            return self.seconds
        return max(self.seconds, self._idle_since + self._free[0])

    def wait(self, moment: float) -> None:
        """Move on to a moment, unless it is past."""
        self.seconds = max(self.seconds, moment)

    def add(self, batch: Iterable[float]) -> None:
        """Advance the clock by one batch of training times."""
        seconds = list(batch)
        busy = self.busy_seconds + math.fsum(seconds)
        self.wait(max(map(self.begin, seconds), default=self.seconds))
        self.busy_seconds = busy


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Return the seconds until a batch is done, if each child goes to the worker free first."""
    clock = SimulatedClock(workers)
    clock.add(seconds)
    return clock.seconds
