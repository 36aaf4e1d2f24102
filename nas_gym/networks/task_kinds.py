"""The kinds of tasks: what each shows of a network, and how it is said to people.

A third kind of task is one more dataclass in ``task``, one more class here, and an evaluator that
trains for it; whoever describes a network asks its task's kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nas_gym.networks.task import LanguageTask, Task, Units
from nas_gym.options import check

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """One row of the table of a network for images: a stem, a cell, a classifier."""

    name: str  # e.g. "normal3"
    parameters: int  # trainable
    channels: int  # of its output
    height: int  # of its output, pixels; 1 after a classifier
    width: int

    @property
    def output(self) -> str:
        """The shape of what it gives, for people."""
        return f"{self.channels} x {self.height} x {self.width}"


@dataclass(frozen=True)
class LanguagePart:
    """One row of the table of a language model: the embedding, a layer of cells, the decoder."""

    name: str  # e.g. "layer0"
    parameters: int  # trainable; tied weights count where they come first
    units: int  # values that it gives for a word or character

    @property
    def output(self) -> str:
        """The shape of what it gives, for people."""
        return f"{self.units:,}"


class TaskKind(ABC):
    """The knowledge that ``nas-gym describe`` needs about the tasks of one class."""

    network: str  # what is built for it, for people
    usual: Any  # the task for which a network is described unless something else is said
    fields: tuple[str, ...]  # of the task: those that networks take unless their space says else

    @abstractmethod
    def example(self, task: Any) -> tuple[Shape, str]:
        """Return the shape of one example, without a batch, and the name of its torch dtype."""

    @abstractmethod
    def part(self, task: Any, name: str, parameters: int, output: Shape | None) -> Any:
        """Return the row of a module.

        Args:
            task: What the network is built for.
            name: Of the module.
            parameters: Trainable parameters of its own.
            output: Shape of what it gave for a batch of one; None if it was not run.
        """

    @abstractmethod
    def in_words(self, task: Any, fields: Collection[str]) -> str:
        """Return the size of the task, as far as it is set by ``fields``."""

    @abstractmethod
    def resized(self, task: Any, given: Mapping[str, Any]) -> Any:
        """Return ``task`` with the values that the user gave for some of its fields."""


class _Images(TaskKind):
    network = "a network for images"
    # The size of Zoph et al. 2017's CIFAR network.
    usual = Task(channels=3, height=32, width=32, classes=10, repeats=6, filters=32)
    fields = (
        "height", "width", "channels", "classes", "repeats", "filters", "stem", "auxiliary",
    )  # fmt: skip

    def example(self, task: Task) -> tuple[Shape, str]:
        return (task.channels, task.height, task.width), "float32"

    def part(self, task: Task, name: str, parameters: int, output: Shape | None) -> Part:
        # An auxiliary classifier is left out in evaluation mode.
        seen = (1, task.classes) if output is None else output
        return Part(name, parameters, *(*seen, 1, 1)[1:4])

    def in_words(self, task: Task, fields: Collection[str]) -> str:
        stacks = f"N = {task.repeats}, F = {task.filters}, " if "repeats" in fields else ""
        images = f"images of {task.channels} x {task.height} x {task.width}, {task.classes} classes"
        stem = f", stem {task.stem}" if "stem" in fields else ""
        width = task.width_multiplier, task.more_filters
        scaled = "width_multiplier" in fields and width != (1, 0)
        return f"{stacks}{images}{stem}" + (f", filters x {width[0]:g} + {width[1]}" * scaled)

    def resized(self, task: Task, given: Mapping[str, Any]) -> Task:
        # A recipe that trains with an auxiliary classifier does not mean that it is counted.
        return replace(task, **{"auxiliary": False, **given})


class _Text(TaskKind):
    network = "a language model"
    # The usual "medium" models of Penn Treebank's words (Zaremba et al. 2014), with tied weights.
    usual = LanguageTask(vocabulary=10_000, layers=2, hidden=650, embedding=650)
    fields = ("vocabulary", "layers", "hidden", "embedding", "tied")

    def example(self, task: LanguageTask) -> tuple[Shape, str]:
        del task
        return (1,), "int64"  # one word

    def part(
        self, task: LanguageTask, name: str, parameters: int, output: Shape | None
    ) -> LanguagePart:
        del task
        return LanguagePart(name, parameters, output[-1] if output else 0)

    def in_words(self, task: LanguageTask, fields: Collection[str]) -> str:
        del fields
        return (
            f"vocabulary of {task.vocabulary:,}, {task.layers} layer{'s'[: task.layers != 1]} of "
            f"{task.hidden:,} units, embedding of {task.embedding:,}, "
            f"{'tied' if task.tied else 'untied'}"
        )

    def resized(self, task: LanguageTask, given: Mapping[str, Any]) -> LanguageTask:
        # Tied weights keep embedding and hidden equal if only one is given.
        sizes = [check(n, given[n], Units) for n in ("hidden", "embedding") if n in given]
        tied = given.get("tied", task.tied)
        if tied and task.embedding == task.hidden and len(sizes) == 1:
            given = {**given, "hidden": sizes[0], "embedding": sizes[0]}
        return replace(task, **given)


IMAGES = _Images()
TEXT = _Text()
_KINDS: Mapping[type, TaskKind] = {Task: IMAGES, LanguageTask: TEXT}


def kind_of(task: Task | LanguageTask) -> TaskKind:
    """Return the kind of a task."""
    return _KINDS[type(task)]
