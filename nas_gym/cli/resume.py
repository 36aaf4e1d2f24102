"""``nas-gym resume``."""

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas_gym.cli.devices import recorded_device, say_devices
from nas_gym.cli.shared import (
    AsJson,
    OptionalCount,
    OptionalNumber,
    OptionalText,
    OptionalTime,
    RunName,
    StorePlace,
    Top,
    Trust,
    Workers,
    at_least_one,
    budget_in_words,
    count_of,
    say_one_process,
)
from nas_gym.options.durations import seconds_of
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE, check_there, resume_command, shown_store
from nas_gym.training.machine import cores

if TYPE_CHECKING:
    from nas_gym.store import RunData


@dataclass(frozen=True)
class Resume:
    """Continue a run that was cut, exactly where it was; all its options are in the record."""

    run: RunName
    store: StorePlace = str(DEFAULT_STORE)
    budget: OptionalCount = None
    """A larger budget than the run was begun with."""
    time: OptionalTime = None
    """Wall-clock time after which it ends again, e.g. 20m; the run's own by default, unless
    --budget is given; inf for no limit."""
    workers: Workers = None
    device: OptionalText = None
    """Another device that trains, or several (cuda:0,cuda:1), of the kind that the run had; as
    before by default."""
    timeout: OptionalNumber = None
    """Seconds that a child may take; the run's own limit by default, inf for none."""
    memory_limit: OptionalNumber = None
    """GiB that a child may allocate; the run's own limit by default, inf for none."""
    top: Top = 5
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Finish the run; return 0 when its budget was spent, 1 if no child could be evaluated."""
        at_least_one(budget=self.budget, workers=self.workers, top=self.top)
        time_limit = seconds_of("--time", self.time)
        check_there(self.store)
        from nas_gym.cli.output import present, status_of
        from nas_gym.runs.findings import Findings
        from nas_gym.store import load_run

        data = load_run(self.run, self.store)
        if data.status != "finished" or self.budget not in (None, len(data.rows)):
            self._go_on(data, time_limit)
            data = load_run(self.run, self.store)
        found = Findings.of(data, self.trust)
        present(found, self.store, None, self.top, self.json)
        _say_where_the_data_was(data)
        return status_of(found)

    def _workers(self, data: "RunData") -> int:
        """Return the number of workers: as given, or a core each; one for a stateful evaluator."""
        if self.workers is not None:
            return self.workers
        if data.sessions and data.sessions[-1].get("one_process"):
            say_one_process()
            return 1
        return cores()

    def _go_on(self, data: "RunData", time_limit: float | None) -> None:
        from nas_gym.cli.output import say_time_up, say_what_is_read, watched
        from nas_gym.runs.config import recorded_metric
        from nas_gym.runs.progress import SearchProgress
        from nas_gym.runs.resume import device_option, resume, session_seconds

        workers = self._workers(data)
        seconds_of_session = session_seconds(data.config, self.budget, time_limit)
        budget = data.config["budget"] if self.budget is None else self.budget
        simulated = data.config.get("simulated", {})
        seconds, epochs = (simulated.get(f"budget_{unit}") for unit in ("seconds", "epochs"))
        progress = SearchProgress(
            budget,
            f"run {self.run} goes on after {len(data.rows) + len(data.unanswered)} evaluations of "
            f"{budget_in_words(budget, seconds, epochs, seconds_of_session)}, "
            f"{count_of(workers, 'worker')}; "
            f"recorded in {shown_store(self.store)}",
            leading=recorded_metric(data.config),
            time_limit=seconds_of_session,
        )
        say_what_is_read(data)
        device = recorded_device(data.config)
        if self.device is not None:
            device = device_option(self.device, data)["device"]
        say_devices(device, workers)
        again = resume_command(self.run, self.store, data.config)
        with watched(progress, again):
            result = resume(
                self.run,
                self.store,
                budget=self.budget,
                workers=workers,
                timeout=self.timeout,
                memory_limit=self.memory_limit,
                watcher=progress,
                time_limit=time_limit,
                trust=self.trust,
                device=self.device,
            )
        say_time_up(result.time_up, again)


def _say_where_the_data_was(data: "RunData") -> None:
    """Say what was read, if it was a path: it lay where the run was begun, not here."""
    place = data.config["evaluator"].get("dataset")
    if isinstance(place, str) and os.path.isabs(place):
        what = "folder" if os.path.isdir(place) else "file"
        print(f"the data was read from the {what} {printable(place)}", file=sys.stderr)
