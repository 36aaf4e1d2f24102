"""``nas-gym describe``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from nas_gym.cli.architectures import Found, find, usual_task
from nas_gym.cli.shared import (
    AsJson,
    DataFolder,
    OptionalCount,
    OptionalNumber,
    OptionalPath,
    OptionalText,
    dashed,
    print_json,
)
from nas_gym.drawing.formats import drawing_path
from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.networks.task import task_to_json
from nas_gym.networks.task_kinds import kind_of
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.describe import Description, describe
from nas_gym.search_spaces.nasnet_cell.genotype import CONCATS, CellGenotype, with_concat

if TYPE_CHECKING:
    from rich.table import Table

# The options that set a size, in the order in which they are listed to people.
_SIZES = (
    "image_size", "channels", "classes", "repeats", "filters", "stem", "auxiliary",
    "width_multiplier", "more_filters", "vocabulary", "layers", "hidden", "embedding", "untied",
)  # fmt: skip
# The fields of a task that an option sets, if it is not the one of the same name.
_FIELDS = {"image_size": ("height", "width"), "untied": ("tied",)}


@dataclass(frozen=True)
class Describe:
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
    repeats: OptionalCount = None
    """N: cells per stack; by default the saved architecture's own, or 6 (NAS-Bench-201: 5)."""
    filters: OptionalCount = None
    """F: filters of the first stack (N @ 24 F in the papers' notation for NASNet-A); 32 by
    default (NAS-Bench-201: 16)."""
    image_size: OptionalCount = None
    """Pixels per side of an image; 32 by default."""
    channels: OptionalCount = None
    """Channels of an image; 3 by default."""
    classes: OptionalCount = None
    """Classes; 10 by default."""
    stem: OptionalText = None
    """Stem of the network: cifar (default) or imagenet."""
    concat: OptionalText = None
    """Output of a cell: unused (the paper's text) or all; as published by default."""
    auxiliary: bool = False
    """Count the auxiliary classifier as well."""
    width_multiplier: OptionalNumber = None
    """Factor on the filters of a conv-net's layers; 1 by default."""
    more_filters: OptionalCount = None
    """Filters added to each of a conv-net's layers; 0 by default."""
    vocabulary: OptionalCount = None
    """Words or characters of a language model; 10000 by default."""
    layers: OptionalCount = None
    """Layers of a recurrent cell; 2 by default."""
    hidden: OptionalCount = None
    """Units of a recurrent cell; 650 by default."""
    embedding: OptionalCount = None
    """Size of a word's vector; by default the number of units."""
    untied: bool = False
    """Give a language model's last layer weights of its own, not those of the embedding."""
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
        draw = None if self.draw is None else drawing_path(self.draw, "--draw")
        found = find(self.architecture, self.space)
        self._refuse_what_does_not_fit(found)
        if self.concat is not None:
            if self.concat not in CONCATS:
                raise unknown_name("concat rule", self.concat, CONCATS)
            if not isinstance(found.genotype, CellGenotype):
                raise InvalidOption("--concat is only for NASNet's cells: leave it out")
            found = found._replace(genotype=with_concat(found.genotype, self.concat))
        genotype, task = found.genotype, self._task(found)
        try:
            description = describe(genotype, task, found.space)
        except (RuntimeError, OverflowError) as error:
            raise InvalidOption(f"no network can have this size ({error})") from error
        if draw is not None:
            from nas_gym.drawing import save

            save(found.drawn(), draw)
        if self.json:
            data = {"architecture": genotype_to_json(genotype), "task": task_to_json(task)}
            print_json({**data, **description.to_json()})
            return 0
        size = kind_of(task).in_words(task, _task_options(found))
        print(f"{printable(self.architecture)}: {size}")
        words = found.in_words()
        if words != self.architecture:
            print(printable(words, lines=True))
        from nas_gym.runs.console import PlainConsole

        PlainConsole().print(_parts_table(description))
        print(f"parameters {description.parameters:,}, multiply-adds {description.multiply_adds:,}")
        return 0

    def _describe_data(self, dataset: str) -> int:
        """Print what a data set is, and draw its contact sheet."""
        others = [o for o in ("architecture", "space", "concat", "draw") if getattr(self, o)]
        others += [option for option in self._given() if option != "image_size"]
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
        if self.json:
            print_json(data.summary.to_json())
        else:
            print(*data.summary.lines(), sep="\n")
        return 0

    def _given(self) -> dict[str, Any]:
        """Return the sizes that were given, by option."""
        given = {option: getattr(self, option) for option in _SIZES}
        return {o: value for o, value in given.items() if value is not None and value is not False}

    def _refuse_what_does_not_fit(self, found: Found) -> None:
        """Raise InvalidOption for an option that says nothing about this kind of network."""
        fitting = [o for o in _SIZES if set(_fields_of(o)) <= set(_task_options(found))]
        for option in self._given():
            if option not in fitting:
                network = getattr(found.space, "builds", kind_of(usual_task(found.space)).network)
                raise InvalidOption(
                    f"--{dashed(option)} says nothing about {self.architecture}, {network}: leave "
                    f"it out; its size is set by {', '.join(f'--{dashed(o)}' for o in fitting)}"
                )

    def _task(self, found: Found) -> Any:
        """Return the options given, over the size that was saved, over the one that is usual."""
        given = {
            field: not value if option == "untied" else value
            for option, value in self._given().items()
            for field in _fields_of(option)
        }
        task = usual_task(found.space) if found.task is None else found.task
        return kind_of(task).resized(task, given)


def _fields_of(option: str) -> tuple[str, ...]:
    return _FIELDS.get(option, (option,))


def _task_options(found: Found) -> tuple[str, ...]:
    """Return the fields of the task that the networks of a space take."""
    kind = kind_of(usual_task(found.space))
    return tuple(getattr(found.space, "task_options", kind.fields))


def _parts_table(description: Description) -> "Table":
    from rich.table import Table

    table = Table("part", box=None)
    for heading in ("output", "parameters"):
        table.add_column(heading, justify="right")
    for part in description.parts:
        table.add_row(part.name, part.output, f"{part.parameters:,}")
    return table
