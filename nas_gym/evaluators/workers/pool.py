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
import os
import signal
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.util import Finalize
from typing import NamedTuple

from nas_gym.errors import InvalidOption, NASGymError, TimeUp
from nas_gym.evaluators.workers.keeper import descendants, kill
from nas_gym.evaluators.workers.starting import cannot_start, check_main_process, start_worker
from nas_gym.evaluators.workers.worker import DONE, READY, STARTED, serve

FAILED_STARTS = 5  # in a row, after which it is no accident
START_SECONDS = 300.0  # for the first worker to be ready
GRACE = 5.0  # seconds for a killed process to be gone
LOST_TRACK = 255  # exit status that is reported if the fork server died, not the worker
FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGHUP) if hasattr(signal, "SIGKILL") else ()
LONGEST_WAIT = 60.0  # seconds; the system's own limit is in milliseconds of 32 bits


class Lost(NamedTuple):
    """The reason why a job has no outcome."""

    failure: str  # "crashed" or "timeout"
    seconds: float  # since the job began, >= 0
    detail: str


Outcome = tuple[int, bytes | Lost]  # the job's position, and what came back


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
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._orphaned: set[int] = set()  # jobs whose end may be no fault of theirs
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
        if self._running:
            raise InvalidOption(
                "these workers are busy with another batch: take all its evaluations first, or "
                "close() the generator that gives them"
            )
        self._running = True
        self._orphaned.clear()
        waiting = deque(range(len(jobs)))
        left = len(jobs)
        try:
            self._wait(waiting, 0.0)  # some may have died since the last batch
            while left:
                if time.monotonic() >= until:
                    raise TimeUp(sum(w.started and w.job is not None for w in self._workers))
                self._fill()
                self._hand_out(waiting, jobs)
                patience = min(self._patience(timeout), max(0.0, until - time.monotonic()))
                outcomes = self._wait(waiting, patience, timeout)
                left -= len(outcomes)
                self._fill()
                self._hand_out(waiting, jobs)  # before the caller takes its time
                yield from outcomes
        finally:
            for worker in [w for w in self._workers if w.job is not None]:
                self._workers.remove(worker)
                worker.end()
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
            start_worker(lambda context: _Worker(context, number, *self._arguments))
        )

    def _hand_out(self, waiting: deque[int], jobs: Sequence[bytes]) -> None:
        for worker in self._workers:
            if waiting and worker.ready and worker.job is None:
                worker.give(waiting.popleft(), jobs)

    def _wait(
        self, waiting: deque[int], patience: float, timeout: float | None = None
    ) -> list[Outcome]:
        """Return what came back, if anything, at the next event; requeue jobs that never began."""
        watched = {handle: worker for worker in self._workers for handle in worker.handles}
        happened = wait(list(watched), patience)
        outcomes: list[Outcome] = []
        for worker in dict.fromkeys(watched[handle] for handle in happened):
            alive = worker.listen()
            outcomes += worker.take()
            if worker.ready:
                self._failed_starts = 0
            if not alive:
                outcomes += self._bury(worker, waiting)
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

    def _bury(self, worker: "_Worker", waiting: deque[int]) -> list[Outcome]:
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
            waiting.appendleft(worker.job)
            return []
        seconds = time.monotonic() - worker.began
        return [(worker.job, Lost("crashed", seconds, describe_exit(exit_status)))]


class _Worker:
    """A worker process as the pool sees it; one that replaces another has its number."""

    def __init__(
        self, context: BaseContext, number: int, pickled: bytes, memory_limit: float | None
    ) -> None:
        self.number = number
        self.connection, theirs = context.Pipe()
        self.process = context.Process(  # type: ignore[attr-defined]
            target=serve, args=(theirs, pickled, memory_limit, number), name="nas-gym-worker",
            daemon=False,
        )  # fmt: skip
        try:
            self.process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()  # so that its end is seen here
        self.handles = (self.connection, self.process.sentinel)
        self.ready = self.gone = False
        self.job: int | None = None  # position of the job that it has
        self.started = False  # the job
        self.began = float("inf")  # time.monotonic() when the job started
        self.done: list[Outcome] = []

    def give(self, position: int, jobs: Sequence[bytes]) -> None:
        """Send a job."""
        self.job, self.started, self.began = position, False, float("inf")
        with suppress(OSError):  # if it is dead, the next wait will tell
            self.connection.send_bytes(jobs[position])

    def listen(self) -> bool:
        """Take in its messages, and return whether it is alive."""
        alive: bool = self.process.is_alive()  # asked first: its last words count
        try:
            while self.connection.poll():
                kind, outcome = self.connection.recv()
                if kind == READY:
                    self.ready = True
                elif kind == STARTED:
                    self.started, self.began = True, time.monotonic()
                elif kind == DONE and self.job is not None:
                    self.done.append((self.job, outcome))
                    self.job = None
        except (EOFError, OSError):
            self.gone = True
            return False
        return alive

    def take(self) -> list[Outcome]:
        """Return the outcomes that have come in since the last call."""
        done, self.done = self.done, []
        return done

    def end(self) -> int | None:
        """Kill it and what it started; return its exit status, negative if a signal ended it."""
        self.kill()
        self.process.join(GRACE)
        if self.process.exitcode == LOST_TRACK and not self.gone:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        self.connection.close()
        exit_status: int | None = self.process.exitcode
        return exit_status

    def kill(self) -> None:
        """Kill it and what it started: its group, and what has a session of its own."""
        started = descendants(self.process.pid)
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        kill(started)


def describe_exit(exit_status: int | None) -> str:
    """Return e.g. ``exit status 3`` or ``killed by signal 11 (SIGSEGV)``."""
    if exit_status is None or exit_status >= 0:
        return f"exit status {exit_status}"
    try:
        name = signal.Signals(-exit_status).name
    except ValueError:
        name = "unknown"
    killed = f"killed by signal {-exit_status} ({name})"
    if name == "SIGKILL":  # the kernel's way out, which leaves no other trace here
        return f"{killed}: by someone, or by the system because memory ran out"
    return killed


def _kill_all(workers: list[_Worker]) -> None:
    if not workers:
        return
    for worker in workers:
        worker.kill()
    while workers:
        workers.pop().end()
