"""``nas-gym describe``."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from nas_gym.cli.shared import (
    AsJson,
    DataFolder,
    OptionalPath,
    OptionalText,
    dashed,
    print_json,
)
from nas_gym.cli.sizes import Sizes, check_latency_device, latencies, task_options
from nas_gym.drawing.formats import drawing_path
from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.models.architectures import find
from nas_gym.networks.task import task_to_json
from nas_gym.networks.task_kinds import kind_of
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.describe import Description, describe
from nas_gym.search_spaces.nasnet_cell.genotype import CONCATS, CellGenotype, with_concat

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Describe(Sizes):
    """Describe an architecture (parameters, multiply-adds, its parts), or a data set of images.

    Of a data set (--dataset): its classes, parts and sizes, and what was left out.
    """

    architecture: Annotated[
        tyro.conf.Positional[OptionalText], tyro.conf.arg(metavar="[ARCHITECTURE]")
    ] = None
    """A published name (nasnet-a, nas-v1, nas-cell, …), a JSON file that a report wrote, tokens
    (1,0,12,…), or the architecture string of NAS-Bench-201 or NATS-Bench's size space."""
    space: OptionalText = None
    """Search space of a token list or string (`nas-gym list`); by default the saved one, the one
    whose string it is, or nasnet-cell."""
    concat: OptionalText = None
    """Output of a cell: unused (the paper's text) or all; as published by default."""
    draw: OptionalPath = None
    """Write a drawing of the architecture to this .png or .svg file."""
    dataset: OptionalText = None
    """Describe this data set of images instead: a name (`nas-gym list`), a folder or a .npz file;
    of the other options --folder, --download, --image-size and --json go with it."""
    folder: DataFolder = None
    download: bool = False
    """Allow a named data set to be downloaded into its folder."""
    contact_sheet: OptionalPath = None
    """Write images of each class of the data set, as the network sees them, to this .png or other
    image file."""
    latency: bool = False
    """Measure how long a batch of 1 and of 64 takes on one thread, with fresh weights."""
    device: OptionalText = None
    """Where the latency is measured: cpu (default), cuda or cuda:1."""
    json: AsJson = False

    def __call__(self) -> int:
        """Print the description."""
        if self.dataset is not None:
            return self._describe_data(self.dataset)
        for option in ("folder", "download", "contact_sheet"):
            if getattr(self, option):
                raise InvalidOption(f"--{dashed(option)} is only for a data set: give --dataset")
        if self.architecture is None:
            raise InvalidOption("nothing to describe: give an architecture, or --dataset")
        check_latency_device(self.device, self.latency)
        draw = None if self.draw is None else drawing_path(self.draw, "--draw")
        found = find(self.architecture, self.space)
        self.refuse_what_does_not_fit(found, self.architecture)
        if self.concat is not None:
            if self.concat not in CONCATS:
                raise unknown_name("concat rule", self.concat, CONCATS)
            if not isinstance(found.genotype, CellGenotype):
                raise InvalidOption("--concat is only for NASNet's cells: leave it out")
            found = found._replace(genotype=with_concat(found.genotype, self.concat))
        genotype, task = found.genotype, self.task_of(found)
        try:
            description = describe(genotype, task, found.space)
        except (RuntimeError, OverflowError) as error:
            raise InvalidOption(f"no network can have this size ({error})") from error
        if draw is not None:
            from nas_gym.drawing import save

            save(found.drawn(), draw)
        measured = []
        if self.latency:
            from nas_gym.models.folder import fresh_model

            measured = latencies(fresh_model(found.space, genotype, task), self.device)
        if self.json:
            data = {"architecture": genotype_to_json(genotype), "task": task_to_json(task)}
            more = {"latency": [each.to_json() for each in measured]} if measured else {}
            print_json({**data, **description.to_json(), **more})
            return 0
        size = kind_of(task).in_words(task, task_options(found))
        print(f"{printable(self.architecture)}: {size}")
        words = found.in_words()
        if words != self.architecture:
            print(printable(words, lines=True))
        from nas_gym.runs.console import PlainConsole

        PlainConsole().print(_parts_table(description))
        print(f"parameters {description.parameters:,}, multiply-adds {description.multiply_adds:,}")
        print(*(each.in_words() for each in measured), sep="\n", end="\n" * bool(measured))
        return 0

    def _describe_data(self, dataset: str) -> int:
        """Print what a data set is, and draw its contact sheet."""
        others = [
            option
            for option in ("architecture", "space", "concat", "draw", "latency", "device")
            if getattr(self, option)
        ]
        others += [option for option in self.given_sizes() if option != "image_size"]
        if others:
            what = "ARCHITECTURE" if others[0] == "architecture" else f"--{dashed(others[0])}"
            raise InvalidOption(
                f"{what} says nothing about a data set: leave it out, or leave out --dataset"
            )
        from nas_gym.training.images.sheet import check_sheet, save_sheet
        from nas_gym.training.images.sources import load_dataset

        sheet = None
        if self.contact_sheet is not None:
            sheet = user_path(self.contact_sheet, "--contact-sheet")
            check_sheet(sheet)
        data = load_dataset(
            dataset, folder=self.folder, download=self.download, image_size=self.image_size
        )
        if sheet is not None:
            save_sheet(data, sheet)
            print(f"the contact sheet is {printable(sheet)}", file=sys.stderr)
        if self.json:
            print_json(data.summary.to_json())
        else:
            print(*data.summary.lines(), sep="\n")
        return 0


def _parts_table(description: Description) -> "Table":
    from rich.table import Table

    table = Table("part", box=None)
    for heading in ("output", "parameters"):
        table.add_column(heading, justify="right")
    for part in description.parts:
        table.add_row(part.name, part.output, f"{part.parameters:,}")
    return table
