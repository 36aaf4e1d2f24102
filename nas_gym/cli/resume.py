"""``nas-gym resume``."""

import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas_gym.cli.ask_tell import served
from nas_gym.cli.devices import recorded_device, say_devices
from nas_gym.cli.executors import ExecutorName, executor_for, trained_by
from nas_gym.cli.settings import Assignments, settings_of
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
    check_limits,
    say_one_process,
)
from nas_gym.cli.streams import kept_for_json
from nas_gym.cli.watching import Html, ToTensorBoard, watchers
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
    budget_epochs: OptionalCount = None
    """A larger budget of epochs, of a run that has one."""
    time: OptionalTime = None
    """Wall-clock time after which it ends again, e.g. 20m; the run's own by default, unless
    a budget is given; inf for no limit."""
    workers: Workers = None
    executor: ExecutorName = None
    """Engine that trains children; the one that the run had last by default, unless --workers are
    given."""
    set: Assignments = ()
    """An option of the executor, e.g. --set executor.address=host:6379."""
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
    html: Html = False
    tensorboard: ToTensorBoard = False

    def __call__(self) -> int:
        """Finish the run; return 0 when its budget was spent, 1 if no child could be evaluated."""
        at_least_one(
            budget=self.budget, budget_epochs=self.budget_epochs, workers=self.workers, top=self.top
        )
        time_limit = seconds_of("--time", self.time)
        check_limits(self.workers, self.timeout, self.memory_limit)
        check_there(self.store)
        from nas_gym.cli.output import present, status_of
        from nas_gym.runs.ask_tell import is_ask_tell
        from nas_gym.runs.findings import Findings
        from nas_gym.store import load_run

        data = load_run(self.run, self.store)
        if is_ask_tell(data.config):
            return self._go_on(data, time_limit)
        more = self.budget not in (None, len(data.rows)) or self.budget_epochs is not None
        if data.status != "finished" or more:
            self._go_on(data, time_limit)
            data = load_run(self.run, self.store)
        else:
            print(
                f"run {self.run} was finished before: nothing was done; --budget NUMBER, more than "
                f"{len(data.rows)}, goes on with it",
                file=sys.stderr,
            )
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

    def _go_on(self, data: "RunData", time_limit: float | None) -> int:
        """Go on; return the exit status if proposals came from outside, and were answered."""
        from nas_gym.cli.output import say_time_up, say_what_is_read, watched
        from nas_gym.evaluators.workers.engines.naming import executor_of, recorded_executor
        from nas_gym.registry import check_trusted
        from nas_gym.runs.ask_tell import AskTell, is_ask_tell
        from nas_gym.runs.config import recorded_metric, recorded_parts
        from nas_gym.runs.progress import SearchProgress
        from nas_gym.runs.recipe_words import unit_of
        from nas_gym.runs.resume import (
            device_option,
            last_executor,
            more_epochs,
            resume,
            session_seconds,
        )

        settings = settings_of(self.set, ("executor",))["executor"]
        executor: Any = executor_for(self.executor, settings, self.workers)
        named = self.executor
        if executor is None and self.workers is None and (had := last_executor(data)) is not None:
            parts = recorded_parts(data) | {"executor": had}
            check_trusted(f"run {self.run!r}", parts, self.trust)
            executor, named = executor_of(had), str(had.get("factory", had["name"]))
        workers = self._workers(data) if executor is None else 0
        seconds_of_session = session_seconds(
            data.config, self.budget or self.budget_epochs, time_limit
        )
        budget = data.config["budget"] if self.budget is None else self.budget
        simulated = data.config.get("simulated", {}) | more_epochs(data, self.budget_epochs)
        seconds, epochs = (simulated.get(f"budget_{unit}") for unit in ("seconds", "epochs"))
        units = f"{unit_of(data.config.get('protocol'))}s"
        progress = SearchProgress(
            budget,
            f"run {self.run} goes on after {len(data.rows) + len(data.unanswered)} evaluations of "
            f"{budget_in_words(budget, seconds, epochs, seconds_of_session, units)}, "
            f"{trained_by(executor, named, workers)}",
            place=f"; recorded in {shown_store(self.store)}",
            leading=recorded_metric(data.config),
            time_limit=seconds_of_session,
        )
        say_what_is_read(data)
        device = recorded_device(data.config)
        if self.device is not None:
            device = device_option(self.device, data)["device"]
        if executor is None:
            say_devices(device, workers)
        own = {} if executor is None else recorded_executor(executor)
        again = resume_command(self.run, self.store, data.config | own)
        changes: dict[str, Any] = {
            "budget": self.budget,
            "budget_epochs": self.budget_epochs,
            "workers": workers,
            "executor": executor,
            "timeout": self.timeout,
            "memory_limit": self.memory_limit,
            "time_limit": time_limit,
            "trust": self.trust,
            "device": self.device,
        }
        beside = watchers(self.run, self.store, self.html, self.tensorboard, self.trust)
        if is_ask_tell(data.config):
            kept = nullcontext() if self.json else kept_for_json(sys.stdout, sys.stderr, False)  # type: ignore[arg-type]
            with kept, beside as watching:
                return served(
                    lambda watcher: AskTell.resume(
                        self.run, self.store, watcher=[watcher, *watching], **changes
                    ),
                    self.run, self.store, progress, again, self.trust,
                )  # fmt: skip
        with watched(progress, again), beside as watching:
            result = resume(self.run, self.store, watcher=[progress, *watching], **changes)
        say_time_up(result.time_up, again)
        return 0


def _say_where_the_data_was(data: "RunData") -> None:
    """Say what was read, if it was a path: it lay where the run was begun, not here."""
    place = data.config["evaluator"].get("dataset")
    if isinstance(place, str) and os.path.isabs(place):
        what = "folder" if os.path.isdir(place) else "file"
        print(f"the data was read from the {what} {printable(place)}", file=sys.stderr)
