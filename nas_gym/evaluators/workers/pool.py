"""A pool of worker processes that may crash, hang or be killed.

It is our own and not pebble's ``ProcessPool``, by measurement
(``benchmarks/speed/isolation.py`` prints what a death and a hang cost) and by what pebble 5.2 does.
That one looks every 0.1 s whether a worker still lives. It ends a hung one by SIGTERM, which a C
call never answers, and waits three seconds for it, while all other workers go unwatched. It misses
a child that exits with status 0, and gives up when an idle worker is killed.
``concurrent.futures`` ends with the first worker that dies and has no time limit.

Here each worker has its own pipe and the process that asks waits for all of them at once: no
thread, no polling, no shared lock that a killed worker could take along.
"""

import math
import signal
import time
from collections import deque
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import Protocol

from nas_gym.errors import InvalidOption, NASGymError, TimeUp
from nas_gym.evaluators.workers.process import (
    LOST_TRACK,
    Lost,
    Outcome,
    WorkerProcess,
    describe_exit,
)
from nas_gym.evaluators.workers.starting import cannot_start, check_main_process, start_worker

FAILED_STARTS = 5  # in a row, after which it is no accident
START_SECONDS = 300.0  # for the first worker to be ready
FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGHUP) if hasattr(signal, "SIGKILL") else ()
LONGEST_WAIT = 60.0  # seconds; the system's own limit is in milliseconds of 32 bits


class Inbox(Protocol):
    """Jobs that come in while others run."""

    bell: Connection  # readable if there is something to take

    def take(self) -> dict[int, bytes] | None:
        """Return new jobs by position, maybe none; None if there will be no more."""

    def begin(self, number: int) -> bool:
        """Take note that a worker gets a job; return False if nobody wants it any more."""


