"""An executor of submitit's jobs, which submitit itself is not.

submitit asks ``sacct`` what became of a job that left no result, which many clusters do not have,
and which is asked seldom. Here ``squeue`` is asked, once for all jobs.
"""

import getpass
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from typing import Any, NamedTuple

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.workers.keeper import descendants, kill

POLL = 0.5  # seconds between looks for results
SETTLED = 60.0  # seconds after its result when a job is surely over
PATIENCE = 300.0  # seconds for which SLURM may refuse jobs, or its files, after it took some
AT_ONCE = 10  # jobs that are submitted between two looks
ASK = 5.0  # seconds between questions to SLURM
GRACE = 30.0  # seconds for a result to show up on a shared path, when its job is over
WAITS = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "RESIZING", "REQUEUED",
         "STOPPED", "SIGNALING", "STAGE_OUT", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT",
         "RESV_DEL_HOLD")  # fmt: skip
OVER = "OVER"  # the state of a job of which SLURM knows nothing any more


class NodeLost(Exception):
    """A job was ended by its node, its cluster or its owner."""


class JobOutOfMemory(Exception):
    """SLURM ended a job that took more memory than it had asked for."""


class JobTimedOut(Exception):
    """SLURM ended a job whose time was up."""


class _Job(NamedTuple):
    """A job in the queue."""

    job: Any  # of submitit
    future: "_JobFuture"


class _JobFuture(Future[Any]):
    """What a job will give; to cancel it ends the job, at the next look."""

    job: Any = None
    over: float | None = None  # when it was first seen to be over without a result

    def running(self) -> bool:
        """Return whether it was submitted."""
        return self.job is not None and not self.done()


