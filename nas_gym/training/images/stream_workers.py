"""The worker processes that read images, by torch's ``DataLoader``, and what is said when one ends.

One loader serves all that is asked for: the training part, which never ends, and the parts that are
measured now and then. What workers read ahead of one is kept while another is asked for.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.training.ctrl_c import ctrl_c_held
from nas_gym.training.images.pictures import check_scales
from nas_gym.training.images.stream_reading import ImageReader, Images, Refusal, Request
from nas_gym.training.main_script import NO_MAIN_GUARD, check_main_process

AHEAD = 2  # batches that a worker reads before they are asked for
PATIENCE = 5.0  # seconds until the end of a worker is known, after what it sent was cut off
_ENDED = (RuntimeError, OSError, EOFError)  # raised where a worker is no more there


class Line:
    """Requests, and what came of those that were sent to the workers, in their order.

    Args:
        requests: As they will be taken.
    """

    def __init__(self, requests: Iterator[Request]) -> None:
        self.requests = requests
        self.results: deque[Images | Refusal] = deque()
        self.open = True


class _Lines(Sampler[Request]):
    """All requests, in the order in which they are sent: those of the line that is wanted first."""

    def __init__(self, endless: Line) -> None:
        self.wanted = [endless]  # the last one first
        self.sent: deque[Line] = deque()  # whose request is with the workers

    def __iter__(self) -> Iterator[Request]:
        while True:
            line = self.wanted[-1]
            request = next(line.requests, None)
            if request is None:
                self.wanted.pop()
            else:
                self.sent.append(line)
                yield request


class DataWorkers:
    """Processes that read images; they start when the first image is asked for.

    Args:
        reader: What each of them does.
        count: How many, >= 0; without any, this process reads.
        line: One without an end, which is read ahead whenever no other one is wanted.
    """

    def __init__(self, reader: ImageReader, count: int, line: Line) -> None:
        self.count = count
        self._reader = reader
        self._lines = _Lines(line)
        self._iterator: Any = None
        self._failure: NASGymError | None = None
        self._scales: dict[str, str] = {}

    def take(self, line: Line) -> Images:
        """Return the next images of a line.

        Raises:
            InvalidDataset: They cannot be read.
            InvalidOption: This process cannot have workers.
            NASGymError: A worker has ended.
        """
        if self._failure is not None:
            raise self._failure
        wanted = self._lines.wanted
        wanted[:] = [*(each for each in wanted if each is not line), line]
        while not line.results:
            try:
                result = self._next()
            except NASGymError as error:
                self.close()
                self._failure = error
                raise
            of = self._lines.sent.popleft()
            if of.open:
                of.results.append(result)
        result = line.results.popleft()
        if isinstance(result, Refusal):
            raise result.kind(result.text)
        self._scales |= result.scales
        check_scales(self._scales)
        return result

    def drop(self, line: Line, instead: Line | None = None) -> None:
        """Forget a line, and what was read for it; another one without an end may replace it."""
        line.open = False
        line.results.clear()
        first = [] if instead is None else [instead]
        others = [each for each in self._lines.wanted if each is not line]
        self._lines.wanted[:] = first + others

    def close(self) -> None:
        """End the workers."""
        iterator, self._iterator = self._iterator, None
        end = getattr(iterator, "_shutdown_workers", None)
        if end is not None:  # else it ends them when nothing refers to it
            end()

    def _next(self) -> Images | Refusal:
        if self._iterator is None:
            self._iterator = self._started()
        try:
            result: Images | Refusal = next(self._iterator)
        except _ENDED as error:
            ended = _ended(getattr(self._iterator, "_workers", ()))
            if not ended:
                raise
            raise _end_in_words(ended[0]) from error
        return result

    def _started(self) -> Any:
        """Return an iterator over what the workers read."""
        own: dict[str, Any] = {}
        if self.count:
            check_main_process(
                "data workers: let the main process train, or read in this one with "
                "data_workers=0",
                "data workers", "read in this process with data_workers=0",
            )  # fmt: skip
            own = {
                # Not forked: a process with threads may hang after that.
                "multiprocessing_context": multiprocessing.get_context("spawn"),
                "prefetch_factor": AHEAD,
                "worker_init_fn": _begin,
            }
        loader: Any = DataLoader(
            self._reader,  # type: ignore[arg-type]  # it has all that is used of a Dataset
            batch_size=None,
            sampler=self._lines,
            num_workers=self.count,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # torch's own is the network's
            **own,
        )
        try:
            with _starting():
                return iter(loader)
        except (OSError, EOFError, RuntimeError, MemoryError) as error:
            raise NASGymError(
                f"no data worker can be started ({type(error).__name__}: {error}): free processes, "
                "open files or memory, or read in this process with data_workers=0"
            ) from error


def _as_it_is(result: Any) -> Any:
    return result


def _begin(number: int) -> None:
    """Prepare a worker: Ctrl-C reaches all processes of a terminal, and the main one answers it."""
    del number
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Show an error of a thread, unless it is that the main process is gone while it sends."""
    if not issubclass(kind, (OSError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def _end_with_parent() -> None:
    """End when the main process does; torch does not notice if that was while we started."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _starting() -> Iterator[None]:
    """Keep Ctrl-C from processes that start, and torch from raising errors wherever we are.

    Its handler of SIGCHLD raises between any two instructions of the training; that a worker has
    ended is found out anyway when its images are waited for.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGCHLD)
    try:
        with ctrl_c_held(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how many workers there are is the user's choice
            yield
    finally:
        if main and handler is not None:
            signal.signal(signal.SIGCHLD, handler)


def _ended(workers: Any) -> list[int]:
    """Return the exit statuses of workers that have ended, after waiting a little for one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = [worker.exitcode for worker in workers if worker.exitcode is not None]
        if ended or not workers or time.monotonic() > deadline:
            return ended
        time.sleep(0.05)


def _end_in_words(status: int) -> NASGymError:
    if status == NO_MAIN_GUARD:
        return InvalidOption(
            "data workers import the main script, and this one would train again in each: put what "
            'it runs under `if __name__ == "__main__":`'
        )
    name, hint = "", "by someone, or by the system because memory ran out: look at the free memory"
    with suppress(ValueError):
        name = f" ({signal.Signals(-status).name})"
    if name == " (SIGBUS)":
        hint = (
            "most likely because shared memory (/dev/shm) is full: give it more room, or fewer data"
            " workers or a smaller batch"
        )
    how = f"was killed by signal {-status}{name}" if status < 0 else f"ended with status {status}"
    return NASGymError(f"a data worker {how}, {hint}; go on with resume=True")
