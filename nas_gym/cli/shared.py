"""Parts that several commands share and import at no cost: options, checks, words, JSON."""

import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nas_gym.cli.streams import results
from nas_gym.cli.typed import Misread, dashed
from nas_gym.errors import InvalidOption
from nas_gym.options.durations import duration_in_words
from nas_gym.options.paths import user_path
from nas_gym.store.location import file_of, folder_beside
from nas_gym.training.machine import cores
from nas_gym.training.memory import total_memory


def _reader(kind: type, metavar: str, words: str) -> Any:
    """Return what tyro needs to read an option of ``kind``, which may be one to leave out."""

    def read(arguments: list[str]) -> Any:
        try:
            return kind(arguments[0])
        except ValueError:
            return Misread(arguments[0], words)

    return PrimitiveConstructorSpec[Any](
        nargs=1,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: value is None or isinstance(value, kind),
        str_from_instance=lambda value: [str(value)],
    )


_TEXT = _reader(str, "TEXT", "a word")
_COUNT = _reader(int, "INT", "a whole number")
_NUMBER = _reader(float, "FLOAT", "a number")
_TIME = _reader(str, "TIME", "a time")
_PATH = _reader(str, "PATH", "a path")
_HINT = tyro.conf.arg(help_behavior_hint="")  # the text says what the default does
Count = Annotated[int, _COUNT]
Number = Annotated[float, _NUMBER]
# typing's Optional: tyro checks a default of ``int | None``, as one of ``tuple[str, ...]`` below,
# with typeguard, whose import takes as long as all the rest of a command's help.
OptionalText = Annotated[Optional[str], _TEXT, _HINT]  # noqa: UP045
OptionalCount = Annotated[Optional[int], _COUNT, _HINT]  # noqa: UP045
OptionalNumber = Annotated[Optional[float], _NUMBER, _HINT]  # noqa: UP045
OptionalTime = Annotated[Optional[str], _TIME, _HINT]  # noqa: UP045
OptionalPath = Annotated[Optional[str], _PATH, _HINT]  # for ``user_path``  # noqa: UP045
if TYPE_CHECKING:
    Words = tuple[str, ...]
else:
    Words = tuple

_arg = tyro.conf.arg
Several = Annotated[Words, tyro.conf.UseAppendAction]  # may be given again; see ``main.SPREAD``
RunName = Annotated[
    tyro.conf.Positional[str], _arg(metavar="RUN", help="Name of the run (`nas-gym list`).")
]
RunNames = Annotated[
    tyro.conf.Positional[Words],
    _arg(metavar="RUN", help="Name of the run (`nas-gym list`), or of several."),
]
StorePlace = Annotated[
    str, _arg(help="Results database: a SQLite file, or postgresql://host/name.")
]
AsJson = Annotated[bool, _arg(help="Print the result as JSON.")]
Async = Annotated[bool, tyro.conf.arg(name="async")]
Top = Annotated[Count, _arg(help="Architectures in the result.", aliases=["--best"])]
Workers = Annotated[
    OptionalCount,
    _arg(
        help="Worker processes; all cores by default. A child's result is the same for any number."
    ),
]
Trust = Annotated[
    Words,
    _arg(
        metavar="MODULE",
        help="Module (or package) of your own parts that may be imported; several with commas or "
        "blanks, or given again.",
    ),
    tyro.conf.UseAppendAction,
]
OutFolder = Annotated[
    OptionalPath, _arg(help="Folder to write to; the run's name beside the store by default.")
]
DataFolder = Annotated[OptionalText, _arg(help="Folder with the files of a named data set.")]
# Of the commands that train children.
DATASET = (
    "Data set: a name (`nas-gym list`), a folder with one folder of images per class, a .npz file "
    "with images and labels, or, for recurrent cells, a folder with train.txt, valid.txt and "
    "test.txt (or ptb.train.txt, wiki.train.tokens, …); digits or python-docs by default."
)
SPACE = "Search space (`nas-gym list`), or module:attribute of your own."
Download = Annotated[bool, _arg(help="Allow a named data set to be downloaded into its folder.")]
RecipeName = Annotated[
    OptionalText,
    _arg(
        help="Recipe by which a child is trained (`nas-gym list`); a quick one for the space by "
        "default."
    ),
]
ChildSeconds = Annotated[
    Number,
    _arg(help="Seconds that a child may take before it counts as failed; inf for no limit."),
]
ChildMemory = Annotated[
    OptionalNumber,
    _arg(
        help="GiB that a child may allocate before it counts as failed; by default the machine's "
        "memory divided by the workers, with an executor no limit; inf for no limit."
    ),
]


