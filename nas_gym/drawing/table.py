"""A plain picture for any search space: each choice and the option picked for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas_gym.drawing.figures import blank_figure
from nas_gym.drawing.plain import plain_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 14.0, 7.0  # inches, for any number of choices
TOP, MARGIN = 0.75, 0.3
MOST_ROWS = 32  # in a column, before another begins
MOST_COLUMNS = 5
WIDEST_COLUMN = 6.0  # inches
STRIPE, OPTION, OPEN = "#f3f5f9", "#1f4e79", "#b3261e"


@plain_style()
def draw_table(
    rows: Sequence[tuple[str, str]], *, open_row: str | None = None, title: str | None = None
) -> "Figure":
    """Draw names and values in columns.

    Args:
        rows: A name and a value each.
        open_row: Name of one more row, last, whose value is still open; None for none.
        title: Written above the table.
    """
    from matplotlib.collections import PolyCollection

    lines = [(name, value, OPTION) for name, value in rows]
    if open_row is not None:
        lines.append((open_row, "?", OPEN))
    lines = _shortened(lines)
    figure, axes = blank_figure(WIDTH, HEIGHT)
    if title:
        axes.text(WIDTH / 2, HEIGHT - 0.35, title, fontsize=13, ha="center", va="center")
    columns = max(1, -(-len(lines) // MOST_ROWS))
    per_column = max(12, -(-len(lines) // columns))
    height = (HEIGHT - TOP - MARGIN) / per_column
    width = min(WIDEST_COLUMN, (WIDTH - MARGIN) / columns)
    start = (WIDTH - columns * width + MARGIN) / 2
    font = min(11.0, 45.0 * height)
    letters = int((width - MARGIN) * 72 / (0.62 * font)) - 2  # that fit into a line
    stripes = []
    for index, (name, option, colour) in enumerate(lines):
        left = start + width * (index // per_column)
        right = left + width - MARGIN
        y = HEIGHT - TOP - height * (index % per_column + 0.5)
        if index % per_column % 2 == 0:
            low, high = y - height / 2, y + height / 2
            stripes.append([(left, low), (right, low), (right, high), (left, high)])
        text: dict[str, Any] = {"va": "center", "fontsize": font}
        option = cut(option, letters - min(len(name), letters // 2))
        axes.text(left + 0.06, y, cut(name, letters - len(option)), color="#333333", **text)
        axes.text(right - 0.06, y, option, color=colour, ha="right", **text)
    axes.add_collection(PolyCollection(stripes, facecolors=STRIPE, zorder=1), autolim=False)
    return figure


def _shortened(lines: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Return the last choices if not all fit: those are being made now."""
    most = MOST_ROWS * MOST_COLUMNS
    if len(lines) <= most:
        return lines
    hidden = len(lines) - most + 1
    return [(f"{hidden} choices before", "…", OPTION), *lines[hidden:]]


def cut(text: str, letters: int) -> str:
    """Return a text of so many letters at most."""
    return text if len(text) <= letters else f"{text[: max(0, letters - 1)]}…"
