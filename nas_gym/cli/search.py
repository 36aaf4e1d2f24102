"""``nas-gym search``."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from nas_gym.cli.devices import TrainingDevice, device_of_trainer, say_devices
from nas_gym.cli.settings import Assignments, settings_of
from nas_gym.cli.shared import (
    AsJson,
    DataFolder,
    OptionalCount,
    OptionalNumber,
    OptionalText,
    OptionalTime,
    StorePlace,
    Top,
    Workers,
    at_least_one,
    budget_in_words,
    check_folder,
    count_of,
    data_lines,
    finite,
    memory_for,
    start_server_for,
    workers_for,
)
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
    resume_command,
    shown_store,
)
from nas_gym.training.machine import cores

# Options of evaluators with an own switch.
DATA = ("dataset", "folder", "download", "recipe", "device")
TABLES = (".csv", ".npz", ".parquet")


@dataclass(frozen=True)
class Search:
    """Search for an architecture: an agent picks, children are trained, everything is recorded."""

    space: str = "nasnet-cell"
    """Search space (`nas-gym list`), or module:attribute of your own."""
    agent: str = "reinforce"
    """Agent that searches (`nas-gym list`), or module:Class of your own."""
    dataset: OptionalText = None
    """Data set: a name (`nas-gym list`), a folder with one folder of images per class, a .npz file
    with images and labels, or, for recurrent cells, a folder with train.txt, valid.txt and
    test.txt; digits or python-docs by default. For a table of several data sets, the one to look
    up."""
    folder: DataFolder = None
    download: bool = False
    """Allow a named data set to be downloaded into its folder."""
    recipe: OptionalText = None
    """Recipe by which a child is trained (`nas-gym list`); a quick one for the space by default."""
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
    simulated_workers: int = 1
    """Machines that train a batch side by side on the simulated clock."""
    budget_epochs: OptionalCount = None
    """Epochs of training, for agents that train children in part: of one that goes on the new
    epochs count."""
    workers: Workers = None
    timeout: float = TIMEOUT
    """Seconds that a child may take before it counts as failed; inf for no limit."""
    memory_limit: OptionalNumber = None
    """GiB that a child may allocate before it counts as failed; by default the machine's memory
    divided by the workers; inf for no limit."""
    failure_reward: float = 0.0
    """Reward of a child that failed."""
    num_envs: OptionalCount = None
    """Architectures per batch; the agent's own batch size by default."""
    seed: int = 0
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
    agent, reward, recipe, evaluator."""
    top: Top = 5
    json: AsJson = False

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
        run = new_run_name(self.space, self.agent) if self.run is None else self.run
        check_place(self.store)
        check_folder(self.store, checked_run_name(run))
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
        }
        checked_options(**limits)
        # What cannot be made is refused here, before anything heavy is imported.
        parts = self._parts()
        workers = workers_for(parts["evaluator"], self.workers)
        limits |= {"workers": workers, "memory_limit": memory_for(self.memory_limit, workers)}
        start_server_for(parts["evaluator"])
        say_devices(device_of_trainer(parts["evaluator"]), workers)
        from nas_gym.cli.output import present, say_time_up, status_of, watched
        from nas_gym.registry import spec_of
        from nas_gym.runs.findings import Findings
        from nas_gym.runs.progress import SearchProgress
        from nas_gym.runs.search import search
        from nas_gym.store import load_run

        progress = SearchProgress(
            budget,
            f"run {run}: {self.agent} searches {self.space}, "
            f"{budget_in_words(budget, *others)}, "
            f"{count_of(workers, 'worker')}; recorded in {shown_store(self.store)}",
            leading=own_metric(parts["evaluator"]),
            time_limit=time_limit,
            data=partial(data_lines, parts["evaluator"]),
        )
        specs = {kind: spec_of(kind, part) for kind, part in parts.items() if part is not None}
        again = resume_command(run, self.store, specs)
        with watched(progress, again):
            result = search(
                **parts,
                run=run,
                resume=self.resume,
                store=self.store,
                watcher=progress,
                **limits,
            )
        say_time_up(result.time_up, again)
        found = Findings.of(load_run(run, self.store), (self.space.partition(":")[0],))
        present(found, self.store, None, self.top, self.json)
        return status_of(found)

    def _parts(self) -> dict[str, Any]:
        """Make the space, the evaluator, the agent and the reward; no reward leaves it usual."""
        from nas_gym.registry import make, usual

        options = settings_of(self.set)
        space = make("space", {"name": self.space, **options["space"]})
        reward = None
        if self.reward is not None or options["reward"]:
            name = self.reward or usual("reward", space)
            reward = make("reward", {"name": name, **options["reward"]})
        return {
            "space": space,
            "agent": make("agent", {"name": self.agent, **options["agent"]}),
            "evaluator": make("evaluator", self._evaluator(options, space), space=space),
            "reward": reward,
        }

    def _evaluator(self, options: dict[str, dict[str, Any]], space: Any) -> dict[str, Any]:
        """Return the evaluator with its options, from switches and from --set."""
        from nas_gym.evaluators.trained.trainers import TRAINERS
        from nas_gym.registry import options_of, usual

        name, own = self.evaluator or usual("evaluator", space), options["evaluator"]
        if name.lower().endswith(TABLES):
            evaluator = {"name": "table", "file": name, **own}
        else:
            evaluator = {"name": name, **own}
        values = {option: getattr(self, option) for option in DATA}
        given = {option: v for option, v in values.items() if v is not None and v is not False}
        takes = options_of("evaluator", evaluator["name"])
        if "recipe" in takes:
            if name in TRAINERS:
                given.setdefault("recipe", usual("recipe", space))
            if name in TRAINERS or options["recipe"]:  # without a name it is the evaluator's own
                named = {"name": given["recipe"]} if "recipe" in given else {}
                given["recipe"] = {**named, **options["recipe"]}
            for option in DATA:
                if option in own:
                    raise InvalidOption(f"--set evaluator.{option} is not used: give --{option}")
        for option in given.keys() & own.keys():
            raise InvalidOption(f"--{option} and --set evaluator.{option} are both given: give one")
        unused = [f"--{option}" for option in given if option not in takes]
        if options["recipe"] and "recipe" not in takes:
            unused.append("--set recipe.…")
        if unused:
            trains = "recipe" in takes
            why = "has no such option" if trains else "does not train or has no such option"
            raise InvalidOption(f"evaluator {name!r} {why}: leave out {' and '.join(unused)}")
        return evaluator | given
