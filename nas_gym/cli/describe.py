"""``nas-gym describe``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from nas_gym.cli.architectures import Found, find, is_language
from nas_gym.cli.output import print_json
from nas_gym.drawing import save
from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.networks.task import LanguageTask, Task, task_to_json
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.describe import Description, LanguagePart, describe
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasnet_cell.genotype import CONCATS, CellGenotype, with_concat

# The size of Zoph et al. 2017's CIFAR network, for names and tokens.
NASNET_A_CIFAR = Task(channels=3, height=32, width=32, classes=10, repeats=6, filters=32)
# The usual "medium" models of Penn Treebank's words (Zaremba et al. 2014), with tied weights.
PENN_TREEBANK = LanguageTask(vocabulary=10_000, layers=2, hidden=650, embedding=650)

# The options that say something about one kind of network only.
_OF_IMAGES = ("image_size", "channels", "classes")
_OF_CELLS = ("repeats", "filters", "stem", "auxiliary")
_OF_LAYERS = ("width_multiplier", "more_filters")
_OF_LANGUAGE = ("vocabulary", "layers", "hidden", "embedding", "untied")


@dataclass(frozen=True)
class Describe:
    """Describe a named or saved architecture: parameters, multiply-adds, its parts."""

    architecture: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ARCHITECTURE")]
    """A published name (nasnet-a, nas-v1, nas-cell, …), a JSON file that a report wrote, tokens
    (1,0,12,…), or the architecture string of NAS-Bench-201 or NATS-Bench's size space."""
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
    width_multiplier: float | None = None
    """Multiplies the filters of a conv-net's layers; or 1."""
    more_filters: int | None = None
    """Added to the filters of each of a conv-net's layers; or 0."""
    vocabulary: int | None = None
    """Words or characters of a language model; or 10000."""
    layers: int | None = None
    """Layers of a recurrent cell; or 2."""
    hidden: int | None = None
    """Units of a recurrent cell; or 650."""
    embedding: int | None = None
    """Size of a word's vector; or as many as there are units."""
    untied: bool = False
    """Give a language model's last layer weights of its own, not those of the embedding."""
    draw: Path | None = None
    """Write a drawing of the architecture to this .png or .svg file."""
    json: bool = False
    """Print the description as JSON."""

    def __call__(self) -> int:
        """Print the description."""
        found = find(self.architecture, self.space)
        self._refuse_what_does_not_fit(found)
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
            data = {"architecture": genotype_to_json(genotype), "task": task_to_json(task)}
            print_json({**data, **description.to_json()})
            return 0
        print(f"{self.architecture}: {_size_in_words(found, task)}")
        words = found.in_words()
        if words != self.architecture:
            print(words)
        Console().print(_parts_table(description))
        print(f"parameters {description.parameters:,}, multiply-adds {description.multiply_adds:,}")
        return 0

    def _refuse_what_does_not_fit(self, found: Found) -> None:
        """Raise InvalidOption for an option that says nothing about this kind of network."""
        fitting: tuple[str, ...]
        if is_language(found.space):
            kind, fitting = "a language model", _OF_LANGUAGE
        elif isinstance(found.space, ConvNet):
            kind, fitting = "a convolutional network", _OF_IMAGES + _OF_LAYERS
        else:
            kind, fitting = "a network for images", _OF_IMAGES + _OF_CELLS
        for option in (*_OF_IMAGES, *_OF_CELLS, *_OF_LAYERS, *_OF_LANGUAGE):
            given = getattr(self, option) is not None and getattr(self, option) is not False
            if given and option not in fitting:
                raise InvalidOption(
                    f"--{_dashed(option)} says nothing about {self.architecture}, {kind}: leave it "
                    f"out; its size is set by {', '.join(f'--{_dashed(o)}' for o in fitting)}"
                )

    def _task(self, found: Found) -> Task | LanguageTask:
        """The options given, over the size that was saved, over the one that is usual."""
        if is_language(found.space):
            saved = found.task if isinstance(found.task, LanguageTask) else PENN_TREEBANK
            return self._language_task(saved)
        given: dict[str, Any] = {
            "repeats": self.repeats,
            "filters": self.filters,
            "height": self.image_size,
            "width": self.image_size,
            "channels": self.channels,
            "classes": self.classes,
            "stem": self.stem,
            "width_multiplier": self.width_multiplier,
            "more_filters": self.more_filters,
        }
        options = {name: value for name, value in given.items() if value is not None}
        usual: Task = getattr(found.space, "usual_task", NASNET_A_CIFAR)
        saved_task = found.task if isinstance(found.task, Task) else usual
        return replace(saved_task, auxiliary=self.auxiliary, **options)

    def _language_task(self, saved: LanguageTask) -> LanguageTask:
        """As ``_task``; tied weights keep embedding and hidden equal where only one is given."""
        tied = saved.tied and not self.untied
        hidden, embedding = self.hidden, self.embedding
        if tied and saved.embedding == saved.hidden:
            hidden = embedding if hidden is None else hidden
            embedding = hidden if embedding is None else embedding
        given = {
            "vocabulary": self.vocabulary,
            "layers": self.layers,
            "hidden": hidden,
            "embedding": embedding,
        }
        options = {name: value for name, value in given.items() if value is not None}
        return replace(saved, tied=tied, **options)


def _dashed(option: str) -> str:
    return option.replace("_", "-")


def _size_in_words(found: Found, task: Task | LanguageTask) -> str:
    if isinstance(task, LanguageTask):
        return (
            f"vocabulary of {task.vocabulary:,}, {task.layers} layer{'s'[: task.layers != 1]} of "
            f"{task.hidden:,} units, embedding of {task.embedding:,}, "
            f"{'tied' if task.tied else 'untied'}"
        )
    images = f"images of {task.channels} x {task.height} x {task.width}, {task.classes} classes"
    if isinstance(found.space, ConvNet):
        width = task.width_multiplier, task.more_filters
        return images + ("" if width == (1, 0) else f", filters x {width[0]:g} + {width[1]}")
    # NATS-Bench's size space says itself how large a network is.
    size = f"N = {task.repeats}, F = {task.filters}, "
    return f"{'' if isinstance(found.space, NATSSize) else size}{images}, stem {task.stem}"


def _parts_table(description: Description) -> Table:
    table = Table("part", box=None)
    for heading in ("output", "parameters"):
        table.add_column(heading, justify="right")
    for part in description.parts:
        shape = (
            f"{part.units:,}"
            if isinstance(part, LanguagePart)
            else f"{part.channels} x {part.height} x {part.width}"
        )
        table.add_row(part.name, shape, f"{part.parameters:,}")
    return table
