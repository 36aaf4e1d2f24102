"""A worker process as its pool sees it: what it is given, what it says, how it ends."""

import os
import signal
import time
from contextlib import suppress
from multiprocessing.context import BaseContext
from typing import NamedTuple

from nas_gym.evaluators.workers.keeper import descendants, kill
from nas_gym.evaluators.workers.worker import DONE, READY, STARTED, serve

GRACE = 5.0  # seconds for a killed process to be gone
LOST_TRACK = 255  # exit status that is reported if the fork server died, not the worker


class Lost(NamedTuple):
    """The reason why a job has no outcome."""

    failure: str  # "crashed" or "timeout"
    seconds: float  # since the job began, >= 0
    detail: str


Outcome = tuple[int, bytes | Lost]  # the job's position, and what came back


class WorkerProcess:
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

    def give(self, position: int, job: bytes) -> None:
        """Send a job."""
        self.job, self.started, self.began = position, False, float("inf")
        with suppress(OSError):  # if it is dead, the next wait will tell
            self.connection.send_bytes(job)

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
