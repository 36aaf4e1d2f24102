"""``nas-gym describe``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro
from rich.console import Console
from rich.table import Table

from nas_gym.architecture import genotype_to_json
from nas_gym.commands.output import print_json
from nas_gym.describe import Description, describe
from nas_gym.drawing import cells_as_text, draw_cells, draw_genotype, genotype_as_text, save
from nas_gym.errors import InvalidGenotype, InvalidOption, unknown_name
from nas_gym.registry import PLUGINS, make
from nas_gym.search_spaces.cell_genotype import CONCATS, CellGenotype, with_concat
from nas_gym.search_spaces.grammar import NetworkSpace, Task, decode, tokens_of
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.search_spaces.nats_size import NATSSize
from nas_gym.search_spaces.published_cells import PUBLISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITH_STRINGS = ("nasbench201", "nats-size")  # spaces whose architectures are written as strings
# The size of Zoph et al. 2017's CIFAR network, for names and tokens.
NASNET_A_CIFAR = Task(channels=3, height=32, width=32, classes=10, repeats=6, filters=32)
_TASK_FIELDS = {field.name for field in fields(Task)}


@dataclass(frozen=True)
class Describe:
    """Describe a named or saved architecture: parameters, multiply-adds, its cells."""

    architecture: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ARCHITECTURE")]
    """A published name (nasnet-a, …), a JSON file that a report wrote, tokens (1,0,12,…), or the
    architecture string of NAS-Bench-201 or NATS-Bench's size space."""
    space: str | None = None
    """The space of a token list or string (`nas-gym list`); by default the saved one, the one whose
    string it is, or nasnet-cell."""
    repeats: int | None = None
    """N: cells a stack; the saved architecture's own, or 6 (NAS-Bench-201: 5)."""
    filters: int | None = None
    """F: filters of the first stack (N @ 24 F in the papers' notation for NASNet-A); or 32
    (NAS-Bench-201: 16)."""
    image_size: int | None = None
    """Pixels a side; or 32."""
    channels: int | None = None
    """Channels of an image; or 3."""
    classes: int | None = None
    """Classes; or 10."""
    stem: str | None = None
    """cifar or imagenet; or cifar."""
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
        found = _find(self.architecture, self.space)
        if self.concat is not None:
            if self.concat not in CONCATS:
                raise unknown_name("concat rule", self.concat, CONCATS)
            if not isinstance(found.genotype, CellGenotype):
                raise InvalidOption("--concat is for NASNet's cells alone: leave it out")
            found = found._replace(genotype=with_concat(found.genotype, self.concat))
        genotype, task = found.genotype, self._task(found)
        try:
            description = describe(genotype, task, found.space)
        except (RuntimeError, OverflowError) as error:
            raise InvalidOption(f"no network can have this size ({error})") from error
        if self.draw is not None:
            save(found.drawn(), self.draw)
        if self.json:
            data = {"architecture": genotype_to_json(genotype), "task": asdict(task)}
            print_json({**data, **description.to_json()})
            return 0
        # NATS-Bench's size space says itself how large a network is.
        size = f"N = {task.repeats}, F = {task.filters}, "
        print(
            f"{self.architecture}: {'' if isinstance(found.space, NATSSize) else size}images of "
            f"{task.channels} x {task.height} x {task.width}, {task.classes} classes, "
            f"stem {task.stem}"
        )
        words = found.in_words()
        if words != self.architecture:
            print(words)
        Console().print(_parts_table(description))
        print(f"parameters {description.parameters:,}, multiply-adds {description.multiply_adds:,}")
        return 0

    def _task(self, found: "_Found") -> Task:
        """The options given, over the size that was saved, over the one that is usual."""
        given: dict[str, Any] = {
            "repeats": self.repeats,
            "filters": self.filters,
            "height": self.image_size,
            "width": self.image_size,
            "channels": self.channels,
            "classes": self.classes,
            "stem": self.stem,
        }
        options = {name: value for name, value in given.items() if value is not None}
        usual: Task = getattr(found.space, "usual_task", NASNET_A_CIFAR)
        return replace(found.task or usual, auxiliary=self.auxiliary, **options)


class _Found(NamedTuple):
    """The architecture that was meant."""

    genotype: Any
    space: NetworkSpace[Any]
    task: Task | None = None  # the size that was saved
    tokens: tuple[int, ...] | None = None  # where they were given

    def drawn(self) -> "Figure":
        """Its picture; a published cell need not have tokens."""
        if isinstance(self.genotype, CellGenotype):
            return draw_cells(self.genotype)
        return draw_genotype(self.space, self.tokens or tokens_of(self.space, self.genotype))

    def in_words(self) -> str:
        """The same in words."""
        if isinstance(self.genotype, CellGenotype):
            return cells_as_text(self.genotype)
        return genotype_as_text(self.space, self.tokens or tokens_of(self.space, self.genotype))


def _find(text: str, space_name: str | None) -> _Found:
    """What a name, a JSON file, a token list or an architecture string stands for."""
    if text in PUBLISHED:
        return _Found(PUBLISHED[text], NASNetCell())
    if text.endswith(".json"):
        return _read_architecture(Path(text), space_name)
    if text.replace(",", "").replace(" ", "").isdigit():
        space = _space(space_name or "nasnet-cell")
        tokens = tuple(map(int, text.replace(",", " ").split()))
        return _Found(decode(space, tokens), space, tokens=tokens)
    for name in WITH_STRINGS if space_name is None else (space_name,):
        space = _space(name)
        try:
            return _Found(_from_json(space, text), space)
        except InvalidGenotype:
            if space_name is not None and not isinstance(space, NASNetCell):
                raise
    known = [*PUBLISHED, "a .json file", "tokens such as 1,0,12,…", "an architecture string"]
    raise unknown_name("architecture", text, known)


def _space(name: str | Mapping[str, Any]) -> NetworkSpace[Any]:
    space: NetworkSpace[Any] = make("space", name)
    if not callable(getattr(space, "build", None)):
        raise InvalidOption(
            f"architectures of {type(space).__name__} cannot be described: it needs a method "
            "build(genotype, task) that returns the network"
        )
    return space


def _from_json(space: NetworkSpace[Any], data: Any) -> Any:
    read = getattr(space, "genotype_from_json", None)
    if read is None:
        raise InvalidOption(
            f"{type(space).__name__} reads no genotypes: give tokens such as 1,0,12,…"
        )
    return read(data)


def _read_architecture(path: Path, space_name: str | None) -> _Found:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidGenotype(f"{path} is not a readable JSON file ({error})") from error
    if not isinstance(data, dict) or "architecture" not in data:
        space = _space(space_name or "nasnet-cell")
        return _Found(_from_json(space, data), space)
    saved = data.get("space")
    # A file from elsewhere must not say which module is imported.
    if not isinstance(saved, dict) or saved.get("name") not in PLUGINS["space"]:
        saved = "nasnet-cell"
    space = _space(space_name or saved)
    task = data.get("task")
    if task is not None and (not isinstance(task, dict) or set(task) != _TASK_FIELDS):
        raise InvalidGenotype(f"{path}: 'task' is not what a report writes: leave it out")
    genotype = _from_json(space, data["architecture"])
    return _Found(genotype, space, None if task is None else Task(**task))


def _parts_table(description: Description) -> Table:
    table = Table("part", box=None)
    for heading in ("output", "parameters"):
        table.add_column(heading, justify="right")
    for part in description.parts:
        shape = f"{part.channels} x {part.height} x {part.width}"
        table.add_row(part.name, shape, f"{part.parameters:,}")
    return table
