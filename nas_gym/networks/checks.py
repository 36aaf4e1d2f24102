"""What every network builder asks of a ``Task``."""

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import Task


def check_sizes(task: Task) -> None:
    """Raise InvalidOption where a number of ``task`` is below 1."""
    for field in ("channels", "height", "width", "classes", "repeats", "filters"):
        if getattr(task, field) < 1:
            raise InvalidOption(f"{field} is {getattr(task, field)}: give 1 or more")
