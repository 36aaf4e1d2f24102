"""A console that shows the user's text as it is: no markup, no emoji, no control characters."""

from typing import Any

from rich.console import Console
from rich.text import Text

from nas_gym.options.printable import printable


class PlainConsole(Console):
    """Rich's console, for which ``x[/lab]`` and ``:x:`` are text like any other.

    Args:
        options: Those of rich's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, **options})

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text of a line or a table's cell, control characters as escapes."""
        return super().render_str(printable(text, lines=True), **options)
