"""The option ``--set PART.OPTION=VALUE``, for every command that takes options of parts."""

from collections.abc import Sequence
from typing import Annotated, Any

import tyro

from nas_gym.cli.shared import Words
from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.options.json_text import read_json

PARTS = ("space", "agent", "reward", "recipe", "evaluator", "executor")  # of a search
Assignments = Annotated[
    Words, tyro.conf.arg(metavar="PART.OPTION=VALUE"), tyro.conf.UseAppendAction
]


def settings_of(
    assignments: Sequence[str], parts: Sequence[str] = PARTS
) -> dict[str, dict[str, Any]]:
    """Return ``["agent.learning_rate=0.01"]`` as ``{"agent": {"learning_rate": 0.01}, …}``.

    Args:
        assignments: As they stand behind ``--set``.
        parts: Those whose options the command takes; each has an entry in what is returned.

    Raises:
        InvalidOption: It is no assignment.
        UnknownName: The command takes no options of such a part.
    """
    example = "executor.cpus=2" if tuple(parts) == ("executor",) else f"{parts[0]}.epochs=4"
    example = "agent.learning_rate=0.01" if "agent" in parts else example
    settings: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        part, dot, option = name.partition(".")
        if not (equals and dot and option):
            raise InvalidOption(
                f"--set {assignment!r} is not PART.OPTION=VALUE: write it as {example}"
            )
        if part not in settings:
            raise unknown_name("part for --set", part, parts)
        try:
            settings[part][option] = read_json(value)
        except ValueError:
            settings[part][option] = value  # a plain word
    return settings