def at_least_one(**values: int | None) -> None:
    """Raise InvalidOption for an option below 1; None is not checked."""
    for name, value in values.items():
        if value is not None and value < 1:
            raise InvalidOption(f"--{dashed(name)} is {value}: give 1 or more")


def optional_path(option: str, given: str | None) -> Path | None:
    """Return the path that an option gives, ``~`` expanded; None if it was left out."""
    return None if given is None else user_path(given, option)


def finite(limit: float | None) -> float | None:
    """Return a limit as ``nas_gym.search`` takes it: None for infinity."""
    return None if limit == math.inf else limit


def memory_for(given: float | None, workers: int) -> float | None:
    """Return the GiB that a child may allocate: as given, or a worker's share of the machine's."""
    return finite(_memory_share(workers) if given is None else given)


def _memory_share(workers: int) -> float:
    """Return the GiB of the machine's memory per worker; inf if a limit cannot be enforced."""
    if not sys.platform.startswith("linux"):
        return math.inf
    total = total_memory()
    return math.inf if total is None else total / workers / 2**30


def check_limits(workers: int | None, timeout: float | None, memory_limit: float | None) -> None:
    """Raise InvalidOption for a limit of children out of range, before anything is read."""
    from nas_gym.runs.options import checked_options

    checked_options(
        workers=cores() if workers is None else workers,
        timeout=finite(timeout),
        memory_limit=finite(memory_limit),
    )


def start_server_for(evaluator: object) -> None:
    """Start what will fork workers: it loads torch while this process imports what it needs."""
    from nas_gym.evaluators.evaluation import stays_here

    if not stays_here(evaluator):
        from nas_gym.evaluators.workers.starting import start_server

        start_server()


def print_json(data: object) -> None:
    """Print one JSON document for machines."""
    print(json.dumps(data, indent=2, allow_nan=False), file=results())


def check_folder(store: str | Path, run: str) -> None:
    """Raise InvalidOption if the folder of a run's files would be the store or another file."""
    folder = folder_beside(store) / run
    if folder == file_of(store) or (os.path.exists(folder) and not os.path.isdir(folder)):
        raise InvalidOption(
            f"the run name {run!r} is that of the file {folder}, and the run's pictures go into a "
            "folder of that name: give another name with --run"
        )


EPOCHS = "epochs or parts"  # until the data is read, which recipes are fitted to


def budget_in_words(
    budget: int | None,
    seconds: float | None,
    epochs: int | None,
    time_limit: float | None = None,
    units: str = "epochs",
) -> str:
    """Return ``150 evaluations``, ``20,000 simulated seconds``, ``20m``, or several of them."""
    limits = [] if budget is None else [f"{budget} evaluations"]
    limits += [] if seconds is None else [f"{seconds:,g} simulated seconds"]
    limits += [] if epochs is None else [f"{epochs:,} {units}"]
    limits += [] if time_limit is None else [duration_in_words(time_limit)]
    return " or ".join(limits)


def workers_for(evaluator: object, given: int | None) -> int:
    """Return the number of workers: as given, or by default a core each; one if it keeps state."""
    from nas_gym.evaluators.evaluation import keeps_state

    if getattr(evaluator, "in_this_process", False):
        print(_HERE, file=sys.stderr)
        return 1
    if given is not None or getattr(evaluator, "instant", False) or not keeps_state(evaluator):
        return cores() if given is None else given
    say_one_process()
    return 1


def data_lines(evaluator: object) -> list[str]:
    """Return what an evaluator that trains has read, in words; none if it does not say."""
    if not hasattr(evaluator, "data_summary") or not hasattr(evaluator, "data"):
        return []
    summary = getattr(evaluator.data, "summary", None)
    return [] if summary is None else list(summary.lines())


def judged_on(space: str, evaluator: object) -> str:
    """Return a space and the data set or table that its architectures are judged on."""
    from nas_gym.runs.config import space_and_data

    return space_and_data(space, *(getattr(evaluator, n, None) for n in ("dataset", "file")))


_HERE = (
    "the evaluator holds one state in this process: --workers, --timeout and --memory-limit do not "
    "apply"
)


def say_one_process() -> None:
    """Say why there is one worker on many cores."""
    print("one process holds the state of the evaluator", file=sys.stderr)


def count_of(number: int, what: str) -> str:
    """Return ``1 worker`` or ``2 workers``."""
    return f"{number} {what}{'s'[: number != 1]}"
