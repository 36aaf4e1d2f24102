"""A plain picture for any search space: each choice and the option picked for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas_gym.drawing.figures import blank_figure
from nas_gym.drawing.words import picked_options
from nas_gym.search_spaces.grammar import Choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 14.0, 7.0  # inches, for any number of choices
TOP, MARGIN = 0.75, 0.3
MOST_ROWS = 32  # in a column, before another begins
MOST_COLUMNS = 5
WIDEST_COLUMN = 6.0  # inches
STRIPE, OPTION, OPEN = "#f3f5f9", "#1f4e79", "#b3261e"


def draw_tokens(
    choices: Sequence[Choice], tokens: Sequence[int], *, title: str | None = None
) -> "Figure":
    """A table of the choices and the options that ``tokens`` picked.

    Args:
        choices: The choices on the way; the first one beyond the tokens is shown as open.
        tokens: An index into the options of each choice.
        title: Written above the table.

    Raises:
        InvalidTokens: More tokens than choices.
    """
    from matplotlib.collections import PolyCollection

    lines = [(name, option, OPTION) for name, option in picked_options(choices, tokens)]
    if len(choices) > len(tokens):
        lines.append((choices[len(tokens)].name, "?", OPEN))
    lines = _shortened(lines)
    figure, axes = blank_figure(WIDTH, HEIGHT)
    if title:
        axes.text(WIDTH / 2, HEIGHT - 0.35, title, fontsize=13, ha="center", va="center")
    columns = max(1, -(-len(lines) // MOST_ROWS))
    rows = max(12, -(-len(lines) // columns))
    height = (HEIGHT - TOP - MARGIN) / rows
    width = min(WIDEST_COLUMN, (WIDTH - MARGIN) / columns)
    start = (WIDTH - columns * width + MARGIN) / 2
    font = min(11.0, 45.0 * height)
    letters = int((width - MARGIN) * 72 / (0.62 * font)) - 2  # that fit into a line
    stripes = []
    for index, (name, option, colour) in enumerate(lines):
        left = start + width * (index // rows)
        right = left + width - MARGIN
        y = HEIGHT - TOP - height * (index % rows + 0.5)
        if index % rows % 2 == 0:
            low, high = y - height / 2, y + height / 2
            stripes.append([(left, low), (right, low), (right, high), (left, high)])
        text: dict[str, Any] = {"va": "center", "fontsize": font}
        option = _cut(option, letters - min(len(name), letters // 2))
        axes.text(left + 0.06, y, _cut(name, letters - len(option)), color="#333333", **text)
        axes.text(right - 0.06, y, option, color=colour, ha="right", **text)
    axes.add_collection(PolyCollection(stripes, facecolors=STRIPE, zorder=1), autolim=False)
    return figure


def _shortened(lines: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The last choices where all would not fit: those are being made now."""
    most = MOST_ROWS * MOST_COLUMNS
    if len(lines) <= most:
        return lines
    hidden = len(lines) - most + 1
    return [(f"{hidden} choices before", "…", OPTION), *lines[hidden:]]


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: max(0, letters - 1)]}…"
