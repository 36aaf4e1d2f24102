"""Pages that are written as Markdown, shown in a terminal as plain text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from nas_gym.options.printable import printable
from nas_gym.runs.console import PlainConsole

if TYPE_CHECKING:
    from markdown_it.token import Token
    from rich.text import Text

    Table = tuple[list[list[Text]], list[list[Text]]]  # lines of headings, and rows

BETWEEN = "  "  # two columns of a table


def print_page(page: str, console: PlainConsole) -> None:
    """Print a page of ours: headings, paragraphs, lists and tables, without Markdown's signs.

    What is bold there is bold in a terminal too, and between asterisks elsewhere. Paragraphs are
    wrapped to the console. A table that is too wide for it is shown as several, one below the
    other, each with the first column: a cell that is cut says nothing.

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
                for part in _fitting(rows, console.width):
                    for line in _aligned(part):
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


def _fitting(rows: "list[list[Text]]", room: int) -> "Iterator[Table]":
    """Yield a table, headings and rows, or its columns in as many tables as have room."""
    headings, *body = rows
    if _width([_column_width(column) for column in zip(*rows, strict=True)]) <= room:
        yield [headings], body
        return
    columns = zip(*_broken(headings), *body, strict=True)
    first, *widths = [_column_width(column) for column in columns]
    begin = 1
    while begin <= len(widths):
        end = begin + 1  # at least one column, whatever its width
        while end <= len(widths) and _width([first, *widths[begin - 1 : end]]) <= room:
            end += 1
        yield _broken(_chosen(headings, begin, end)), [_chosen(row, begin, end) for row in body]
        begin = end


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + len(BETWEEN) * (len(widths) - 1)


def _column_width(column: "Iterable[Text]") -> int:
    return max(cell.cell_len for cell in column)


def _chosen(row: "list[Text]", begin: int, end: int) -> "list[Text]":
    return [row[0].copy(), *row[begin:end]]


def _broken(headings: "list[Text]") -> "list[list[Text]]":
    """Return headings over as many lines as their longest has parts; the last parts are level."""
    from rich.text import Text

    parts = [list(heading.split(", ")) for heading in headings]
    lines = max(map(len, parts))
    padded = [[Text("")] * (lines - len(each)) + each for each in parts]
    return [[each[line].copy() for each in padded] for line in range(lines)]


def _aligned(table: "Table") -> "Iterator[Text]":
    """Yield the lines of a table: its headings, a rule, its rows; the first column to the left."""
    from rich.text import Text

    headings, rows = table
    widths = [_column_width(column) for column in zip(*headings, *rows, strict=True)]
    for number, row in enumerate([*headings, *rows], start=1):
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            cell.align("right" if place else "left", width)
        yield Text(BETWEEN).join(row)
        if number == len(headings):
            yield Text(BETWEEN).join(Text("─" * width) for width in widths)