class WorkerPool:
    """A pool that runs jobs in ``workers`` processes and replaces each that ends.

    Args:
        workers: Processes, >= 1.
        pickled: The evaluator.
        memory_limit: GiB that a child may allocate; None for no limit.

    Raises:
        InvalidOption: Worker processes cannot start.
    """

    def __init__(self, workers: int, pickled: bytes, memory_limit: float | None = None) -> None:
        check_main_process()
        self._count = workers
        self._arguments = (pickled, memory_limit)
        self._workers: list[WorkerProcess] = []
        self._failed_starts = 0
        self._orphaned: set[int] = set()  # jobs whose end may be no fault of theirs
        self._jobs: dict[int, bytes] = {}  # by their positions
        self._waiting: deque[int] = deque()  # those that no worker has
        self.starts = 0  # of workers; more than their number if one was replaced
        self._running = False
        # Before multiprocessing joins the processes that it started, at exit.
        self._end = Finalize(self, _kill_all, (self._workers,), exitpriority=10)
        self._start_one()
        while not self._workers[0].ready:  # only the first: it shows whether they can start
            if not wait(self._workers[0].handles, START_SECONDS):
                self._workers.pop().end()
                raise InvalidOption(
                    f"a worker process was not ready after {START_SECONDS:g} s: make the evaluator "
                    "quick to load"
                )
            if not self._workers[0].listen():
                raise cannot_start(self._workers.pop().end())
        self._fill()

    def run(
        self, jobs: Sequence[bytes], timeout: float | None, until: float = math.inf
    ) -> Generator[Outcome]:
        """Yield outcomes of ``jobs`` as they end; closing the generator kills what still runs.

        Args:
            jobs: What ``evaluate_job`` takes.
            timeout: Seconds that a job may take; None for no limit.
            until: Of ``time.monotonic()``; what is not done then is cut, and ``TimeUp`` raised.
        """
        self._claim()
        self._orphaned.clear()
        self._jobs = dict(enumerate(jobs))
        self._waiting.extend(self._jobs)
        left = len(jobs)
        try:
            self._wait(0.0)  # some may have died since the last batch
            while left:
                if time.monotonic() >= until:
                    raise TimeUp(sum(w.started and w.job is not None for w in self._workers))
                outcomes = self._step(timeout, until - time.monotonic())
                left -= len(outcomes)
                yield from outcomes
        finally:
            for worker in [w for w in self._workers if w.job is not None]:
                self._workers.remove(worker)
                worker.end()
            self._waiting.clear()
            self._running = False

    def serve(self, inbox: "Inbox", timeout: float | None) -> Generator[Outcome]:
        """Yield outcomes of jobs that come in at any time, as they end.

        It ends when the inbox is closed; then the workers still have what they were doing.

        Args:
            inbox: Gives jobs.
            timeout: Seconds that a job may take; None for no limit.
        """
        self._claim()
        self._orphaned.clear()
        try:
            while True:
                new = inbox.take()
                if new is None:
                    return
                self._jobs |= new
                self._waiting.extend(new)
                for position, outcome in self._step(timeout, LONGEST_WAIT, inbox):
                    del self._jobs[position]
                    self._orphaned.discard(position)
                    yield position, outcome
        finally:
            self._running = False

    def close(self) -> None:
        """Kill the workers."""
        self._end()

    def _fill(self) -> None:
        if not self._end.still_active():
            raise NASGymError(
                "the workers were closed in the middle of a batch: close an evaluator or an "
                "environment after it has answered"
            )
        while len(self._workers) < self._count:
            self._start_one()

    def _start_one(self) -> None:
        self.starts += 1
        taken = {worker.number for worker in self._workers}
        number = next(n for n in range(self._count) if n not in taken)
        self._workers.append(
            start_worker(lambda context: WorkerProcess(context, number, *self._arguments))
        )

    def _claim(self) -> None:
        if self._running:
            raise InvalidOption(
                "these workers are busy with another batch: take all its evaluations first, or "
                "close() the generator that gives them"
            )
        self._running = True

    def _step(
        self, timeout: float | None, patience: float, inbox: Inbox | None = None
    ) -> list[Outcome]:
        """Keep the workers busy until the next event, and return what came back, if anything.

        Args:
            timeout: Seconds that a job may take; None for no limit.
            patience: Seconds until there is nothing to wait for any more.
            inbox: Rings if there is something else to do, and is told what begins.
        """
        self._fill()
        self._hand_out(inbox)
        bell = None if inbox is None else inbox.bell
        outcomes = self._wait(min(self._patience(timeout), max(0.0, patience)), timeout, bell)
        self._fill()
        self._hand_out(inbox)  # before the caller takes its time
        return outcomes

    def _hand_out(self, inbox: Inbox | None) -> None:
        free = [worker for worker in self._workers if worker.ready and worker.job is None]
        while free and self._waiting:
            position = self._waiting.popleft()
            if inbox is None or inbox.begin(position):
                free.pop(0).give(position, self._jobs[position])
            else:
                del self._jobs[position]
                self._orphaned.discard(position)

    def _wait(
        self, patience: float, timeout: float | None = None, bell: Connection | None = None
    ) -> list[Outcome]:
        """Return what came back, if anything, at the next event; requeue jobs that never began."""
        watched = {handle: worker for worker in self._workers for handle in worker.handles}
        happened = wait([*watched, *([] if bell is None else [bell])], patience)
        outcomes: list[Outcome] = []
        for worker in dict.fromkeys(watched[h] for h in happened if h in watched):
            alive = worker.listen()
            outcomes += worker.take()
            if worker.ready:
                self._failed_starts = 0
            if not alive:
                outcomes += self._bury(worker)
        now = time.monotonic()
        for worker in list(self._workers):
            if timeout is not None and worker.job is not None and now >= worker.began + timeout:
                lost = Lost("timeout", timeout, f"ran longer than {timeout:g} s")
                outcomes.append((worker.job, lost))
                self._workers.remove(worker)
                worker.end()
        return outcomes

    def _patience(self, timeout: float | None) -> float:
        """Return the seconds until the first running job has used up its time."""
        if timeout is None:
            return LONGEST_WAIT
        first = min((w.began for w in self._workers if w.job is not None), default=float("inf"))
        return min(max(0.0, first + timeout - time.monotonic()), LONGEST_WAIT)

    def _bury(self, worker: WorkerProcess) -> list[Outcome]:
        """Take a dead worker out, and return what became of its job."""
        self._workers.remove(worker)
        exit_status = worker.end()
        if not worker.ready:
            self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS:
            raise NASGymError(
                f"{FAILED_STARTS} worker processes in a row ended as they started "
                f"({describe_exit(exit_status)}): look at what they printed and at the free memory"
            )
        if worker.job is None:
            return []
        lost = exit_status == LOST_TRACK and not worker.gone
        orphan = (lost or exit_status in FROM_OUTSIDE) and worker.job not in self._orphaned
        if orphan:  # once: the child may be what ends the server, or takes the machine's memory
            self._orphaned.add(worker.job)
        if orphan or not worker.started:  # no fault of the child
            self._waiting.appendleft(worker.job)
            return []
        seconds = time.monotonic() - worker.began
        return [(worker.job, Lost("crashed", seconds, describe_exit(exit_status)))]


def _kill_all(workers: list[WorkerProcess]) -> None:
    if not workers:
        return
    for worker in workers:
        worker.kill()
    while workers:
        workers.pop().end()
