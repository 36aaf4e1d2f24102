"""``nas-gym describe``."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from nas_gym.commands.output import print_json
from nas_gym.describe import Description, describe
from nas_gym.drawing import cells_as_text, draw_cells, save
from nas_gym.errors import InvalidGenotype, InvalidOption, unknown_name
from nas_gym.registry import make
from nas_gym.search_spaces.cell_genotype import (
    CONCATS,
    CellGenotype,
    genotype_from_json,
    with_concat,
)
from nas_gym.search_spaces.grammar import Task, decode
from nas_gym.search_spaces.published_cells import PUBLISHED

# The size of Zoph et al. 2017's CIFAR network, for names and tokens.
NASNET_A_CIFAR = Task(channels=3, height=32, width=32, classes=10, repeats=6, filters=32)
_TASK_FIELDS = {field.name for field in fields(Task)}


@dataclass(frozen=True)
class Describe:
    """Describe a named or saved architecture: parameters, multiply-adds, its cells."""

    architecture: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ARCHITECTURE")]
    """A published name (nasnet-a, …), a JSON file that a report wrote, or tokens: 1,0,12,…"""
    space: str = "nasnet-cell"
    """The space of a token list."""
    repeats: int | None = None
    """N: normal cells a stack; the saved architecture's own, or 6."""
    filters: int | None = None
    """F: filters of the first stack (N @ 24 F in the papers' notation for NASNet-A); or 32."""
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
        genotype, saved = _genotype(self.architecture, self.space)
        if self.concat is not None:
            if self.concat not in CONCATS:
                raise unknown_name("concat rule", self.concat, CONCATS)
            genotype = with_concat(genotype, self.concat)
        task = self._task(saved)
        try:
            description = describe(genotype, task)
        except (RuntimeError, OverflowError) as error:
            raise InvalidOption(f"no network can have this size ({error})") from error
        if self.draw is not None:
            save(draw_cells(genotype), self.draw)
        if self.json:
            data = {"architecture": genotype.to_json(), "task": asdict(task)}
            print_json({**data, **description.to_json()})
            return 0
        print(
            f"{self.architecture}: N = {task.repeats}, F = {task.filters}, images of "
            f"{task.channels} x {task.height} x {task.width}, {task.classes} classes, "
            f"stem {task.stem}"
        )
        print(cells_as_text(genotype))
        Console().print(_parts_table(description))
        print(f"parameters {description.parameters:,}, multiply-adds {description.multiply_adds:,}")
        return 0

    def _task(self, saved: Task | None) -> Task:
        """The options given, over the size that was saved, over that of NASNet-A (6 @ 768)."""
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
        return replace(saved or NASNET_A_CIFAR, auxiliary=self.auxiliary, **options)


def _genotype(text: str, space_name: str) -> tuple[CellGenotype, Task | None]:
    """The genotype that a name, a JSON file or a token list stands for; its size, if saved."""
    if text in PUBLISHED:
        return PUBLISHED[text], None
    if text.endswith(".json"):
        return _read_architecture(Path(text))
    if text.replace(",", "").replace(" ", "").isdigit():
        genotype = decode(make("space", space_name), map(int, text.replace(",", " ").split()))
        if not isinstance(genotype, CellGenotype):
            raise InvalidOption(f"only NASNet cells can be described, not those of {space_name}")
        return genotype, None
    known = [*PUBLISHED, "a .json file", "tokens such as 1,0,12,…"]
    raise unknown_name("architecture", text, known)


def _read_architecture(path: Path) -> tuple[CellGenotype, Task | None]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidGenotype(f"{path} is not a readable JSON file ({error})") from error
    if not isinstance(data, dict) or "architecture" not in data:
        return genotype_from_json(data), None
    task = data.get("task")
    if task is not None and (not isinstance(task, dict) or set(task) != _TASK_FIELDS):
        raise InvalidGenotype(f"{path}: 'task' is not what a report writes: leave it out")
    return genotype_from_json(data["architecture"]), None if task is None else Task(**task)


def _parts_table(description: Description) -> Table:
    table = Table("part", box=None)
    for heading in ("output", "parameters"):
        table.add_column(heading, justify="right")
    for part in description.parts:
        shape = f"{part.channels} x {part.height} x {part.width}"
        table.add_row(part.name, shape, f"{part.parameters:,}")
    return table
