"""``nas-gym search``."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from nas_gym.commands.output import present
from nas_gym.errors import Interrupted, InvalidOption, unknown_name
from nas_gym.progress import SearchProgress
from nas_gym.searching import DEFAULT_STORE, new_run_name, search
from nas_gym.store import load_run

SETTABLE = ("space", "agent", "reward", "recipe", "evaluator")


@dataclass(frozen=True)
class Search:
    """Search for an architecture: an agent picks, children are trained, everything is recorded."""

    space: str = "nasnet-cell"
    """What may be built (`nas-gym list`), or module:attribute of your own."""
    agent: str = "reinforce"
    """Who searches (`nas-gym list`), or module:Class of your own."""
    dataset: str = "digits"
    """A name (`nas-gym list`), a folder with one folder of images a class, or a .npz file with
    images and labels."""
    folder: str | None = None
    """Where the files of a named data set are."""
    download: bool = False
    """Allow a named data set to be downloaded into its folder."""
    recipe: str = "quick"
    """How a child is trained (`nas-gym list`)."""
    evaluator: str = "training"
    """How a child is evaluated: by training, or module:Class of your own."""
    reward: str = "accuracy"
    """What the agent maximises (`nas-gym list`)."""
    budget: int = 150
    """Evaluations, repeats included."""
    workers: int | None = None
    """Processes that train children; all cores by default."""
    num_envs: int | None = None
    """Architectures a batch; the agent's own batch size by default."""
    seed: int = 0
    """Seeds the agent and every child."""
    run: str | None = None
    """Name of the run; made from what it does and when by default."""
    store: Path = DEFAULT_STORE
    """The results database; reports are written beside it."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PART.OPTION=VALUE")] = ()
    """An option of a part, e.g. --set agent.learning_rate=0.01 recipe.epochs=4; parts: space,
    agent, reward, recipe, evaluator."""
    top: int = 5
    """Architectures in the result."""
    json: bool = False
    """Print the result as JSON."""

    def __call__(self) -> int:
        """Run the search; 0 when the budget was spent, 1 if no child could be evaluated."""
        workers = _cores() if self.workers is None else self.workers
        for name, value in (("budget", self.budget), ("workers", workers), ("top", self.top)):
            if value < 1:
                raise InvalidOption(f"--{name.replace('_', '-')} is {value}: give 1 or more")
        options = _settings(self.set)
        run = new_run_name(self.space, self.agent) if self.run is None else self.run
        progress = SearchProgress(
            self.budget,
            f"run {run}: {self.agent} searches {self.space}, {self.budget} evaluations, "
            f"{workers} workers; recorded in {self.store}",
        )
        with progress:
            try:
                result = search(
                    {"name": self.space, **options["space"]},
                    self._evaluator(options),
                    {"name": self.agent, **options["agent"]},
                    budget=self.budget,
                    num_envs=self.num_envs,
                    reward={"name": self.reward, **options["reward"]},
                    seed=self.seed,
                    run=run,
                    workers=workers,
                    store=self.store,
                    watcher=progress,
                )
            except KeyboardInterrupt:
                if not progress.running:
                    raise Interrupted("interrupted before the run began") from None
                raise Interrupted(
                    f"interrupted: what was evaluated is recorded; see it with "
                    f"`nas-gym report {run}{_store_option(self.store)}`"
                ) from None
        present(load_run(self.store, run), self.store, None, self.top, self.json)
        return 0 if result.best() and len(result.answers) == self.budget else 1

    def _evaluator(self, options: dict[str, dict[str, Any]]) -> dict[str, Any]:
        evaluator = {"name": self.evaluator, **options["evaluator"]}
        if self.evaluator == "training":
            for option in ("dataset", "recipe", "folder", "download"):
                if option in evaluator:
                    raise InvalidOption(f"--set evaluator.{option} is not used: give --{option}")
            evaluator |= {
                "dataset": self.dataset,
                "recipe": {"name": self.recipe, **options["recipe"]},
                "folder": self.folder,
                "download": self.download,
            }
        elif options["recipe"] or self.download or self.folder is not None:
            raise InvalidOption(
                f"evaluator {self.evaluator!r} does not train: leave out --folder, --download and "
                "--set recipe.…"
            )
        return evaluator


def _settings(assignments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``("agent.learning_rate=0.01",)`` as ``{"agent": {"learning_rate": 0.01}, …}``."""
    settings: dict[str, dict[str, Any]] = {part: {} for part in SETTABLE}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        part, dot, option = name.partition(".")
        if not (equals and dot and option):
            raise InvalidOption(
                f"--set {assignment!r} is not PART.OPTION=VALUE: "
                "write it as agent.learning_rate=0.01"
            )
        if part not in settings:
            raise unknown_name("part for --set", part, SETTABLE)
        try:
            settings[part][option] = json.loads(value)
        except json.JSONDecodeError:
            settings[part][option] = value  # a plain word
    return settings


def _store_option(store: Path) -> str:
    return "" if store == DEFAULT_STORE else f" --store {store}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
