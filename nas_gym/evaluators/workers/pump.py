"""The thread that runs a worker pool for jobs that are asked for at any time."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from itertools import count
from multiprocessing import Pipe

from nas_gym.errors import NASGymError
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.workers.pool import WorkerPool
from nas_gym.evaluators.workers.process import Lost

Reading = Callable[[bytes | Lost], Evaluation]  # of what came back


class PoolPump:
    """Gives a future for each job, and lets a pool train them meanwhile.

    Futures are those of the standard library: ``concurrent.futures.wait`` and ``as_completed`` take
    them. What concerns all children is raised by every future that has no result yet, and by
    ``submit`` from then on. A job that a worker has cannot be cancelled any more.

    Args:
        pool: Runs the jobs; it belongs to the caller, who closes it after ``close``.
        timeout: Seconds that a job may take; None for no limit.
    """

    def __init__(self, pool: WorkerPool, timeout: float | None) -> None:
        self.bell, self._button = Pipe(duplex=False)
        self._numbers = count()
        self._lock = threading.Lock()
        self._new: dict[int, bytes] = {}
        self._futures: dict[int, tuple[Future[Evaluation], Reading]] = {}
        self._error: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(
            target=self._run, args=(pool, timeout), name="nas-gym-workers", daemon=True
        )
        self._thread.start()

    def submit(self, job: bytes, read: Reading) -> "Future[Evaluation]":
        """Return the future of a job.

        Args:
            job: What ``evaluate_job`` takes.
            read: Makes the evaluation of what came back; what it raises, the future raises.
        """
        future: Future[Evaluation] = Future()
        with self._lock:
            if self._error is not None:
                raise self._error
            number = next(self._numbers)
            self._new[number] = job
            self._futures[number] = future, read
        self._ring()
        return future

    def take(self) -> dict[int, bytes] | None:
        """Return the jobs that are new; None if it was closed."""
        while self.bell.poll():
            self.bell.recv_bytes()
        with self._lock:
            new, self._new = self._new, {}
            closed = self._closed
        return None if closed else new

    def begin(self, number: int) -> bool:
        """Mark a job as running; return False if it was cancelled meanwhile."""
        with self._lock:
            future, _ = self._futures[number]
            # One whose worker was lost has begun before.
            if future.running() or future.set_running_or_notify_cancel():
                return True
            del self._futures[number]
            return False

    @property
    def idle(self) -> bool:
        """Whether all futures have their results."""
        with self._lock:
            return not self._futures

    def close(self) -> None:
        """Stop the thread; futures without a result are cancelled. Safe to call twice."""
        with self._lock:
            self._closed = True
        self._ring()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._fail(CancelledError("the workers were closed"))

    def _ring(self) -> None:
        with suppress(OSError):
            self._button.send_bytes(b"\n")

    def _run(self, pool: WorkerPool, timeout: float | None) -> None:
        try:
            for number, outcome in pool.serve(self, timeout):
                with self._lock:
                    future, read = self._futures.pop(number)
                try:
                    future.set_result(read(outcome))
                except BaseException as error:
                    future.set_exception(error)
        except NASGymError as error:
            self._fail(error)
        except BaseException as error:
            self._fail(of_no_child(error))

    def _fail(self, error: BaseException) -> None:
        """Let all futures that have no result raise an error, and whoever asks from now on."""
        with self._lock:
            self._error = self._error or error
            left = [future for future, _ in self._futures.values()]
            self._futures.clear()
        for future in left:
            with suppress(InvalidStateError, RuntimeError):  # cancelled at this moment
                if future.running() or future.set_running_or_notify_cancel():
                    future.set_exception(error)


def of_no_child(error: BaseException) -> NASGymError:
    """Return the error for what went wrong with the processes, and not in one of them."""
    return NASGymError(  # what a child raises comes back as an outcome
        f"the worker processes failed, and no child of theirs ({type(error).__name__}: "
        f"{error}): free memory and open files, then go on"
    )
