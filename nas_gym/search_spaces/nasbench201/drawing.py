"""The cell of NAS-Bench-201 as a graph: its four nodes in a row, one line per edge.

Edges to the next node are straight; the others bend above and below the row, so that no line goes
through a node. An edge with ``none`` is a pale dashed line.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas_gym.drawing.figures import add_box, blank_figure
from nas_gym.search_spaces.nasbench201.genotype import EDGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 9.0, 3.9  # inches
ROW = 1.55  # height of the nodes
NODES = (0.7, 3.1, 5.6, 8.3)  # their places in the row
BENDS = {(0, 2): 0.85, (1, 3): -0.85, (0, 3): 1.6}  # how far an edge's label is from the row
NODE_LABELS = ("input", "1", "2", "output")
NODE_COLOURS = ("#ffffff", "#444444")
LABELS = {
    "skip_connect": "skip",
    "nor_conv_1x1": "conv 1x1",
    "nor_conv_3x3": "conv 3x3",
    "avg_pool_3x3": "avg 3x3",
}
COLOURS = {
    "skip_connect": ("#f4f4f4", "#8c8c8c"),
    "nor_conv_1x1": ("#fff3b8", "#b8960a"),
    "nor_conv_3x3": ("#fde3c8", "#d9822b"),
    "avg_pool_3x3": ("#d5ecd4", "#4c9a50"),
}
LINE, NONE, OPEN = "#555555", "#c9c9cf", "#b3261e"


def draw_cell_graph(operations: Sequence[str], *, title: str | None = None) -> "Figure":
    """Draw the cell with these operations, in the order of the architecture string.

    Args:
        operations: Six, or fewer of a cell that is not finished: then the next edge is marked as
            open, and those after it are left out.
        title: Written above the cell.
    """
    figure, axes = blank_figure(WIDTH, HEIGHT)
    if title:
        axes.text(WIDTH / 2, HEIGHT - 0.2, title, fontsize=12, ha="center", va="center")
    for edge, operation in zip(EDGES, operations, strict=False):
        _draw_edge(axes, edge, operation)
    if len(operations) < len(EDGES):
        _draw_edge(axes, EDGES[len(operations)], "?")
    for x, label in zip(NODES, NODE_LABELS, strict=True):
        add_box(axes, x, ROW, 0.76, 0.4, NODE_COLOURS, label, 10.5)
    return figure


def _draw_edge(axes: "Axes", edge: tuple[int, int], operation: str) -> None:
    """Draw a line, an arrow at its end, and the operation in its middle."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    bend = BENDS.get(edge, 0.0)
    (start, end), side = (NODES[n] for n in edge), (0.2 if bend > 0 else -0.2) if bend else 0.0
    start, end = (start + 0.12, end - 0.12) if bend else (start + 0.38, end - 0.38)
    points, codes = [(start, ROW), (end, ROW)], [Line.MOVETO, Line.LINETO]
    if bend:
        # A cubic Bézier curve reaches three quarters of the way to its control points.
        lift, near = ROW + side + (bend - side) / 0.75, ROW + side
        points = [(start, near), (start, lift), (end, lift), (end, near)]
        codes = [Line.MOVETO, Line.CURVE4, Line.CURVE4, Line.CURVE4]
    style: dict[str, Any] = {"linestyle": (0, (4, 3)) if operation == "none" else "-"}
    style["color"] = {"none": NONE, "?": OPEN}.get(operation, LINE)
    path = Line(points, codes)
    axes.add_patch(
        FancyArrowPatch(
            path=path, arrowstyle="-|>", mutation_scale=11, linewidth=1.3, zorder=2, **style
        )
    )
    x, y = (start + end) / 2, ROW + bend
    if operation == "none":
        text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5, "zorder": 3}
        axes.text(x, y, "none", color="#8f8f96", backgroundcolor="white", **text)
    else:
        colours = COLOURS.get(operation, ("#ffffff", OPEN))
        add_box(axes, x, y, 0.95, 0.32, colours, LABELS.get(operation, operation), 10.0)
