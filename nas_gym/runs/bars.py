"""A bar on stderr that fits the terminal's line; elsewhere a plain line from time to time."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from nas_gym.options.durations import time_in_words
from nas_gym.options.printable import printable, shortened
from nas_gym.runs.console import PlainConsole

PLAIN_SECONDS = 15.0  # between two lines if stderr is not a terminal
BAR, ELAPSED = 10, 11  # characters of the bar, and of the longest time, "99 h 59 min"


class Bar:
    """A bar on a terminal; elsewhere a line from time to time.

    Args:
        title: What is under way.
        total: Units; None if they are not known.
        console: Where to write; stderr by default.
    """

    def __init__(self, title: str, total: int | None, console: Console | None) -> None:
        self.console = console or PlainConsole(stderr=True, highlight=False)
        self.total = total
        self._begun = self._said = time.monotonic()
        self._bar = Progress(
            _Title(self),
            BarColumn(bar_width=BAR),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            _Elapsed(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._title, self._title_width = title, len(title)
        self._task = self._bar.add_task(title, total=total, status="")

    def title(self) -> str:
        """Return what is under way now."""
        return self._title

    def _show(self, completed: int, status: str, line: str) -> None:
        """Draw the bar, or print ``line`` if it is time to.

        Args:
            completed: Units.
            status: What is to be known, the most important first; what has no room is left out.
            line: All of it.
        """
        self._bar.update(self._task, completed=completed, status=self._fitting(printable(status)))
        now = time.monotonic()
        if not self.console.is_terminal and now - self._said >= PLAIN_SECONDS:
            self._said = now
            self.console.print(line, soft_wrap=True, markup=False)

    def _fitting(self, status: str) -> str:
        """Return as many of the parts as the terminal's line has room for."""
        counts = len(f"{self.total}/{self.total}" if self.total else "1,000/?")
        room = self.console.width - self._title_width - BAR - counts - ELAPSED - 4  # blanks between
        parts = status.split(", ")
        while len(parts) > 1 and len(", ".join(parts)) > room:
            parts.pop()
        return shortened(", ".join(parts), max(8, room))

    @staticmethod
    def _eta(seconds: float | None) -> str:
        return "ETA -" if seconds is None else f"ETA {time_in_words(round(seconds))}"


class _Title(ProgressColumn):
    """What is under way, asked for whenever the bar is drawn."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self._of = bar

    def render(self, task: Task) -> Text:
        """Return it."""
        return Text(self._of.title().ljust(self._of._title_width))


class _Elapsed(ProgressColumn):
    """The time since a bar was begun, in words."""

    def render(self, task: Task) -> Text:
        """Return it."""
        return Text(time_in_words(int(task.elapsed or 0)), style="progress.elapsed")


class LaterBar(Bar):
    """A bar that draws nothing before it is told that the work has begun."""

    running = False

    def __enter__(self) -> Self:
        """Wait until it is told."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop drawing; leave one last line."""
        if self._bar.live.is_started:
            self._bar.stop()
        if self.running:
            self.console.print(self._line(), soft_wrap=True, markup=False)

    def _line(self) -> str:
        """Return the state in a line."""
        raise NotImplementedError
