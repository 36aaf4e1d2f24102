"""ENAS's recurrent cell as a tree that grows upwards from its first node (Pham et al. 2018).

Each node stands above the one that it reads. The outputs that no node reads go straight up to their
mean, which is h_t.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas_gym.drawing.figures import add_box, add_edges, blank_figure, listed
from nas_gym.search_spaces.enas_rnn_cell.genotype import ENASNode, ENASRNNCellGenotype

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, HEADING = 0.35, 0.55  # inches
COLUMN, WIDEST = 1.0, 100.0  # inches from branch to branch, and of all of them
LOWEST, HIGHEST = 0.5, 0.9  # inches from row to row
TALLEST = 100.0  # inches of all rows
LABEL_WIDTH = 0.5  # inches, of inputs and output

COLOURS = {
    "tanh": ("#d3e4f5", "#3f7fbf"),
    "relu": ("#fde3c8", "#d9822b"),
    "identity": ("#f4f4f4", "#8c8c8c"),
    "sigmoid": ("#d5ecd4", "#4c9a50"),
    "sin": ("#eadcf2", "#8a4fa3"),
}
MEAN_COLOURS = ("#ffffff", "#444444")
X_COLOURS, H_COLOURS = ("#ffffff", "#8a4fa3"), ("#ffffff", "#12767f")
EDGE = "#555555"


def draw_chain(
    nodes: Sequence[ENASNode], *, room: int | None = None, title: str | None = None
) -> "Figure":
    """Draw the cell with these nodes.

    Args:
        nodes: All of them, or those chosen so far; then the mean is left out.
        room: Nodes of a finished cell; sets the figure's size. As many as given by default.
        title: Written above the cell.
    """
    room = len(nodes) if room is None else room
    width, height = figure_size(room)
    figure, axes = blank_figure(width, height)
    if title:
        axes.text(width / 2, height - 0.27, title, fontsize=13, ha="center", va="center")
    if nodes:
        _paint(axes, nodes, room)
    return figure


def figure_size(room: int) -> tuple[float, float]:
    """Return width and height, inches, of the drawing of a cell with so many nodes."""
    width = max(5.0, _column(room) * max(1, room - 1))  # a star of them
    rows = min(LOWEST * (room + 3), TALLEST)  # or a chain of them
    return 2 * MARGIN + width, MARGIN + max(4 * HIGHEST, rows) + HEADING


def lay_out(nodes: Sequence[ENASNode]) -> tuple[list[int], list[int]]:
    """Find column and row of each node: branches side by side, so that no edges cross.

    A node stands straight above the one it reads if it is the first to read it.
    """
    readers: list[list[int]] = [[] for _ in nodes]
    for i, node in enumerate(nodes[1:], start=1):
        readers[node.previous].append(i)
    columns, rows = [0] * len(nodes), [0] * len(nodes)
    open_nodes, branches = [0], 0
    while open_nodes:  # depth first: the branch of the first reader before that of the next
        place = open_nodes.pop()
        if place:
            rows[place] = rows[nodes[place].previous] + 1
        columns[place] = branches
        branches += not readers[place]
        open_nodes += reversed(readers[place])
    return columns, rows


def _column(room: int) -> float:
    """Return the inches from column to column."""
    return min(COLUMN, WIDEST / room)


def _paint(axes: "Axes", nodes: Sequence[ENASNode], room: int) -> None:
    columns, rows = lay_out(nodes)
    column, (width, height) = _column(room), figure_size(room)
    row = min(HIGHEST, (height - MARGIN - HEADING) / (max(rows) + 4))
    box = min(0.34, 0.55 * row)
    font = min(9.0, 26 * box, 10 * column)
    left = (width - column * max(columns)) / 2
    x = [left + column * place for place in columns]
    y = [MARGIN + box / 2 + row * (place + 1) for place in rows]

    edges = [
        ((x[node.previous], y[node.previous] + box / 2), (x[i], y[i] - box / 2), None)
        for i, node in enumerate(nodes[1:], start=1)
    ]
    for side, label, colours in ((-1, "xₜ", X_COLOURS), (1, "hₜ₋₁", H_COLOURS)):
        start, low = x[0] + side * 0.36 * column, y[0] - row
        edges.append(((start, low + box / 2), (x[0] + side * 0.15, y[0] - box / 2), None))
        add_box(axes, start, low, LABEL_WIDTH * column, box, colours, label, font)
    if len(nodes) == room:
        top = max(y) + row
        unread = set(range(room)) - {node.previous for node in nodes}
        edges += [((x[i], y[i] + box / 2), (x[i], top - box / 2), None) for i in sorted(unread)]
        ends = [x[i] for i in unread]
        middle = (min(ends) + max(ends)) / 2
        edges.append(((middle, top), (middle, top + row - box / 2), None))
        wide = max(ends) - min(ends) + 0.78 * column
        add_box(axes, middle, top, wide, box, MEAN_COLOURS, "mean", font)
        add_box(axes, middle, top + row, LABEL_WIDTH * column, box, H_COLOURS, "hₜ", font)
    add_edges(axes, edges, EDGE)
    for i, node in enumerate(nodes):
        words = f"{i}  {node.activation}"
        add_box(axes, x[i], y[i], 0.82 * column, box, COLOURS[node.activation], words, font)


def chain_as_text(genotype: ENASRNNCellGenotype) -> str:
    """Write the cell in words: one line per node, and one for the mean."""
    lines = [
        f"node {i}: {node.activation} <- {'x_t, h_{t-1}' if i == 0 else node.previous}"
        for i, node in enumerate(genotype.nodes)
    ]
    return "\n".join([*lines, f"h_t = mean of {listed(unread_nodes(genotype))}"])


def unread_nodes(genotype: ENASRNNCellGenotype) -> tuple[int, ...]:
    """Return the nodes that no node reads."""
    read = {node.previous for node in genotype.nodes}
    return tuple(i for i in range(len(genotype.nodes)) if i not in read)
