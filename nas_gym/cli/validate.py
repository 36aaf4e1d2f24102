"""``nas-gym validate``."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from nas_gym.cli.devices import TrainingDevice, recorded_device, say_devices
from nas_gym.cli.executors import ExecutorName, executor_for
from nas_gym.cli.interrupts import during
from nas_gym.cli.settings import Assignments, settings_of
from nas_gym.cli.shared import (
    AsJson,
    Count,
    DataFolder,
    OptionalCount,
    OptionalNumber,
    OptionalText,
    RunName,
    StorePlace,
    Trust,
    Workers,
    at_least_one,
    check_limits,
    finite,
    memory_for,
    print_json,
)
from nas_gym.errors import InvalidOption
from nas_gym.options import check
from nas_gym.options.counts import Pixels, Trainings
from nas_gym.store.location import DEFAULT_STORE, check_there, store_option
from nas_gym.training.machine import cores

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from nas_gym.evaluators.evaluation import Validation
    from nas_gym.store import RunData


@dataclass(frozen=True)
class Validate:
    """Train the best architectures of a run again and only then measure them on the test part."""

    run: RunName
    best: Count = 3
    """Architectures to train: those with the highest rewards."""
    repeats: Count = 3
    """Trainings of each, with new seeds; those already recorded count."""
    recipe: OptionalText = None
    """Recipe by which they are trained (`nas-gym list`); as in the search by default."""
    set: Assignments = ()
    """An option of the recipe, e.g. --set recipe.epochs=50 recipe.repeats=6 recipe.filters=32 for
    a longer training of a larger network; of the run's own recipe if no other is given. Or of the
    executor."""
    image_size: OptionalCount = None
    """Pixels per side of the images of a folder; as in the search by default."""
    dataset: OptionalText = None
    """The run's data set, if it lies elsewhere now."""
    folder: DataFolder = None
    workers: Workers = None
    executor: ExecutorName = None
    device: TrainingDevice = None
    timeout: OptionalNumber = None
    """Seconds that a training may take; no limit by default."""
    memory_limit: OptionalNumber = None
    """GiB that a training may allocate; by default the machine's memory divided by the workers,
    with an executor no limit; inf for no limit."""
    store: StorePlace = str(DEFAULT_STORE)
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Run the trainings; return 0 when all were done and none failed."""
        workers = cores() if self.workers is None else self.workers
        at_least_one(
            best=self.best, repeats=self.repeats, workers=workers, image_size=self.image_size
        )
        check("repeats", self.repeats, Trainings)
        check("image_size", self.image_size, Pixels | None)
        check_limits(workers, self.timeout, self.memory_limit)
        settings = settings_of(self.set, ("recipe", "executor"))
        recipe = self._recipe(settings["recipe"])
        executor = executor_for(self.executor, settings["executor"], self.workers)
        if executor is not None:
            workers = 0
        check_there(self.store)
        from nas_gym.cli.output import say_what_is_read
        from nas_gym.store import Store, load_run

        run = load_run(self.run, self.store)
        if run.status != "finished":
            print(f"run {run.name} is {run.status}: the best so far are taken", file=sys.stderr)
        say_what_is_read(run)
        if executor is None:
            device = recorded_device(run.config) if self.device is None else self.device
            say_devices(device, workers)
        with Store(self.store, must_exist=True) as store:
            save = partial(store.save_validation, self.run)
            validations = self._validate(run, workers, executor, recipe, save)
        self._present(run, validations)
        print(f"`nas-gym export {run.name}` writes cards with these figures", file=sys.stderr)
        return 0 if all(validation.failure is None for validation in validations) else 1

    def _recipe(self, changes: dict[str, Any]) -> str | dict[str, Any] | None:
        """Return the recipe with what ``--set`` gives; without a name it changes the run's own."""
        if "name" in changes:
            raise InvalidOption("--set recipe.name is not used: give --recipe")
        if self.recipe is not None and changes:
            return {"name": self.recipe, **changes}
        return self.recipe if self.recipe is not None else changes or None

    def _validate(
        self,
        run: "RunData",
        workers: int,
        executor: "Executor | None",
        recipe: str | dict[str, Any] | None,
        save: "Callable[[Validation], None]",
    ) -> "list[Validation]":
        option = store_option(self.store)
        says = (
            "interrupted: the trainings that were done are recorded; go on with the same "
            f"command, or see them with `nas-gym report {self.run}{option}`"
        )
        from nas_gym.cli.output import preparation_shown

        with during(says), preparation_shown():  # each one was written when it was done
            from nas_gym.runs.validate import validate

            return validate(
                run,
                best=self.best,
                repeats=self.repeats,
                recipe=recipe,
                image_size=self.image_size,
                device=self.device,
                dataset=self.dataset,
                folder=self.folder,
                workers=workers,
                timeout=self.timeout,
                memory_limit=(
                    memory_for(self.memory_limit, workers)
                    if executor is None
                    else finite(self.memory_limit)
                ),
                executor=executor,
                save=save,
                progress=_show_progress,
                trust=self.trust,
            )

    def _present(self, run: "RunData", validations: "list[Validation]") -> None:
        from nas_gym.runs.console import PlainConsole
        from nas_gym.runs.findings import Findings
        from nas_gym.runs.report import print_validations

        found = Findings.of(run, self.trust)
        groups = found.groups_of(validations)
        found = replace(found, validations=tuple(groups))  # ``run`` was read before them
        if self.json:
            sure = {} if found.certainty is None else {"certainty": found.certainty.to_json()}
            shown = [group.to_json() for group in groups]
            print_json({"run": run.name, "validations": shown, **sure})
        else:
            print_validations(found, groups, PlainConsole(soft_wrap=False))


def _show_progress(done: int, total: int) -> None:
    print(f"{done}/{total} final trainings", file=sys.stderr, flush=True)
