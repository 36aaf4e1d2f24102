"""``nas-gym ask-tell``."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro

from nas_gym.cli.devices import TrainingDevice
from nas_gym.cli.evaluators import parts_of
from nas_gym.cli.executors import ExecutorName, executor_for, place_children, trained_by
from nas_gym.cli.limits import LimitWords, limits_given
from nas_gym.cli.settings import Assignments, settings_of
from nas_gym.cli.shared import (
    DATASET,
    EPOCHS,
    SPACE,
    ChildMemory,
    ChildSeconds,
    Count,
    DataFolder,
    Download,
    Number,
    OptionalCount,
    OptionalNumber,
    OptionalText,
    OptionalTime,
    RecipeName,
    StorePlace,
    Workers,
    at_least_one,
    budget_in_words,
    check_folder,
    count_of,
    data_lines,
    finite,
    judged_on,
    memory_for,
)
from nas_gym.cli.streams import results
from nas_gym.errors import InvalidOption
from nas_gym.options.durations import seconds_of
from nas_gym.runs.config import BUDGET, TIMEOUT, new_run_name, own_metric
from nas_gym.store.location import (
    DEFAULT_STORE,
    check_place,
    checked_run_name,
    place_in_words,
    resume_command,
    store_option,
)
from nas_gym.training.machine import cores

if TYPE_CHECKING:
    from nas_gym.envs.recorder import Watcher
    from nas_gym.runs.ask_tell import AskTell

PARTS = ("space", "reward", "recipe", "evaluator", "executor")


@dataclass(frozen=True)
class Asktell:
    """Evaluate what an outside proposer asks for, in JSON lines: recorded, within a budget.

    A line {"tokens": [...]} or {"genotype": ...} on stdin is answered by a line on stdout; a list
    of such is evaluated at once. {"ask": "space"} describes the space, {"ask": "mask", "tokens":
    [...]} what is open after a prefix; budget, history and best are asked for alike.
    """

    space: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[SPACE]", help=SPACE)] = (
        "nasnet-cell"
    )
    dataset: Annotated[OptionalText, tyro.conf.arg(help=DATASET)] = None
    folder: DataFolder = None
    download: Download = False
    recipe: RecipeName = None
    device: TrainingDevice = None
    evaluator: OptionalText = None
    """How a child is evaluated, as for `nas-gym search`; by default what is usual for the space."""
    reward: OptionalText = None
    """Reward in the answers (`nas-gym list`); by default what is usual for the space."""
    budget: OptionalCount = None
    """Evaluations, repeats included; 150 by default, no limit with another budget or --time."""
    time: OptionalTime = None
    """Wall-clock time after which nothing more is answered, e.g. 90s, 20m, 1h30m."""
    budget_seconds: OptionalNumber = None
    """Simulated seconds, for tables: the training times that the evaluator reports, added up."""
    budget_epochs: OptionalCount = None
    """Epochs of training; of a child that goes on the new epochs count. A training whose length is
    in steps has twenty parts, which count instead."""
    workers: Workers = None
    executor: ExecutorName = None
    timeout: ChildSeconds = TIMEOUT
    memory_limit: ChildMemory = None
    failure_reward: Number = 0.0
    """Reward of a child that failed."""
    limit: LimitWords = ()
    """Most that a child's network may have, e.g. --limit parameters=50k: what breaks it is
    refused."""
    seed: Count = 0
    """Seed of every child."""
    run: OptionalText = None
    """Name of the run; made from the space and the time by default."""
    resume: bool = False
    """Continue the run of this name, if there is one under the same options; `nas-gym resume RUN`
    takes them from the record."""
    store: StorePlace = str(DEFAULT_STORE)
    set: Assignments = ()
    """An option of a part, e.g. --set recipe.epochs=4; parts: space, reward, recipe, evaluator,
    executor."""

    json: ClassVar[bool] = True  # nothing but answers is written to stdout

    def __call__(self) -> int:
        """Answer until the input ends; return 0 if a child was evaluated."""
        workers = cores() if self.workers is None else self.workers
        time_limit = finite(seconds_of("--time", self.time))
        others = (self.budget_seconds, self.budget_epochs, time_limit)
        endless = all(limit is None for limit in others)
        budget = BUDGET if self.budget is None and endless else self.budget
        at_least_one(budget=budget, workers=workers)
        if self.resume and self.run is None:
            raise InvalidOption("--resume needs the name of the run: give --run NAME")
        run = new_run_name(self.space, "ask-tell") if self.run is None else self.run
        check_place(self.store)
        check_folder(self.store, checked_run_name(run))
        from nas_gym.registry import spec_of
        from nas_gym.runs.options import checked_options

        limits: dict[str, Any] = {
            "budget": budget,
            "seed": self.seed,
            "workers": workers,
            "timeout": finite(self.timeout),
            "memory_limit": memory_for(self.memory_limit, workers),
            "failure_reward": self.failure_reward,
            "budget_seconds": self.budget_seconds,
            "budget_epochs": self.budget_epochs,
            "time_limit": time_limit,
        }
        checked_options(**limits)
        cost_limits = limits_given(self.limit)
        options = settings_of(self.set, PARTS)
        parts = parts_of(self, options)
        executor = executor_for(self.executor, options["executor"], self.workers)
        limits |= place_children(parts["evaluator"], executor, self.workers, self.memory_limit)
        workers = limits["workers"]
        from nas_gym.runs.ask_tell import AskTell
        from nas_gym.runs.progress import SearchProgress

        progress = SearchProgress(
            budget,
            f"run {run}: proposals for {judged_on(self.space, parts['evaluator'])} on stdin, "
            f"{budget_in_words(budget, *others, units=EPOCHS)}, "
            f"{trained_by(executor, self.executor, workers, parts['evaluator'])}; recorded in "
            f"{place_in_words(self.store)}",
            leading=own_metric(parts["evaluator"]),
            time_limit=time_limit,
            data=partial(data_lines, parts["evaluator"]),
        )
        made = parts | {"executor": executor}
        specs = {kind: spec_of(kind, part) for kind, part in made.items() if part is not None}

        def opened(watcher: "Watcher") -> AskTell:
            return AskTell(
                **parts, run=run, resume=self.resume, store=self.store, watcher=watcher,
                executor=executor, limits=cost_limits, **limits,
            )  # fmt: skip

        again = resume_command(run, self.store, specs)
        return served(opened, run, self.store, progress, again, (self.space.partition(":")[0],))


def served(
    opened: "Callable[[Watcher], AskTell]",
    run: str,
    store: str,
    progress: Any,
    again: str,
    trust: tuple[str, ...] = (),
) -> int:
    """Answer the lines of stdin until they end, and return the exit status.

    Args:
        opened: Returns the session, which is closed here.
        run: Its name.
        store: Where it is recorded.
        progress: A ``SearchProgress``.
        again: The command that goes on with the run.
        trust: Modules of the user's.
    """
    from nas_gym.cli.output import say_time_up, status_of, watched
    from nas_gym.runs.findings import Findings
    from nas_gym.runs.lines import respond
    from nas_gym.store import load_run

    out, lines = results(), 0
    with watched(progress, again), opened(progress) as session:
        for line in sys.stdin.buffer:
            if line.strip():
                lines += 1
                print(respond(session, line), file=out, flush=True)
            if session.closed or getattr(out, "lost", None) is not None:
                break  # the time is over, or nobody listens any more
        time_up = session.time_up
    say_time_up(time_up, again)
    print(f"see it with `nas-gym report {run}{store_option(store)}`", file=sys.stderr)
    nothing = 'no line was given on stdin: write one such as {"tokens": [0, 1, …]} per request'
    if lines:
        nothing = (
            f"of {count_of(lines, 'line')} none asked for an architecture that can be evaluated"
        )
    return status_of(Findings.of(load_run(run, store), trust), nothing)
