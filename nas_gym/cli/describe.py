"""``nas-gym describe``."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from nas_gym.cli.evaluators import evaluator_of
from nas_gym.cli.limits import LimitWords, limits_given
from nas_gym.cli.shared import (
    AsJson,
    DataFolder,
    OptionalPath,
    OptionalText,
    print_json,
)
from nas_gym.cli.sizes import Sizes, check_latency_device, latencies, task_options
from nas_gym.cli.typed import dashed
from nas_gym.drawing.formats import drawing_path
from nas_gym.errors import InvalidOption, UnknownName, unknown_name
from nas_gym.models.architectures import find
from nas_gym.networks.task import task_to_json
from nas_gym.networks.task_kinds import kind_of
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.plugins import raised_in
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
    text: bool = False
    """Describe a whole search space (`nas-gym list`) instead, in a page short enough for the prompt
    of a language model that proposes for `nas-gym ask-tell`."""
    limit: LimitWords = ()
    """Limits that hold in the space that --text describes, as `nas-gym search` takes them, e.g.
    --limit parameters=50k."""
    evaluator: OptionalText = None
    """Evaluator for whose networks --limit is meant; by default what is usual for the space."""
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
        if self.text:
            return self._describe_space()
        for option in ("limit", "evaluator"):
            if getattr(self, option):
                raise InvalidOption(f"--{option} is only for a whole space: give --text")
        if self.dataset is not None:
            return self._describe_data(self.dataset)
        for option in ("folder", "download", "contact_sheet"):
            if getattr(self, option):
                raise InvalidOption(f"--{dashed(option)} is only for a data set: give --dataset")
        if self.architecture is None:
            raise InvalidOption("nothing to describe: give an architecture, or --dataset")
        check_latency_device(self.device, self.latency)
        draw = None if self.draw is None else drawing_path(self.draw, "--draw")
        try:
            found = find(self.architecture, self.space)
        except UnknownName:
            from nas_gym.cli.other_kinds import refuse_other_kinds

            refuse_other_kinds(self.architecture)
            raise
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
            if raised_in(error) is not None:  # a space's own words are about something else
                raise
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

    def _describe_space(self) -> int:
        """Print what a language model needs to know of a space."""
        names = ("concat", "draw", "dataset", "folder", "download", "contact_sheet", "latency")
        others = [n for n in (*names, "device") if getattr(self, n)]
        others += self.given_sizes()
        if others:
            raise InvalidOption(
                f"--{dashed(others[0])} says nothing about a whole space: leave it out, or --text"
            )
        if self.architecture is not None and self.space is not None:
            raise InvalidOption("the space is given twice: leave out --space")
        limits = limits_given(self.limit)
        if self.evaluator is not None and limits is None:
            raise InvalidOption("--evaluator says for whose networks --limit is: give --limit")
        from nas_gym.models.architectures import USUAL_SPACE
        from nas_gym.registry import make
        from nas_gym.search_spaces.in_words import space_in_words

        name = self.architecture or self.space or USUAL_SPACE
        space = make("space", name)
        if limits is not None:
            from nas_gym.envs.limits import with_limits

            judge = evaluator_of(space, self.evaluator, {}, {"evaluator": {}, "recipe": {}})
            space, _ = with_limits(space, make("evaluator", judge, space=space), limits)
        words = space_in_words(space)
        if self.json:
            print_json({"space": name, "text": words})
        else:
            print(printable(words, lines=True))
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
        from nas_gym.cli.output import preparation_shown
        from nas_gym.training.images.sheet import check_sheet, save_sheet
        from nas_gym.training.images.sources import load_dataset

        sheet = None
        if self.contact_sheet is not None:
            sheet = user_path(self.contact_sheet, "--contact-sheet")
            check_sheet(sheet)
        with preparation_shown():
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
