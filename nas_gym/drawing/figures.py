"""Figures without a display: made, turned into pixels and saved, without pyplot or global state."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_gym.drawing.formats import drawing_path
from nas_gym.drawing.plain import plain_style
from nas_gym.errors import StoreError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]
Edge = tuple[Point, Point, float | None]

LANE_COLOURS = (  # of edges beside the boxes, one per node that they come from
    *("#c9543a", "#12767f", "#8a6d00", "#8a4fa3", "#2f7d32"),
    *("#1f5fa8", "#b0347a", "#6b5344", "#5b6ee1", "#3d3d3d"),
)
ARROW = 0.08  # inches
DPI = 100  # pixels per inch of ``rgb_array``; a saved PNG has twice as many
# Saved files hold no date and no random ids: the same figure gives the same bytes.
_UNDATED: Mapping[str, Mapping[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


@plain_style()
def blank_figure(width: float, height: float) -> "tuple[Figure, Axes]":
    """Return a white figure of ``width`` x ``height`` inches whose axes are measured in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def add_box(
    axes: "Axes",
    x: float,
    y: float,
    width: float,
    height: float,
    colours: tuple[str, str],
    label: str | None = None,
    font: float = 9.0,
) -> None:
    """Draw a rounded box around (x, y) with fill and border ``colours``; in front if labelled."""
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={min(0.1, 0.25 * height)}",
            facecolor=colours[0],
            edgecolor=colours[1],
            linewidth=0.8 if label is None else 1.1,
            zorder=1 if label is None else 4,
        )
    )
    if label is not None:
        centred: dict[str, Any] = {"ha": "center", "va": "center", "linespacing": 1.05}
        axes.text(x, y, label, fontsize=font, zorder=5, **centred)


def add_edges(axes: "Axes", edges: Sequence[Edge], colour: str) -> None:
    """Draw lines from below, bent so that they leave and arrive upright, with an arrow at the end.

    Args:
        axes: Measured in inches.
        edges: Start, end, and None; or, instead of an arrow, the height to go straight on to.
        colour: The colour of all of them.
    """
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.path import Path as Line

    lines, arrows = [], []
    for (x, y), (end_x, end_y), beyond in edges:
        middle = (y + end_y) / 2
        points = [(x, y), (x, middle), (end_x, middle), (end_x, end_y)]
        codes = [Line.MOVETO, Line.CURVE4, Line.CURVE4, Line.CURVE4]
        if beyond is None:
            points[-1] = (end_x, end_y - ARROW / 2)  # the line must not look out of the tip
            left, right = end_x - 0.45 * ARROW, end_x + 0.45 * ARROW
            arrows.append([(end_x, end_y), (left, end_y - ARROW), (right, end_y - ARROW)])
        else:
            points.append((end_x, beyond))
            codes.append(Line.LINETO)
        lines.append(Line(points, codes))
    style: dict[str, Any] = {"facecolors": "none", "edgecolors": colour, "linewidths": 1.2}
    axes.add_collection(PathCollection(lines, zorder=2, **style), autolim=False)
    axes.add_collection(PolyCollection(arrows, facecolors=colour, zorder=2), autolim=False)


def add_wire(
    axes: "Axes", points: Sequence[Point], colour: str, *, arrow: bool = True, dashed: bool = False
) -> None:
    """Draw a line straight from point to point, with an arrow at its end if ``arrow``."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    axes.add_patch(
        FancyArrowPatch(
            path=Line(list(points)),
            arrowstyle="-|>" if arrow else "-",
            mutation_scale=8,
            color=colour,
            linewidth=1.2,
            linestyle=(0, (4, 2)) if dashed else "-",
            shrinkA=0,
            shrinkB=0,
            joinstyle="miter",
            zorder=2,
        )
    )


@plain_style()
def rgb_array(figure: "Figure") -> NDArray[np.uint8]:
    """Return the figure's pixels: uint8, (height, width, 3), 100 pixels per inch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba(), dtype=np.uint8)[..., :3].copy()


@plain_style()
def save(figure: "Figure", path: str | Path) -> Path:
    """Write the figure as PNG, SVG or PDF, by the suffix of ``path``, and return the path.

    Raises:
        InvalidOption: A suffix that is none of these.
        StoreError: The file cannot be written.
    """
    path = drawing_path(path)
    suffix = path.suffix.lower()
    try:
        figure.savefig(path, dpi=2 * DPI, metadata=dict(_UNDATED[suffix]))
    except OSError as error:
        raise StoreError(
            f"cannot write the drawing {path}: {error.strerror or error}; "
            "give a folder that exists and that you may write to"
        ) from error
    return path


def listed(numbers: Sequence[int]) -> str:
    """Return the numbers in words: ``0, 2, 5``."""
    return ", ".join(map(str, numbers))
