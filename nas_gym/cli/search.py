"""``nas-gym search``."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

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
    AsJson,
    Async,
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
    Top,
    Workers,
    at_least_one,
    budget_in_words,
    check_folder,
    data_lines,
    finite,
    judged_on,
    memory_for,
)
from nas_gym.cli.watching import Html, ToTensorBoard, watchers
from nas_gym.errors import InvalidOption
from nas_gym.options.durations import seconds_of
from nas_gym.runs.config import (
    BUDGET,
    TIMEOUT,
    new_run_name,
    own_metric,
)
from nas_gym.store.location import (
    DEFAULT_STORE,
    check_place,
    checked_run_name,
    place_in_words,
    resume_command,
)
from nas_gym.training.machine import cores

OF_A_TABLE = "For a table of several data sets, the one to look up."


@dataclass(frozen=True)
class Search:
    """Search for an architecture: an agent picks, children are trained, everything is recorded."""

    space: Annotated[str, tyro.conf.arg(help=SPACE)] = "nasnet-cell"
    agent: str = "reinforce"
    """Agent that searches (`nas-gym list`), or module:Class of your own."""
    action: Literal["token", "edit"] = "token"
    """What the agent does: write architectures, one choice per step, or edit whole ones, for the
    sb3 agents. --set agent.start=random (or best, the default, or tokens) and agent.horizon=6 go
    with edit."""
    dataset: Annotated[OptionalText, tyro.conf.arg(help=f"{DATASET} {OF_A_TABLE}")] = None
    folder: DataFolder = None
    download: Download = False
    recipe: RecipeName = None
    device: TrainingDevice = None
    evaluator: OptionalText = None
    """How a child is evaluated: by training, as a language-model, by a table (`nas-gym list`; a
    path that ends in .csv, .npz or .parquet is a table of your own), or module:Class of your own;
    by default what is usual for the space."""
    reward: OptionalText = None
    """Reward that the agent maximises (`nas-gym list`); by default what is usual for the space."""
    budget: OptionalCount = None
    """Evaluations, repeats included; 150 by default, no limit with another budget or --time."""
    time: OptionalTime = None
    """Wall-clock time after which the search ends, e.g. 90s, 20m, 1h30m; children in flight are
    cut. `nas-gym resume` goes on with the run."""
    budget_seconds: OptionalNumber = None
    """Simulated seconds, for tables: the training times that the evaluator reports, added up."""
    simulated_workers: Count = 1
    """Machines that train a batch side by side on the simulated clock."""
    budget_epochs: OptionalCount = None
    """Epochs of training, for agents that train children in part: of one that goes on the new
    epochs count. A training whose length is in steps has twenty parts, which count instead."""
    workers: Workers = None
    executor: ExecutorName = None
    timeout: ChildSeconds = TIMEOUT
    memory_limit: ChildMemory = None
    failure_reward: Number = 0.0
    """Reward of a child that failed."""
    asynchronous: Async = False
    """Tell the agent of each child as it is done; the default for several workers, if the agent
    can. What it asks for then depends on how long each child takes."""
    rounds: bool = False
    """Wait for whole batches: the same architectures for any number of workers."""
    in_flight: OptionalCount = None
    """Children that are trained at once with --async; one per worker by default."""
    limit: LimitWords = ()
    """Most that a child's network may have, which every agent keeps, e.g. --limit parameters=50k
    or multiply_adds=1.5M..5M; of another network than the one trained with --limit
    task.filters=44."""
    num_envs: OptionalCount = None
    """Architectures per batch; the agent's own batch size by default."""
    seed: Count = 0
    """Seed of the agent and of every child."""
    child_seed: OptionalCount = None
    """Seed of the children only; runs of one store with the same one share what they train."""
    run: OptionalText = None
    """Name of the run; made from what it does and when by default."""
    resume: bool = False
    """Continue the run of this name, if there is one under the same options."""
    store: StorePlace = str(DEFAULT_STORE)
    set: Assignments = ()
    """An option of a part, e.g. --set agent.learning_rate=0.01 recipe.epochs=4; parts: space,
    agent, reward, recipe, evaluator, executor."""
    top: Top = 5
    json: AsJson = False
    html: Html = False
    tensorboard: ToTensorBoard = False

    def __call__(self) -> int:
        """Run the search; return 0 when the budget was spent, 1 if no child could be evaluated."""
        workers = cores() if self.workers is None else self.workers
        time_limit = finite(seconds_of("--time", self.time))
        others = (self.budget_seconds, self.budget_epochs, time_limit)
        endless = all(limit is None for limit in others)
        budget = BUDGET if self.budget is None and endless else self.budget
        at_least_one(budget=budget, workers=workers, top=self.top)
        if self.resume and self.run is None:
            raise InvalidOption("--resume needs the name of the run: give --run NAME")
        if self.asynchronous and self.rounds:
            raise InvalidOption("--async and --rounds exclude each other: give one of the two")
        if self.rounds and self.in_flight is not None:
            raise InvalidOption(
                f"--in-flight {self.in_flight} and --rounds are both given: a round is waited for "
                "as a whole, give one of the two"
            )
        if self.asynchronous and self.num_envs is not None:
            raise InvalidOption(
                f"--num-envs is {self.num_envs}, and with --async there are no batches: give "
                "--in-flight"
            )
        run = new_run_name(self.space, self.agent) if self.run is None else self.run
        check_place(self.store)
        check_folder(self.store, checked_run_name(run))
        from nas_gym.registry import make, spec_of
        from nas_gym.runs.options import checked_options

        limits: dict[str, Any] = {
            "budget": budget,
            "num_envs": self.num_envs,
            "seed": self.seed,
            "child_seed": self.child_seed,
            "workers": workers,
            "timeout": finite(self.timeout),
            "memory_limit": memory_for(self.memory_limit, workers),
            "failure_reward": self.failure_reward,
            "budget_seconds": self.budget_seconds,
            "simulated_workers": self.simulated_workers,
            "budget_epochs": self.budget_epochs,
            "time_limit": time_limit,
            "in_flight": self.in_flight,
        }
        checked_options(**limits)
        cost_limits = limits_given(self.limit)
        # What cannot be made is refused here, before anything heavy is imported.
        options = settings_of(self.set)
        parts = parts_of(self, options)
        parts["agent"] = make("agent", agent_spec(self.agent, self.action, options["agent"]))
        executor = executor_for(self.executor, options["executor"], self.workers)
        limits |= place_children(parts["evaluator"], executor, self.workers, self.memory_limit)
        workers = limits["workers"]
        from nas_gym.cli.output import present, say_time_up, status_of, watched
        from nas_gym.runs.findings import Findings
        from nas_gym.runs.progress import SearchProgress
        from nas_gym.runs.search import search
        from nas_gym.store import load_run

        progress = SearchProgress(
            budget,
            f"run {run}: {self.agent} searches {judged_on(self.space, parts['evaluator'])}, "
            f"{budget_in_words(budget, *others, units=EPOCHS)}, "
            f"{trained_by(executor, self.executor, workers, parts['evaluator'])}",
            place=f"; recorded in {place_in_words(self.store)}",
            leading=own_metric(parts["evaluator"]),
            time_limit=time_limit,
            data=partial(data_lines, parts["evaluator"]),
        )
        made = parts | {"executor": executor}
        specs = {kind: spec_of(kind, part) for kind, part in made.items() if part is not None}
        again = resume_command(run, self.store, specs)
        trust = (self.space.partition(":")[0],)
        beside = watchers(run, self.store, self.html, self.tensorboard, trust)
        with watched(progress, again), beside as watching:
            result = search(
                **parts,
                run=run,
                resume=self.resume,
                store=self.store,
                watcher=[progress, *watching],
                asynchronous=True if self.asynchronous else False if self.rounds else None,
                executor=executor,
                limits=cost_limits,
                **limits,
            )
        say_time_up(result.time_up, again)
        found = Findings.of(load_run(run, self.store), trust)
        present(found, self.store, None, self.top, self.json)
        return status_of(found)


def agent_spec(name: str, action: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return an agent as JSON data, with the option by which it edits.

    Args:
        name: Its name.
        action: As ``--action`` gives it.
        settings: Its other options.

    Raises:
        InvalidOption: It cannot edit, or the action is among the settings as well.
    """
    from nas_gym.plugins import names
    from nas_gym.registry import options_of

    if action == "token":
        return {"name": name, **settings}
    if "action" in settings:
        raise InvalidOption("--action and --set agent.action are both given: give one")
    if "action" not in options_of("agent", name):
        able = [n for n in names("agent") if "action" in options_of("agent", n)]
        raise InvalidOption(
            f"agent {name!r} writes tokens and cannot edit: give --agent with one of "
            f"{', '.join(able)}, or leave out --action {action}"
        )
    return {"name": name, "action": action, **settings}
