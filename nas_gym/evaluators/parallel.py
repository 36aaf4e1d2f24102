"""Spreads children over worker processes, which may crash or hang without harm."""

import ctypes
import math
import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing.context import BaseContext
from typing import Any

from pebble import ProcessExpired, ProcessPool

from nas_gym.architecture import Architecture
from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluation import Evaluation, Evaluator

NO_MAIN_GUARD = 73  # exit status of a worker that was about to run the main script again
Job = tuple[Architecture[Any], int]  # what to evaluate, and the child's seed


@dataclass(frozen=True)
class ParallelEvaluator:
    """Evaluates each child in one of ``workers`` processes, by another evaluator.

    Results are those of the inner evaluator, in the order in which children finish; no number of
    workers changes them. A worker that dies makes its child a failure, ``"crashed"``; one that
    takes too long is killed, ``"timeout"``; both are replaced. Processes start at the first
    ``evaluate`` and stay until ``close``; Ctrl-C ends them at once, and so does the death of this
    process. Copies and pickles hold the configuration alone.

    Workers start by importing the main script, so what a script runs belongs under
    ``if __name__ == "__main__":``.

    Args:
        inner: Any evaluator that can be pickled.
        workers: Processes, >= 1; as many as there are cores is fastest.
        timeout: Seconds that a child may take, > 0; None for no limit.

    Raises:
        InvalidOption: ``workers`` or ``timeout`` out of range.
    """

    inner: Evaluator
    workers: int
    timeout: float | None = None
    _pools: list[ProcessPool] = field(  # at most one
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 1:
            raise InvalidOption(f"workers is {self.workers!r}: give a whole number of 1 or more")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise InvalidOption(f"timeout is {self.timeout}: give a number of seconds above 0")

    @property
    def stateful(self) -> bool:
        """As the inner evaluator."""
        return self.inner.stateful

    @property
    def protocol(self) -> dict[str, Any]:
        """That of the inner evaluator: where children are evaluated changes no result."""
        protocol: dict[str, Any] = getattr(self.inner, "protocol", {})
        return protocol

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Evaluate all at once, as far as there are workers; yields as they finish.

        Raises:
            NASGymError: What concerns all children: the data cannot be read, the workers cannot
                load the evaluator.
        """
        jobs = list(zip(architectures, seeds, strict=True))
        retried: list[Job] = []
        yield from self._evaluate(jobs, retried)
        if retried:  # the pool itself broke: they go to a new one
            self.close()
            lost: list[Job] = []
            yield from self._evaluate(retried, lost)
            for architecture, _ in lost:
                yield Evaluation(architecture, failure="crashed")

    def close(self) -> None:
        """End the workers, whatever they are doing; safe to call twice."""
        while self._pools:
            pool = self._pools.pop()
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()
        self.inner.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"inner": self.inner, "workers": self.workers, "timeout": self.timeout, "_pools": []}

    def _evaluate(self, jobs: list[Job], lost: list[Job]) -> Iterator[Evaluation]:
        """Evaluations of ``jobs``; those that a broken pool swallowed are added to ``lost``."""
        pool = self._pool()
        pending: dict[Future[bytes], Job] = {}
        try:
            for job in jobs:
                payload = pickle.dumps(job)
                pending[pool.schedule(_evaluate_job, (payload,), timeout=self.timeout)] = job
            for future in as_completed(list(pending)):
                job = pending.pop(future)
                try:
                    yield self._result(future, job[0])
                except BrokenProcessPool:
                    lost.append(job)
        except GeneratorExit:
            for future in pending:
                future.cancel()
            raise
        except BaseException:  # Ctrl-C among them
            self.close()
            raise

    def _result(self, future: "Future[bytes]", architecture: Architecture[Any]) -> Evaluation:
        try:
            pickled = future.result()
        except ProcessExpired:
            return Evaluation(architecture, failure="crashed")
        except TimeoutError:
            return Evaluation(architecture, seconds=self.timeout or 0.0, failure="timeout")
        try:
            result = pickle.loads(pickled)
        except Exception as error:
            failure = f"error: its result cannot be read ({type(error).__name__}: {error})"
            return Evaluation(architecture, failure=failure)
        if isinstance(result, NASGymError):
            raise result
        evaluation: Evaluation = replace(result, architecture=architecture)
        return evaluation

    def _pool(self) -> ProcessPool:
        """The running pool; a new one where there is none or it broke."""
        if self._pools and not self._pools[0].active:
            self.close()
        if not self._pools:
            context = _worker_context()
            _check_main_script(context)
            self._pools.append(
                ProcessPool(
                    max_workers=self.workers,
                    initializer=_start_worker,
                    initargs=(pickle.dumps(self.inner),),
                    context=context,
                )
            )
        return self._pools[0]


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory instead of giving it back to the kernel.

    Without it a small network spends up to 43 % of its training in page faults. Does nothing where
    the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 1 << 28)


# ---------------------------------------------------------------- starting workers


def _worker_context() -> BaseContext:
    """How workers start: forked from a server that has torch loaded, or spawned."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nas_gym.evaluators._preload"])
    return context


def _check_main_script(context: BaseContext) -> None:
    """Start one process to see whether workers can: they import the main script first."""
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        os._exit(NO_MAIN_GUARD)  # silently: the parent says what is wrong
    if process.daemon:
        raise InvalidOption(
            "a daemonic process cannot start workers: let the main process evaluate, with "
            'gym.make_vec(id, vectorization_mode="vector_entry_point")'
        )
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None and not os.path.exists(script):
        raise InvalidOption(
            f"worker processes import the main script, and there is no file {script}: save it as a "
            "file, or evaluate in this process with workers=0"
        )
    probe = context.Process(target=_started)  # type: ignore[attr-defined]
    probe.start()
    probe.join()
    if probe.exitcode == NO_MAIN_GUARD:
        raise InvalidOption(
            "worker processes import the main script, and this one would search again in each: "
            'put what it runs under `if __name__ == "__main__":`'
        )
    if probe.exitcode != 0:
        raise InvalidOption(
            f"worker processes cannot start (exit status {probe.exitcode}): they import the main "
            "script, which failed as shown above; make it importable"
        )


def _started() -> None:
    """What a process does that is only to show that it starts."""


# ---------------------------------------------------------------- inside a worker

_inner: Evaluator | NASGymError | None = None  # of this worker process


def _start_worker(pickled: bytes) -> None:
    """Prepare a worker process; never raises, or the pool would start workers for ever."""
    global _inner
    threading.Thread(target=_die_with_parent, daemon=True).start()
    keep_freed_memory()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    try:
        _inner = pickle.loads(pickled)
    except Exception as error:
        _inner = InvalidOption(
            f"worker processes cannot load the evaluator ({type(error).__name__}: {error}): "
            "define its classes in a module or a script, not in an interactive session"
        )


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _evaluate_job(payload: bytes) -> bytes:
    """Pickled: an evaluation, or the error that concerns all children.

    What goes in and out is pickled here and not by the pool, which would lose a job whose pickle
    cannot be read.
    """
    start = time.perf_counter()
    if _inner is None or isinstance(_inner, NASGymError):
        return pickle.dumps(_inner)
    architecture, seed = pickle.loads(payload)
    try:
        (result,) = _inner.evaluate([architecture], [seed])
        return pickle.dumps(result)
    except NASGymError as error:
        return pickle.dumps(error)
    except Exception as error:
        failure = f"error: {type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        return pickle.dumps(Evaluation(architecture, seconds=seconds, failure=failure))
