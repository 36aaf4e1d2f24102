"""Ctrl-C and SIGTERM, at any moment: one line, exit status 130 or 143, and no process left behind.

Before a run begins there is nothing to save, and an exception out of the middle of torch's import
would end in anything: the process says its line and ends at once. Only where a record is being
written is an exception raised, so that what was evaluated is kept and the run says so itself.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

PATIENCE = 1.0  # seconds after the first Ctrl-C in which a second one is taken for the same
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Answer:
    """The answer to the next signal: what is said, and whether an exception is raised."""

    def __init__(self) -> None:
        self.says = "interrupted"
        self.raises: Callable[[], bool] = lambda: False
        self.first: float | None = None  # time.monotonic() of the signal that is being answered

    def __call__(self, number: int, frame: object) -> None:
        if self.first is not None:
            if time.monotonic() - self.first > PATIENCE:
                self.leave(number)
            return
        if not self.raises():
            self.leave(number)
        self.first = time.monotonic()
        if number == signal.SIGTERM:
            raise SystemExit(128 + number)
        raise KeyboardInterrupt

    def leave(self, number: int) -> None:
        """End this process and what it started, now."""
        for ignored in SIGNALS:
            signal.signal(ignored, signal.SIG_IGN)
        with suppress(Exception):
            sys.stdout.flush()
        with suppress(OSError):
            shown = "\x1b[?25h\r" if os.isatty(2) else ""  # a bar may have hidden the cursor
            os.write(2, f"{shown}nas-gym: {self.says}\n".encode(errors="backslashreplace"))
        _end_children()
        os._exit(128 + number)


_answer = _Answer()


@contextmanager
def answered() -> Iterator[None]:
    """Answer both signals as this page says, until the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _answer.__init__()  # type: ignore[misc]
    before = {number: signal.getsignal(number) for number in SIGNALS}
    hook = sys.unraisablehook
    sys.unraisablehook = _try_again
    for number in SIGNALS:
        if before[number] != signal.SIG_IGN:  # as `nohup` and a shell's `&` leave it
            signal.signal(number, _answer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


@contextmanager
def during(says: str, raises: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Say this if a signal comes in the block.

    Args:
        says: The line, without the command's name.
        raises: Whether KeyboardInterrupt or SystemExit is raised instead, at that moment: then
            the block says itself what is to be said.
    """
    before = _answer.says, _answer.raises
    _answer.says, _answer.raises = says, raises
    try:
        yield
    finally:
        _answer.says, _answer.raises = before


def _try_again(lost: Any) -> None:
    """Answer a signal again whose exception came where Python ignores them, as in ``__del__``."""
    if not issubclass(lost.exc_type, KeyboardInterrupt | SystemExit):
        sys.__unraisablehook__(lost)
        return
    _answer.first = None
    number = signal.SIGINT if issubclass(lost.exc_type, KeyboardInterrupt) else signal.SIGTERM
    again = threading.Timer(0.05, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _end_children() -> None:
    """Kill the workers and the server that forks them, which else imports torch to its end."""
    with suppress(Exception):
        processes = sys.modules.get("multiprocessing.process")
        children = getattr(processes, "_children", ())
        server = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
        pids = [child.pid for child in list(children)]
        for pid in pids:
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # a worker leads a group of its own
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        pid = getattr(server, "_forkserver_pid", None)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
