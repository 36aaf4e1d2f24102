"""Ctrl-C while processes start: all of a terminal get it, and only the main one answers it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker


@contextmanager
def ctrl_c_held() -> Iterator[None]:
    """Hold Ctrl-C back until the end; processes that are started meanwhile never get it.

    One that is still importing would print a traceback. Each has to say how it answers Ctrl-C, and
    may then allow it again.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    with suppress(OSError):
        resource_tracker.ensure_running()  # which would allow it again, when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
