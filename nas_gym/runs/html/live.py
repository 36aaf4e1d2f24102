"""The page of a search that goes on, written anew from time to time."""

import logging
import math
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.runs.findings import Findings
from nas_gym.runs.html.written import write_page
from nas_gym.store import load_run

SECONDS = 10  # between two pages, at least
SHARE = 20  # a page takes at most one part in so many of the time

_log = logging.getLogger("nas_gym")


class LivePage(Recorder):
    """A watcher that writes the page of its run while the search goes on.

    In a ``with`` block it writes it once more if an exception ends the search, so that no browser
    waits for more.

    Args:
        run: Name of the run.
        store: Where it is recorded.
        path: Of the page; its folder is made.
        trust: Modules of the user's that may be imported.
    """

    def __init__(
        self, run: str, store: str | Path, path: Path, trust: Collection[str] = ()
    ) -> None:
        self.run, self.store = run, store
        self.path, self.trust = path, tuple(trust)
        self._next = 0.0

    def started(self) -> None:
        """Wait for the first answer."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Write the page if it is time to: the answers are in the record."""
        begun = time.monotonic()
        if begun >= self._next and self._write(SECONDS):
            took = time.monotonic() - begun
            self._next = time.monotonic() + max(SECONDS, SHARE * took)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the page of a search that an exception ended; of others the report is written."""
        if error is not None and 0 < self._next < math.inf:
            self._write(0)

    def _write(self, refresh: int) -> bool:
        """Write the page, and return whether that went well."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            found = Findings.of(load_run(self.run, self.store), self.trust)
            write_page([found], self.store, self.path, refresh=refresh)
        except Exception as error:  # no page is worth a search
            _log.warning("the page %s cannot be written: %s", self.path, error)
            self._next = math.inf
            return False
        return True
