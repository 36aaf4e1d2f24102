"""``nas-gym tabulate``."""

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from nas_gym.cli.devices import TrainingDevice
from nas_gym.cli.evaluators import SWITCHES, evaluator_of
from nas_gym.cli.executors import ExecutorName, executor_for, place_children, trained_by
from nas_gym.cli.settings import Assignments, settings_of
from nas_gym.cli.shared import (
    DATASET,
    SPACE,
    AsJson,
    ChildMemory,
    ChildSeconds,
    Count,
    DataFolder,
    Download,
    OptionalCount,
    OptionalText,
    OptionalTime,
    RecipeName,
    StorePlace,
    Workers,
    at_least_one,
    check_limits,
    count_of,
    finite,
    print_json,
)
from nas_gym.cli.streams import results
from nas_gym.errors import Interrupted
from nas_gym.options.durations import seconds_of
from nas_gym.runs.config import TIMEOUT
from nas_gym.store.location import DEFAULT_STORE, check_place, place_in_words
from nas_gym.training.machine import cores

if TYPE_CHECKING:
    from nas_gym.runs.progress import TableProgress
    from nas_gym.runs.tabulating.tabulate import Tabulation


@dataclass(frozen=True)
class Tabulate:
    """Train every architecture of a space, or a sample: a table with learning curves."""

    space: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(metavar="SPACE", help=SPACE),
    ]
    to: str
    """File to write: .npz, .csv or .parquet. One that is there is gone on with, if it was made with
    the same options."""
    sample: OptionalCount = None
    """Random architectures that differ; all of the space by default."""
    seeds: Count = 2
    """Trainings of each architecture."""
    dataset: Annotated[OptionalText, tyro.conf.arg(help=DATASET)] = None
    folder: DataFolder = None
    download: Download = False
    recipe: RecipeName = None
    device: TrainingDevice = None
    evaluator: OptionalText = None
    """How a child is evaluated: by training, as a language-model, or module:Class of your own; by
    default what is usual for the space."""
    time: OptionalTime = None
    """Wall-clock time after which it ends, e.g. 90s, 20m, 1h30m; the same command goes on."""
    workers: Workers = None
    executor: ExecutorName = None
    timeout: ChildSeconds = TIMEOUT
    memory_limit: ChildMemory = None
    seed: Count = 0
    """Seed of the order and of the first training of each; the next ones have those after it."""
    run: OptionalText = None
    """Name of the runs, with -seed0, -seed1, … after it; the file's name by default."""
    store: StorePlace = str(DEFAULT_STORE)
    set: Assignments = ()
    """An option of a part, e.g. --set recipe.epochs=4 space.blocks=2; parts: space, recipe,
    evaluator, executor."""
    json: AsJson = False

    def __call__(self) -> int:
        """Train what is lacking; return 0, or 1 if nothing could be trained."""
        workers = cores() if self.workers is None else self.workers
        at_least_one(sample=self.sample, seeds=self.seeds, workers=workers)
        check_limits(workers, self.timeout, self.memory_limit)
        time_limit = finite(seconds_of("--time", self.time))
        check_place(self.store)
        from nas_gym.registry import make

        options = settings_of(self.set, ("space", "recipe", "evaluator", "executor"))
        space = make("space", {"name": self.space, **options["space"]})
        switches = {option: getattr(self, option) for option in SWITCHES}
        evaluator = make(
            "evaluator", evaluator_of(space, self.evaluator, switches, options), space=space
        )
        executor = executor_for(self.executor, options["executor"], self.workers)
        placed = place_children(evaluator, executor, self.workers, self.memory_limit)
        workers, memory_limit = placed["workers"], placed["memory_limit"]
        from nas_gym.runs.progress import TableProgress
        from nas_gym.runs.tabulating.tabulate import tabulate

        how_many = "all that differ" if self.sample is None else f"{self.sample:,} of them"
        progress = TableProgress(
            f"table {self.to}: architectures of {self.space}, {how_many}, "
            f"{count_of(self.seeds, 'seed')}, "
            f"{trained_by(executor, self.executor, workers, evaluator)}; recorded in "
            f"{place_in_words(self.store)}",
            time_limit=time_limit,
        )
        done = self._watched(
            progress,
            lambda: tabulate(
                space,
                self.to,
                evaluator,
                sample=self.sample,
                seeds=self.seeds,
                seed=self.seed,
                run=self.run,
                workers=workers,
                timeout=finite(self.timeout),
                memory_limit=memory_limit,
                executor=executor,
                store=self.store,
                progress=lambda t: progress.show(
                    t.trained, t.architectures * t.seeds, t.failed, t.recorded
                ),
                time_limit=time_limit,
            ),
        )
        return self._present(done)

    def _watched(self, progress: "TableProgress", work: Any) -> "Tabulation":
        """Show progress; end what cuts the work with the sentence that says how to go on."""
        from nas_gym.cli.interrupts import during
        from nas_gym.cli.output import preparation_shown

        begun = during("interrupted before the training began", lambda: progress.running)
        with progress, preparation_shown(), begun:
            try:
                return work()  # type: ignore[no-any-return]
            except (KeyboardInterrupt, SystemExit) as error:
                status = 130 if isinstance(error, KeyboardInterrupt) else int(error.code or 0)
                raise Interrupted(
                    f"interrupted: what was trained is in the store, and in {self.to}; go on with "
                    "the same command",
                    status,
                ) from None

    def _present(self, done: "Tabulation") -> int:
        """Say what the table has."""
        if done.time_up is not None:
            print(f"{done.time_up}; go on with the same command", file=sys.stderr)
        if self.json:
            print_json(
                {
                    "file": str(done.file),
                    "architectures": done.architectures,
                    "seeds": done.seeds,
                    "trained": done.trained,
                    "failed": done.failed,
                    "complete": done.complete,
                }
            )
        else:
            whole = "complete" if done.complete else "not complete"
            print(
                f"{done.file} has {done.trained:,} trainings of {done.architectures:,} "
                f"architectures x {count_of(done.seeds, 'seed')}, {done.failed:,} failed: {whole}",
                file=results(),
            )
            if done.trained > done.failed:
                print(f"search it with `{self._search(done)}`", file=sys.stderr)
        return 0 if done.trained > done.failed else 1

    def _search(self, done: "Tabulation") -> str:
        """Return the command that searches the table."""
        of_space = [each for each in self.set if each.startswith("space.")]
        gaps = [] if done.complete and self.sample is None else ["evaluator.missing=failure"]
        settings = ["--set", *of_space, *gaps] if of_space or gaps else []
        command = ["nas-gym", "search", "--space", self.space, "--evaluator", str(done.file)]
        return shlex.join([*command, *settings])
