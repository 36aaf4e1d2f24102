"""Progress on stderr: of a search, and of a benchmark in parts."""

import math
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console

from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.evaluators.metrics import ACCURACY, Metric, leader_of
from nas_gym.options.durations import time_in_words
from nas_gym.runs.bars import Bar, LaterBar
from nas_gym.runs.flying import flying_in_words

PHASES = ("starting", "preparing", "training", "waiting")
PATIENCE = 1.0  # seconds in which nothing is trained before the search is said to wait


class SearchProgress(LaterBar, Recorder):
    """Phase, best so far, evaluations per minute, time left, failures and memo hits of a search.

    The phases: it is starting (the workers, say) until a child is trained, and preparing what
    comes before others; then it is training children, or waiting: for another run that trains
    them, or for the agent.

    A ``nas_gym.envs.recorder.Recorder`` that shows what it is told.

    Args:
        budget: Requests the search will make; None if another limit ends it.
        announcement: What to say when the search begins.
        place: What to say behind it, and behind how many children are in flight.
        console: Where to write; stderr by default.
        leading: The metric by which architectures are compared; by default the one that the first
            evaluation tells.
        time_limit: Wall-clock seconds after which it ends at the latest; None for no limit.
        data: Returns what was read, in lines; asked when the search begins.
    """

    def __init__(
        self,
        budget: int | None,
        announcement: str = "",
        console: Console | None = None,
        leading: Metric | None = None,
        time_limit: float | None = None,
        data: Callable[[], Sequence[str]] = tuple,
        place: str = "",
    ) -> None:
        super().__init__("search", budget, console)
        self.place = place
        self.data = data
        self.announcement = announcement
        self.leading = leading
        self._time_limit, self._ends = time_limit, math.inf
        self.best: float | None = None  # value of the leading metric
        self.trained = self.failed = self.memo = self.requests = self.recorded = 0
        self._failed_keys: set[str] = set()  # of recorded failures
        self._waiting = 0  # evaluated, but not yet handed to the agent
        self._preparation = ""  # what comes before the next answer, and how much of it is done
        self._title_width = max(map(len, PHASES))
        self._begun_to_train = False
        self._training = self._elsewhere = 0  # children that are awaited
        self._idle_since = math.inf  # of time.monotonic(); while nothing is trained

    @property
    def done(self) -> int:
        """Requests answered, and evaluations that are about to answer one."""
        done = self.requests + self._waiting
        return done if self.total is None else min(self.total, done)

    def started(self) -> None:
        """Say what begins, and draw."""
        self.running = True
        for line in (*self.data(), f"{self.announcement}{self.place}"):
            self.console.print(line, soft_wrap=True, markup=False)
        self._begun = self._said = time.monotonic()
        self._ends = math.inf if self._time_limit is None else self._begun + self._time_limit
        self._bar.start()

    def flying(self, number: int) -> None:
        """Say with what begins that it is asynchronous."""
        self.announcement += f", {flying_in_words(number)}"

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show how much is done of what comes before the next answer."""
        self._bar.start()
        self._preparation = "" if done >= total else f"{done:,}/{total:,} {what}"
        self._draw()

    def phase(self, training: int, elsewhere: int) -> None:
        """Show what is waited for."""
        idle = not training and not elsewhere
        self._idle_since = time.monotonic() if idle else math.inf
        differs = elsewhere != self._elsewhere
        self._training, self._elsewhere, self._begun_to_train = training, elsewhere, True
        if differs or not self.done:
            self._draw()

    def title(self) -> str:
        """Return the phase."""
        starting, preparing, training, waiting = PHASES
        if not self._begun_to_train or (self._preparation and not self.trained):
            return starting
        if self._preparation:
            return preparing
        elsewhere = self._elsewhere and not self._training
        idle = time.monotonic() - self._idle_since > PATIENCE
        return waiting if elsewhere or idle else training

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Count requests that the record of a resumed run answered."""
        self.requests = self.recorded = first + len(answers)
        for answer in answers:
            self._note_best(answer)
            if answer.evaluation.failure is not None:
                self._failed_keys.add(answer.evaluation.architecture.key)
        self.failed = len(self._failed_keys)  # repeats of a failure are answered from the memo
        self._begun = time.monotonic()  # the pace is that of new evaluations
        self._draw()

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Count a new evaluation."""
        self.trained += 1
        self._waiting += 1
        self.failed += answer.evaluation.failure is not None
        self._note_best(answer)
        self._draw()

    def doubted(self, said: str) -> None:
        """Say what is wrong with a network."""
        self.console.print(f"warning: {said}", soft_wrap=True, markup=False)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Count a batch of requests."""
        self._begun_to_train = True
        self.requests = first + len(answers)
        self._waiting = max(0, self._waiting - len(answers))
        self.memo += sum(answer.evaluation.source == "memo" for answer in answers)
        for answer in answers:  # some are what other runs have trained
            self._note_best(answer)
        self._draw()

    def status(self) -> str:
        """Return the best value, pace, time left, failures and memo hits, in words."""
        minutes = max(time.monotonic() - self._begun, 1e-9) / 60
        pace = (self.done - self.recorded) / minutes
        left = (self.total - self.done) / pace * 60 if pace and self.total else None
        if self._ends < math.inf:
            left = max(0.0, min(self._ends - time.monotonic(), math.inf if left is None else left))
        others = [f"{self._elsewhere} in another run"] if self._elsewhere else []
        recorded = [f"{self.recorded} from the record"] if self.recorded else []
        return ", ".join(
            [
                *([self._preparation] if self._preparation else []),
                *others,
                self._best_in_words(),
                f"{pace:.1f}/min" if pace < 100 else f"{pace:,.0f}/min",
                self._eta(left),
                f"{self.failed} failed",
                f"{self.memo} from memo",
                *recorded,
            ]
        )

    def _line(self, phase: str = "") -> str:
        of = "" if self.total is None else f"/{self.total}"
        return f"{self.done}{of} evaluations, {phase}{self.status()}"

    def _best_in_words(self) -> str:
        if self.leading is None or self.best is None:
            return "best -"
        named = "" if self.leading == ACCURACY else f"{self.leading.words} "
        return f"best {named}{self.leading.in_words(self.best)}"

    def _note_best(self, answer: Answer) -> None:
        metrics = answer.evaluation.metrics
        if self.leading is None and metrics:
            self.leading = leader_of(metrics)
        value = None if self.leading is None else metrics.get(self.leading.name)
        if self.leading is not None and value is not None:
            self.best = value if self.best is None else self.leading.best_of(self.best, value)

    def _draw(self) -> None:
        begun = self.done or self._preparation or self._elsewhere
        status = self.status() if begun else self._first_in_words()
        self._show(self.done, status, self._line(f"{self.title()}, "))

    def _first_in_words(self) -> str:
        """Return what is under way before anything is known of it."""
        if not self._training:
            return ""
        return "the first child" if self._training == 1 else f"the first {self._training} children"