class Jobs(Executor):
    """An executor of calls as jobs.

    Args:
        submitit: An executor of submitit's.
        most: Jobs that are in the queue at once; the others wait here.
    """

    def __init__(self, submitit: Any, most: int) -> None:
        self._submitit, self._most = submitit, most
        self._lock = threading.RLock()
        self._waiting: deque[tuple[_JobFuture, Callable[..., Any], Any, Any]] = deque()
        self._queued: list[_Job] = []
        self._settling: deque[tuple[Any, float]] = deque()  # jobs with a result, just about to end
        self._stop = threading.Event()
        self._taken = False  # whether a job was
        self._refused: float | None = None  # since when jobs are refused
        self._asked, self._states = 0.0, dict[str, str]()  # when SLURM was, and what it said
        self._thread: threading.Thread | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have ``fn(*args)`` called in a job.

        Raises:
            InvalidOption: SLURM takes no such job.
        """
        future = _JobFuture()
        with self._lock:
            self._waiting.append((future, fn, args, kwargs))
            if not self._queued:  # the first shows whether jobs are taken; sbatch takes its time
                self._submit_one()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._watch, name="nas-gym-jobs", daemon=True
                )
                self._thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel what is in the queue."""
        self._stop.set()
        with self._lock:
            self._waiting.clear()
            queued, self._queued = self._queued, []
        if self._thread is not None:
            self._thread.join()
        left = [each.job for each in queued] + [job for job, _ in self._settling]
        for each in queued:
            each.future.cancel()
        end(left)
        until = time.monotonic() + GRACE
        while left and time.monotonic() < until:
            states = _states(left)
            left = [job for job in left if not states or states[job.job_id] in WAITS]
            time.sleep(POLL)

    def _submit_one(self) -> bool:
        """Submit the next job; return whether there was one, and room in the queue."""
        with self._lock:
            if not self._waiting or len(self._queued) >= self._most or self._stop.is_set():
                return False
            future, fn, args, kwargs = self._waiting.popleft()
            if future.cancelled():
                return True
            try:
                future.job = self._submitit.submit(fn, *args, **kwargs)
            except Exception as error:
                self._refused = self._refused or time.monotonic()
                if self._taken and time.monotonic() < self._refused + PATIENCE:
                    self._waiting.appendleft((future, fn, args, kwargs))
                    return False  # too many, or it does not answer: again at the next look
                words = " ".join(str(error).split())[-300:]
                refused = InvalidOption(
                    f"SLURM takes no such job ({words}): look at the partition, account, time, "
                    "memory and gpus of the executor (--set executor.OPTION=…; `sinfo` lists "
                    "partitions)"
                )
                _set(future, refused)
                raise refused from error
            self._taken, self._refused = True, None
            self._queued.append(_Job(future.job, future))
            return True

    def _watch(self) -> None:
        went_well = time.monotonic()
        while not self._stop.wait(POLL):
            try:
                self._look()
                went_well = time.monotonic()
            except InvalidOption as error:  # the cluster has changed its mind
                self._give_up(error, all_jobs=False)
            except Exception as error:  # a file system that does not answer, for a while
                if time.monotonic() > went_well + PATIENCE:
                    words = " ".join(f"{type(error).__name__}: {error}".split())[-300:]
                    self._give_up(
                        NASGymError(
                            f"the jobs of SLURM cannot be looked at ({words}): what was recorded "
                            "is kept and `nas-gym resume` continues it"
                        )
                    )
                    return

    def _look(self) -> None:
        """See what is done, and submit what there is room for."""
        with self._lock:
            queued = list(self._queued)
        without = [each for each in queued if not self._settled(each)]
        if without and time.monotonic() - self._asked > ASK:
            self._states = _states([each.job for each in without])
            self._asked = time.monotonic()
            for each in without:
                self._judge(each, self._states.get(each.job.job_id, ""))
        with self._lock:
            done = [each for each in self._queued if each.future.done()]
            self._queued = [each for each in self._queued if each not in done]
        cancelled = [each.job for each in done if each.future.cancelled()]
        end(cancelled)
        self._settling += [(job, time.monotonic()) for job in cancelled]
        for _ in range(AT_ONCE):
            if not self._submit_one():
                break

    def _give_up(self, error: NASGymError, all_jobs: bool = True) -> None:
        """Let what waits raise an error, and also what is in the queue if so."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            queued = list(self._queued) if all_jobs else []
        for future in [*(each[0] for each in waiting), *(each.future for each in queued)]:
            _set(future, error)

    def _settled(self, each: _Job) -> bool:
        """Return whether a job has an outcome, which its future then has."""
        if each.future.done():
            return True
        folder = each.job.paths.folder
        with suppress(OSError):
            os.utime(folder)  # so that a file system with a cache looks again
        if not each.job.paths.result_pickle.exists():
            return False
        self._settling.append((each.job, time.monotonic()))
        while self._settling[0][1] < time.monotonic() - SETTLED:
            self._settling.popleft()
        try:
            _set(each.future, each.job.result(), is_error=False)
        except Exception as error:
            _set(each.future, error)
        return True

    def _judge(self, each: _Job, state: str) -> None:
        """Give up a job that is over and leaves no result."""
        if not state or state in WAITS:  # nothing is known now, or it is not over
            each.future.over = None
            return
        now = time.monotonic()
        if each.future.over is None:
            each.future.over = now
        if state in ("COMPLETED", OVER) and now - each.future.over < GRACE:
            return
        if self._settled(each):
            return
        what = f"job {each.job.job_id} of SLURM ended as {state} and left no result"
        kinds = {"OUT_OF_MEMORY": JobOutOfMemory, "TIMEOUT": JobTimedOut, "DEADLINE": JobTimedOut}
        _set(each.future, kinds.get(state, NodeLost)(what))


def _states(jobs: list[Any]) -> dict[str, str]:
    """Return the state of each job, by its id; of none if SLURM does not answer."""
    if hasattr(jobs[0], "_process"):  # submitit's own, on this machine
        return {job.job_id: "RUNNING" if not job.done() else "FAILED" for job in jobs}
    question = ["squeue", "--noheader", "--states=all", "--format=%i %T", "-u", getpass.getuser()]
    try:
        told = subprocess.run(question, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    known = dict(line.split(maxsplit=1) for line in told.stdout.splitlines() if line.strip())
    return {job.job_id: known.get(job.job_id, OVER) for job in jobs}


def nodes_of(partition: str | None) -> set[str]:
    """Return the names of a partition's nodes, of all for None; none if SLURM does not answer."""
    question = ["sinfo", "--noheader", "--Node", "--format=%N"]
    if partition is not None:
        question.append(f"--partition={partition}")
    try:
        told = subprocess.run(question, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return set()
    return set(told.stdout.split())


def end(jobs: list[Any]) -> None:
    """End jobs, whatever they are doing; those that are over are passed over."""
    ids = []
    for job in jobs:
        process = getattr(job, "_process", None)
        if process is None:
            ids.append(str(job.job_id))
            continue
        with suppress(Exception):
            started = descendants(process.pid)
            process.kill()
            kill(started)
            process.wait()
    # The first for what runs (submitit's jobs answer no SIGTERM), the second for what waits.
    for how in (("--signal=KILL", "--full"), ()):
        for first in range(0, len(ids), 500):
            with suppress(OSError, subprocess.SubprocessError):  # SLURM does not answer
                subprocess.run(
                    ["scancel", "--quiet", *how, *ids[first : first + 500]],
                    capture_output=True, timeout=60, check=False,
                )  # fmt: skip


def _set(future: "Future[Any]", outcome: Any, is_error: bool = True) -> None:
    with suppress(InvalidStateError):  # it was cancelled meanwhile
        if is_error:
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
