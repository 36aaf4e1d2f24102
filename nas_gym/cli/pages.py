"""Pages that are written as Markdown, shown in a terminal as plain text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nas_gym.options.printable import printable
from nas_gym.runs.console import PlainConsole

if TYPE_CHECKING:
    from markdown_it.token import Token
    from rich.text import Text


def print_page(page: str, console: PlainConsole) -> None:
    """Print a page of ours: headings, paragraphs, lists and tables, without Markdown's signs.

    What is bold there is bold in a terminal too, and between asterisks elsewhere. Paragraphs are
    wrapped to the console; tables keep their width, because a cell that is cut says nothing.

    Args:
        page: In Markdown, as ``runs.markdown`` writes it.
        console: Where to.
    """
    from rich.markdown import Markdown

    rows: list[list[Text]] | None = None  # of the table that is being read
    before = ""  # the paragraph to come
    for token in Markdown(page).parsed:
        match token.type:
            case "table_open":
                rows = []
            case "tr_open" if rows is not None:
                rows.append([])
            case "inline" if rows is not None:
                rows[-1].append(_plain(token, console.is_terminal))
            case "table_close" if rows is not None:
                for line in _aligned(rows):
                    console.print(line, soft_wrap=True)
                console.print()
                rows = None
            case "list_item_open":
                before = "- "
            case "inline":
                console.print(before, _plain(token, console.is_terminal), sep="", end="\n\n")
                before = ""


def _plain(token: "Token", in_terminal: bool) -> "Text":
    from rich.text import Text

    text, bold = Text(), False
    for part in token.children or ():
        if part.type in ("strong_open", "strong_close"):
            bold = part.type == "strong_open"
            text.append("" if in_terminal else "*")
        else:
            said = " " if part.type == "softbreak" else printable(part.content)
            text.append(said, "bold" if bold else "")
    return text


def _aligned(rows: "list[list[Text]]") -> "Iterator[Text]":
    """Yield the lines of a table: its headings, a rule, its rows; the first column to the left."""
    from rich.text import Text

    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            cell.align("right" if place else "left", width)
        yield Text("  ").join(row)
        if number == 0:
            yield Text("  ").join(Text("─" * width) for width in widths)
