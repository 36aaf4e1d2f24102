"""Tables in Markdown, for cards, benchmarks and the project's own pages."""

import re
from collections.abc import Collection, Iterable, Sequence

from nas_gym.options.printable import printable

_MEANING = re.compile(r"[\\`\[\]]")  # characters with which code or a link begins or ends


def table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[int] = ()
) -> str:
    """Return a table; no cell can break it.

    Args:
        headings: One per column; may be empty.
        rows: As many cells each.
        right: Numbers of the columns, from 0, that are aligned to the right.
    """
    rules = ["---:" if column in right else "---" for column in range(len(headings))]
    return "\n".join(map(_line, [headings, rules, *rows]))


def numbers_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with the first column to the left, the others to the right."""
    return table(headings, rows, range(1, len(headings)))


def plain(value: object) -> str:
    """Return text of somebody's as Markdown shows it: no link, HTML or code comes of it."""
    text = printable(value, lines=True).replace("&", "&amp;").replace("<", "&lt;")
    return _MEANING.sub(r"\\\g<0>", text)


def _line(cells: Sequence[object]) -> str:
    texts = (str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"|{'|'.join(f' {text} ' if text else ' ' for text in texts)}|"
