"""``nas-gym resume``."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from nas_gym.cli.output import budget_in_words, cores, count_of, present, status_of, watched
from nas_gym.errors import InvalidOption
from nas_gym.runs.progress import SearchProgress
from nas_gym.runs.resume import resume
from nas_gym.store import DEFAULT_STORE, load_run
from nas_gym.store.location import shown_store


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was cut, exactly where it was; all its options are in the record."""

    run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """Name of the run (`nas-gym list`)."""
    store: str = str(DEFAULT_STORE)
    """The results database that has it: a SQLite file, or postgresql://host/name."""
    budget: int | None = None
    """A larger budget than it was begun with, to search on."""
    workers: int | None = None
    """Processes that train children; all cores by default. Any number gives the same results."""
    timeout: float | None = None
    """Seconds that a child may take; the run's own limit by default, inf for none."""
    memory_limit: float | None = None
    """GiB that a child may allocate; the run's own limit by default, inf for none."""
    top: int = 5
    """Architectures in the result."""
    json: bool = False
    """Print the result as JSON."""

    def __call__(self) -> int:
        """Finish the run; 0 when its budget was spent, 1 if no child could be evaluated."""
        workers = cores() if self.workers is None else self.workers
        for name, value in (("workers", workers), ("top", self.top)):
            if value < 1:
                raise InvalidOption(f"--{name} is {value}: give 1 or more")
        data = load_run(self.run, self.store)
        budget = data.config["budget"] if self.budget is None else self.budget
        if data.status != "finished" or self.budget not in (None, len(data.rows)):
            seconds = data.config.get("simulated", {}).get("budget_seconds")
            self._go_on(budget, seconds, workers, len(data.rows) + len(data.unanswered))
            data = load_run(self.run, self.store)
        present(data, self.store, None, self.top, self.json)
        return status_of(data)

    def _go_on(
        self, budget: int | None, seconds: float | None, workers: int, recorded: int
    ) -> None:
        progress = SearchProgress(
            budget,
            f"run {self.run} goes on after {recorded} evaluations of "
            f"{budget_in_words(budget, seconds)}, "
            f"{count_of(workers, 'worker')}; "
            f"recorded in {shown_store(self.store)}",
        )
        with watched(progress, self.run, self.store):
            resume(
                self.run,
                self.store,
                budget=self.budget,
                workers=workers,
                timeout=self.timeout,
                memory_limit=self.memory_limit,
                watcher=progress,
            )
