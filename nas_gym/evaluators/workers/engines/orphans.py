"""Jobs that nobody waits for: they end by themselves when whoever asked was killed.

A batch system knows nothing of the process that submitted a job. So that process writes a number
into a file that all nodes share, a new one every few seconds, and a job that sees the same number
for minutes, or no file at all, ends itself. No two clocks are compared.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

BEAT = 10.0  # seconds between two numbers
ABANDONED = 300.0  # seconds without a new one, after which a job ends


class Pulse:
    """A file that shows that this process is there.

    Args:
        folder: Shared by all nodes.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "pulse"
        self._file.write_text("0")
        self._stop = threading.Event()
        threading.Thread(target=self._beat, name="nas-gym-pulse", daemon=True).start()
        self.watched = Watched(str(self._file), ABANDONED)

    def stop(self) -> None:
        """Write no more."""
        self._stop.set()

    def _beat(self) -> None:
        number = 0
        while not self._stop.wait(BEAT):
            number += 1
            with suppress(OSError):  # a full disk, or the folder was removed at the end
                self._file.write_text(str(number))


class Watched:
    """A function of functions, which calls one in a job and watches for whoever waits for it.

    Args:
        file: Of the pulse.
        patience: Seconds.
    """

    def __init__(self, file: str, patience: float) -> None:
        self._file, self._patience = file, patience

    def __call__(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return ``fn(*args)``, unless this process has to end meanwhile."""
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            return fn(*args, **kwargs)
        finally:
            done.set()

    def _watch(self, done: threading.Event) -> None:
        last, since = "", time.monotonic()
        while time.monotonic() - since < self._patience:
            if done.wait(min(BEAT, self._patience / 4)):
                return
            try:
                now = Path(self._file).read_text()
            except FileNotFoundError:  # the search is over
                break
            except OSError:  # the file system has a bad moment
                continue
            if now != last:
                last, since = now, time.monotonic()
        os._exit(1)  # what a child started ends with it (see ``keeper``)
