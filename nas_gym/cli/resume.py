"""``nas-gym resume``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas_gym.cli.shared import (
    AsJson,
    OptionalCount,
    OptionalNumber,
    RunName,
    StorePlace,
    Top,
    Trust,
    Workers,
    at_least_one,
    budget_in_words,
    cores,
    count_of,
)
from nas_gym.store.location import DEFAULT_STORE, check_there, shown_store

if TYPE_CHECKING:
    from nas_gym.store import RunData


@dataclass(frozen=True)
class Resume:
    """Continue a run that was cut, exactly where it was; all its options are in the record."""

    run: RunName
    store: StorePlace = str(DEFAULT_STORE)
    budget: OptionalCount = None
    """A larger budget than the run was begun with."""
    workers: Workers = None
    timeout: OptionalNumber = None
    """Seconds that a child may take; the run's own limit by default, inf for none."""
    memory_limit: OptionalNumber = None
    """GiB that a child may allocate; the run's own limit by default, inf for none."""
    top: Top = 5
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Finish the run; return 0 when its budget was spent, 1 if no child could be evaluated."""
        workers = cores() if self.workers is None else self.workers
        at_least_one(workers=workers, top=self.top)
        check_there(self.store)
        from nas_gym.cli.output import present, status_of
        from nas_gym.runs.findings import Findings
        from nas_gym.store import load_run

        data = load_run(self.run, self.store)
        if data.status != "finished" or self.budget not in (None, len(data.rows)):
            self._go_on(data, workers)
            data = load_run(self.run, self.store)
        found = Findings.of(data, self.trust)
        present(found, self.store, None, self.top, self.json)
        return status_of(found)

    def _go_on(self, data: "RunData", workers: int) -> None:
        from nas_gym.cli.output import say_what_is_read, watched
        from nas_gym.runs.config import recorded_metric
        from nas_gym.runs.progress import SearchProgress
        from nas_gym.runs.resume import resume

        budget = data.config["budget"] if self.budget is None else self.budget
        seconds = data.config.get("simulated", {}).get("budget_seconds")
        progress = SearchProgress(
            budget,
            f"run {self.run} goes on after {len(data.rows) + len(data.unanswered)} evaluations of "
            f"{budget_in_words(budget, seconds)}, "
            f"{count_of(workers, 'worker')}; "
            f"recorded in {shown_store(self.store)}",
            leading=recorded_metric(data.config),
        )
        say_what_is_read(data)
        with watched(progress, self.run, self.store):
            resume(
                self.run,
                self.store,
                budget=self.budget,
                workers=workers,
                timeout=self.timeout,
                memory_limit=self.memory_limit,
                watcher=progress,
                trust=self.trust,
            )
