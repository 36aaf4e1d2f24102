"""What a child network is built for, and the same as JSON data.

Protocols and saved architectures hold the JSON.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from nas_gym.errors import InvalidOption


@dataclass(frozen=True)
class Task:
    """What a child network is built for: the data's shape and the size that the recipe asks for."""

    channels: int  # of an image, >= 1
    height: int  # pixels
    width: int  # pixels
    classes: int  # >= 2
    repeats: int = 1  # N: normal cells a stack
    filters: int = 8  # F: filters of the first stack
    stem: str = "cifar"  # "cifar" or "imagenet"
    auxiliary: bool = False  # build the auxiliary classifier
    drop_path: float = 0.0  # probability of dropping a path at the end of training, in [0, 1)
    width_multiplier: float = 1.0  # of a convolutional network's filters, > 0; rounded, >= 1 each
    more_filters: int = 0  # added to each of its layers, >= 0


@dataclass(frozen=True)
class LanguageTask:
    """What a recurrent child is built for: the text's vocabulary and the recipe's sizes."""

    vocabulary: int  # different words or characters, >= 2
    layers: int = 1  # of cells, >= 1
    hidden: int = 64  # units of a cell, >= 1
    embedding: int = 64  # size of a word's vector, >= 1; ``hidden`` where ``tied``
    tied: bool = True  # whether the last layer's weights are the embeddings (Press & Wolf 2017)
    dropout_embedding: float = 0.0  # of whole words, in [0, 1)
    dropout_input: float = 0.0  # of what goes into the first layer and between layers
    dropout_hidden: float = 0.0  # of h_{t-1}
    dropout_output: float = 0.0  # of what goes into the softmax


# Fields that came after the first stores were written, for tasks and recipes alike: they are
# recorded where they say something, so that what was recorded before stays equal.
LATER = frozenset({"width_multiplier", "more_filters", "schedule"})


def recorded(values: Any, later: Collection[str] = LATER) -> dict[str, Any]:
    """The fields of a dataclass, without those of ``later`` that have their default."""
    return {
        field.name: getattr(values, field.name)
        for field in fields(values)
        if field.name not in later or getattr(values, field.name) != field.default
    }


def task_to_json(task: Task | LanguageTask) -> dict[str, Any]:
    """``task`` as JSON data, which ``task_from_json`` reads back."""
    return recorded(task)


def task_from_json(data: object) -> Task | LanguageTask:
    """The task in JSON data, a ``LanguageTask`` where it has a vocabulary.

    Fields with a default may be missing.

    Raises:
        InvalidOption: It is no such data, or has a value of the wrong type.
    """
    kind_of_task: type[Task | LanguageTask] = Task
    if isinstance(data, Mapping) and "vocabulary" in data:
        kind_of_task = LanguageTask
    known = {field.name: field for field in fields(kind_of_task)}
    needed = {name for name, field in known.items() if field.default is MISSING}
    if not isinstance(data, Mapping) or not needed <= set(data) <= known.keys():
        raise InvalidOption(
            f"a task is a JSON object with the fields {', '.join(known)}, not {str(data)[:60]}"
        )
    for name, value in data.items():
        kind = int if known[name].default is MISSING else type(known[name].default)
        fits = isinstance(value, int | float if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise InvalidOption(f"{name} of a task is {value!r}: expected {_KINDS[kind]}")
    return kind_of_task(**data)


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}


def check_sizes(task: Task) -> None:
    """Raise InvalidOption where a number of ``task`` is below 1."""
    for field in ("channels", "height", "width", "classes", "repeats", "filters"):
        if getattr(task, field) < 1:
            raise InvalidOption(f"{field} is {getattr(task, field)}: give 1 or more")
