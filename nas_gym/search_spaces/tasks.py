"""A task as JSON data: what protocols and saved architectures hold."""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import LanguageTask, Task

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
