"""A console that shows the user's text as it is: no markup, no emoji, no control characters."""

from typing import Any

from rich.console import Console
from rich.text import Text

from nas_gym.options.printable import printable

NO_WIDTH = 80  # columns, where the terminal says that it has none


class PlainConsole(Console):
    """Rich's console, for which ``x[/lab]`` and ``:x:`` are text like any other.

    Args:
        options: Those of rich's.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, **options})
        if self.width < 1:  # COLUMNS=0, said where there is no size: rich would show nothing
            self.width = NO_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text of a line or a table's cell, control characters as escapes."""
        return super().render_str(printable(text, lines=True), **options)