class TableProgress(LaterBar):
    """Trainings of a table that are done, and the time left.

    Args:
        announcement: What to say when the first one begins.
        console: Where to draw; stderr by default.
        time_limit: Wall-clock seconds after which it ends at the latest; None for no limit.
    """

    def __init__(
        self,
        announcement: str,
        console: Console | None = None,
        time_limit: float | None = None,
    ) -> None:
        super().__init__("table", None, console)
        self.announcement, self._time_limit = announcement, time_limit
        self.before = self.done = self.failed = self.recorded = 0

    def show(self, done: int, total: int, failed: int, recorded: int = 0) -> None:
        """Show how many trainings of how many are done.

        Args:
            done: Those that the table has.
            total: Those that it is to have.
            failed: Of those done.
            recorded: Of those done since this was shown first, without a training.
        """
        self.done, self.total, self.failed, self.recorded = done, total, failed, recorded
        if not self.running:
            self.running, self.before, self._begun = True, done, time.monotonic()
            self.console.print(self.announcement, soft_wrap=True, markup=False)
            self._bar.update(self._task, total=total)
            self._bar.start()
        self._show(done, self.status(), self._line())

    def status(self) -> str:
        """Return pace, time left and failures, in words."""
        minutes = max(time.monotonic() - self._begun, 1e-9) / 60
        pace = (self.done - self.before - self.recorded) / minutes
        left = ((self.total or 0) - self.done) / pace * 60 if pace else None
        if self._time_limit is not None:
            ends = max(0.0, self._begun + self._time_limit - time.monotonic())
            left = ends if left is None else min(left, ends)
        return f"{pace:.1f}/min, {self._eta(left)}, {self.failed} failed"

    def _line(self) -> str:
        return f"{self.done}/{self.total} trainings, {self.status()}"


class ChunkProgress(Bar):
    """Parts of a benchmark that are done, and the time left.

    Args:
        total: Parts.
        done: Those that were done before.
        console: Where to draw; stderr by default.
    """

    def __init__(self, total: int, done: int, console: Console | None = None) -> None:
        super().__init__("benchmark", total, console)
        self.parts, self.before, self.done = total, done, done
        self._bar.update(self._task, completed=done, status=self._eta(None))

    def __enter__(self) -> Self:
        """Draw."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop drawing; leave one last line."""
        self._bar.stop()
        seconds = round(time.monotonic() - self._begun)
        here = self.done - self.before
        self.console.print(
            f"{self.done}/{self.parts} parts done, {here} of them in these {time_in_words(seconds)}"
        )

    def advance(self, label: str) -> None:
        """Count one more that is done, or cannot be done; ``label`` says which."""
        self.done += 1
        elapsed = time.monotonic() - self._begun
        left = elapsed / (self.done - self.before) * (self.parts - self.done)
        status = f"{self._eta(left)}, {label}"
        self._show(self.done, status, f"{self.done}/{self.parts} parts, {status}")
