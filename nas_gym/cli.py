"""The command ``nas-gym``: results on stdout, progress and errors on stderr.

Exit status 0 when the job was done, 2 for bad input (one sentence on stderr), 130 after Ctrl-C.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from nas_gym.errors import InvalidGenotype, InvalidOption, NASGymError, unknown_name
from nas_gym.searching import DEFAULT_STORE

if TYPE_CHECKING:
    from nas_gym.describe import Description

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
        """Run the search; 0 when the budget was spent."""
        from nas_gym.progress import SearchProgress
        from nas_gym.searching import new_run_name, search
        from nas_gym.store import Store

        workers = _cores() if self.workers is None else self.workers
        for name, value in (("budget", self.budget), ("workers", workers), ("top", self.top)):
            if value < 1:
                raise InvalidOption(f"--{name.replace('_', '-')} is {value}: give 1 or more")
        options = _settings(self.set)
        run = self.run or new_run_name(self.space, self.agent)
        progress = SearchProgress(self.budget)
        progress.console.print(
            f"run {run}: {self.agent} searches {self.space}, {self.budget} evaluations, "
            f"{workers} workers; recorded in {self.store}",
            soft_wrap=True,
        )
        with progress:
            try:
                search(
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
                raise Interrupted(
                    f"interrupted: what was evaluated is recorded; see it with "
                    f"`nas-gym report {run}{_store_option(self.store)}`"
                ) from None
        _present(
            Store(self.store, must_exist=True).load_run(run), self.store, None, self.top, self.json
        )
        return 0

    def _evaluator(self, options: dict[str, dict[str, Any]]) -> dict[str, Any]:
        evaluator = {"name": self.evaluator, **options["evaluator"]}
        if self.evaluator == "training":
            evaluator |= {
                "dataset": self.dataset,
                "recipe": {"name": self.recipe, **options["recipe"]},
                "folder": self.folder,
                "download": self.download,
            }
        return evaluator


@dataclass(frozen=True)
class Report:
    """Show a recorded run: the best architectures, the learning curve, what it cost."""

    run: tyro.conf.Positional[str]
    """Name of the run (`nas-gym list`)."""
    store: Path = DEFAULT_STORE
    """The results database."""
    out: Path | None = None
    """Folder for the pictures; the run's name beside the store by default."""
    top: int = 5
    """Architectures in the table."""
    json: bool = False
    """Print the report as JSON."""

    def __call__(self) -> int:
        """Print the report and write its pictures."""
        from nas_gym.store import Store

        if self.top < 1:
            raise InvalidOption(f"--top is {self.top}: give 1 or more")
        _present(
            Store(self.store, must_exist=True).load_run(self.run),
            self.store,
            self.out,
            self.top,
            self.json,
        )
        return 0


@dataclass(frozen=True)
class List:
    """List the environments, spaces, agents, data sets, recipes, rewards and recorded runs."""

    store: Path = DEFAULT_STORE
    """The results database whose runs are listed."""
    json: bool = False
    """Print the lists as JSON."""

    def __call__(self) -> int:
        """Print the lists."""
        listing = _listing(self.store)
        if self.json:
            _print_json(listing)
            return 0
        for kind, names in listing.items():
            if kind == "runs":
                print("runs:" if names else "runs: none yet")
                for run in names:
                    best = run["best_reward"]
                    shown = "-" if best is None else f"{best:.4f}"
                    print(
                        f"  {run['name']}: {run['status']}, {run['requests']} evaluations, "
                        f"best reward {shown}, started {run['started']}"
                    )
            else:
                print(f"{kind}: {', '.join(names)}")
        return 0


@dataclass(frozen=True)
class Describe:
    """Describe a named or saved architecture: parameters, multiply-adds, its cells."""

    architecture: tyro.conf.Positional[str]
    """A published name (nasnet-a, …), a JSON file that a report wrote, or tokens: 1,0,12,…"""
    space: str = "nasnet-cell"
    """The space of a token list."""
    repeats: int = 6
    """N: normal cells a stack."""
    filters: int = 32
    """F: filters of the first stack (N @ 24 F in the papers' notation for NASNet-A)."""
    image_size: int = 32
    """Pixels a side."""
    channels: int = 3
    """Channels of an image."""
    classes: int = 10
    """Classes."""
    stem: str = "cifar"
    """cifar or imagenet."""
    concat: str | None = None
    """Output of a cell: as published (default), unused (the paper's text), all."""
    auxiliary: bool = False
    """Count the auxiliary classifier as well."""
    draw: Path | None = None
    """Write a drawing of the cells to this .png or .svg file."""
    json: bool = False
    """Print the description as JSON."""

    def __call__(self) -> int:
        """Print the description."""
        from nas_gym.describe import describe
        from nas_gym.drawing import cells_as_text, draw_cells, save
        from nas_gym.search_spaces.cell_genotype import CONCATS, with_concat
        from nas_gym.search_spaces.grammar import Task

        genotype = _genotype(self.architecture, self.space)
        if self.concat is not None:
            if self.concat not in CONCATS:
                raise unknown_name("concat rule", self.concat, CONCATS)
            genotype = with_concat(genotype, self.concat)
        task = Task(
            channels=self.channels,
            height=self.image_size,
            width=self.image_size,
            classes=self.classes,
            repeats=self.repeats,
            filters=self.filters,
            stem=self.stem,
            auxiliary=self.auxiliary,
        )
        description = describe(genotype, task)
        if self.draw is not None:
            save(draw_cells(genotype), self.draw)
        if self.json:
            _print_json({"architecture": genotype.to_json(), **description.to_json()})
            return 0
        print(cells_as_text(genotype))
        Console().print(_parts_table(description))
        print(f"parameters {description.parameters:,}, multiply-adds {description.multiply_adds:,}")
        return 0


