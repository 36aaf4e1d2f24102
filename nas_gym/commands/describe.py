"""``nas-gym describe``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
            print_json({"architecture": genotype.to_json(), **description.to_json()})
            return 0
        print(cells_as_text(genotype))
        Console().print(_parts_table(description))
        print(f"parameters {description.parameters:,}, multiply-adds {description.multiply_adds:,}")
        return 0


def _genotype(text: str, space_name: str) -> Any:
    """The genotype that a published name, a JSON file or a token list stands for."""
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
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidGenotype(f"{path} is not a readable JSON file ({error})") from error
    return data.get("architecture", data) if isinstance(data, dict) else data


def _parts_table(description: Description) -> Table:
    table = Table("part", box=None)
    for heading in ("output", "parameters"):
        table.add_column(heading, justify="right")
    for part in description.parts:
        shape = f"{part.channels} x {part.height} x {part.width}"
        table.add_row(part.name, shape, f"{part.parameters:,}")
    return table
