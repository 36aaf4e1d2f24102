"""Progress of a search on stderr: best so far, evaluations per minute, ETA, failures, memo hits."""

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.evaluators.metrics import is_language

PLAIN_SECONDS = 15.0  # between two lines where stderr is not a terminal


class SearchProgress(Recorder):
    """A ``nas_gym.envs.recorder.Recorder`` that shows what it is told.

    Args:
        budget: Requests the search will make; None where another limit ends it.
        announcement: What to say when the search begins.
        console: Where to write; stderr by default.
    """

    def __init__(
        self, budget: int | None, announcement: str = "", console: Console | None = None
    ) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.budget = budget
        self.announcement = announcement
        self.running = False
        self.best: float | None = None  # the highest accuracy, or the lowest perplexity
        self.figure = "accuracy"  # or "perplexity", of language models
        self.trained = self.failed = self.memo = self.requests = self.recorded = 0
        self._failed_keys: set[str] = set()  # of recorded failures
        self._waiting = 0  # evaluated, but not yet handed to the agent
        self._started = self._said = time.monotonic()
        self._bar = Progress(
            TextColumn("search"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("search", total=budget, status=self.status())

    def __enter__(self) -> "SearchProgress":
        """Wait for ``started``."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop drawing; leaves one last line."""
        if not self.running:
            return
        self._bar.stop()
        self.console.print(self._line())

    @property
    def done(self) -> int:
        """Requests answered, and evaluations that are about to answer one."""
        done = self.requests + self._waiting
        return done if self.budget is None else min(self.budget, done)

    def started(self) -> None:
        """Say what begins, and draw."""
        self.running = True
        self.console.print(self.announcement, soft_wrap=True)
        self._started = self._said = time.monotonic()
        self._bar.start()

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Count requests that the record of a resumed run answered."""
        self.requests = self.recorded = first + len(answers)
        for answer in answers:
            self._note_best(answer)
            if answer.evaluation.failure is not None:
                self._failed_keys.add(answer.evaluation.architecture.key)
        self.failed = len(self._failed_keys)  # repeats of a failure are answered from the memo
        self._started = time.monotonic()  # the pace is that of new evaluations
        self._show()

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Count a new evaluation."""
        self.trained += 1
        self._waiting += 1
        self.failed += answer.evaluation.failure is not None
        self._note_best(answer)
        self._show()

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Count a batch of requests."""
        self.requests = first + len(answers)
        self._waiting = 0
        self.memo += sum(answer.evaluation.source == "memo" for answer in answers)
        for answer in answers:  # of what other runs have trained
            self._note_best(answer)
        self._show()

    def status(self) -> str:
        """Best accuracy or perplexity, pace, time left, failures and memo hits, in words."""
        minutes = max(time.monotonic() - self._started, 1e-9) / 60
        pace = (self.done - self.recorded) / minutes
        left = (self.budget - self.done) / pace * 60 if pace and self.budget else None
        recorded = [f"{self.recorded} from the record"] if self.recorded else []
        return ", ".join(
            [
                self._best_in_words(),
                f"{pace:.1f}/min",
                "ETA -" if left is None else f"ETA {int(left) // 60}:{int(left) % 60:02d}",
                f"{self.failed} failed",
                f"{self.memo} from memo",
                *recorded,
            ]
        )

    def _line(self) -> str:
        of = "" if self.budget is None else f"/{self.budget}"
        return f"{self.done}{of} evaluations, {self.status()}"

    def _best_in_words(self) -> str:
        if self.best is None:
            return "best -"
        if self.figure == "perplexity":
            return f"best perplexity {self.best:.2f}"
        return f"best {self.best:.4f}"

    def _note_best(self, answer: Answer) -> None:
        metrics = answer.evaluation.metrics
        if is_language(metrics):
            self.figure = "perplexity"
        value = metrics.get(self.figure)
        if value is not None:
            better = min if self.figure == "perplexity" else max
            self.best = value if self.best is None else better(self.best, value)

    def _show(self) -> None:
        self._bar.update(self._task, completed=self.done, status=self.status())
        now = time.monotonic()
        if not self.console.is_terminal and now - self._said >= PLAIN_SECONDS:
            self._said = now
            self.console.print(self._line())


class ChunkProgress:
    """Progress and time left.

    Args:
        total: Units.
        done: Those that were there before.
        console: Where to draw; stderr by default.
    """

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.total, self.before, self.done = total, done, done
        self._started = self._said = time.monotonic()
        self._bar = Progress(
            TextColumn("benchmark"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("benchmark", total=total, completed=done, status="ETA -")

    def __enter__(self) -> "ChunkProgress":
        """Draw."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop drawing; leaves one last line."""
        self._bar.stop()
        seconds = time.monotonic() - self._started
        here = self.done - self.before
        self.console.print(
            f"{self.done}/{self.total} parts done, {here} of them in these {seconds:.0f} s"
        )

    def advance(self, label: str) -> None:
        """Count one more that is done, or cannot be done; ``label`` says which."""
        self.done += 1
        elapsed = time.monotonic() - self._started
        left = elapsed / (self.done - self.before) * (self.total - self.done)
        status = f"ETA {int(left) // 60}:{int(left) % 60:02d}, {label}"
        self._bar.update(self._task, completed=self.done, status=status)
        now = time.monotonic()
        if not self.console.is_terminal and now - self._said >= PLAIN_SECONDS:
            self._said = now
            self.console.print(f"{self.done}/{self.total} parts, {status}")