class Interrupted(NASGymError):
    """Ctrl-C; nothing recorded is lost."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command's entry point; exits."""
    sys.path.insert(0, os.getcwd())  # so that module:attribute finds the user's own files
    command = tyro.extras.subcommand_cli_from_dict(
        {"search": Search, "report": Report, "list": List, "describe": Describe},
        prog="nas-gym",
        description="Neural architecture search as reinforcement learning.",
        args=list(sys.argv[1:] if arguments is None else arguments),
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    try:
        status = command()
        sys.stdout.flush()
    except NASGymError as error:
        print(f"nas-gym: {error}", file=sys.stderr)
        sys.exit(130 if isinstance(error, Interrupted) else 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(status)


def _present(run: Any, store: Path, out: Path | None, top: int, as_json: bool) -> None:
    """Print a run on stdout, write its files, say on stderr where they are."""
    from nas_gym.report import print_summary, summary, write_files

    if as_json:
        _print_json(summary(run, top))
    else:
        print_summary(run, Console(soft_wrap=False), top)
    if run.rows:
        folder = store.parent / run.name if out is None else out
        files = write_files(run, folder)
        names = ", ".join(file.name for file in files)
        print(f"written to {folder}: {names}", file=sys.stderr)


def _listing(store: Path) -> dict[str, Any]:
    import gymnasium

    from nas_gym.registry import names
    from nas_gym.search_spaces.published_cells import PUBLISHED
    from nas_gym.store import Store
    from nas_gym.training.datasets import DATASETS
    from nas_gym.training.recipe import RECIPES

    entry = "nas_gym.registry:make_env"
    return {
        "environments": [i for i, s in gymnasium.registry.items() if s.entry_point == entry],
        "spaces": names("space"),
        "agents": names("agent"),
        "evaluators": names("evaluator"),
        "rewards": names("reward"),
        "datasets": [*sorted(DATASETS), "a folder of images", "a .npz file"],
        "recipes": sorted(RECIPES),
        "architectures": sorted(PUBLISHED),
        "runs": Store(store).runs() if store.is_file() else [],
    }


def _genotype(text: str, space_name: str) -> Any:
    """The genotype that a published name, a JSON file or a token list stands for."""
    from nas_gym.registry import make
    from nas_gym.search_spaces.cell_genotype import CellGenotype, genotype_from_json
    from nas_gym.search_spaces.grammar import decode
    from nas_gym.search_spaces.published_cells import PUBLISHED

    if text in PUBLISHED:
        return PUBLISHED[text]
    if text.endswith(".json"):
        return genotype_from_json(_read_architecture(Path(text)))
    if text.replace(",", "").replace(" ", "").isdigit():
        genotype = decode(make("space", space_name), map(int, text.replace(",", " ").split()))
        if not isinstance(genotype, CellGenotype):
            raise InvalidOption(f"only NASNet cells can be described, not those of {space_name}")
        return genotype
    known = [*PUBLISHED, "a .json file", "tokens such as 1,0,12,…"]
    raise unknown_name("architecture", text, known)


def _read_architecture(path: Path) -> object:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidGenotype(f"{path} is not a readable JSON file ({error})") from error
    return data.get("architecture", data) if isinstance(data, dict) else data


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


def _parts_table(description: "Description") -> Table:
    table = Table("part", box=None)
    for heading in ("output", "parameters"):
        table.add_column(heading, justify="right")
    for part in description.parts:
        shape = f"{part.channels} x {part.height} x {part.width}"
        table.add_row(part.name, shape, f"{part.parameters:,}")
    return table


def _store_option(store: Path) -> str:
    return "" if store == DEFAULT_STORE else f" --store {store}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print_json(data: object) -> None:
    print(json.dumps(data, indent=2, allow_nan=False))
