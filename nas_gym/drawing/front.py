"""The Pareto front of a run: every child as a point, the front's members with their numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nas_gym.drawing.curves import BEST, POINT, SHOWN
from nas_gym.drawing.figures import DPI
from nas_gym.drawing.plain import plain_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
PANEL = 5.2, 4.4  # inches
MANY = 2000  # points that an SVG or PDF still draws one by one
NAMED = 40  # members with a number at most; of more, some


@plain_style()
def draw_front(
    others: Floats,
    front: Floats,
    names: Sequence[str],
    signs: Sequence[int],
    *,
    title: str | None = None,
) -> "Figure":
    """Draw the first objective against each other one, side by side.

    Args:
        others: (points, objectives) of all children; larger is better.
        front: (members, objectives) of the front, in the order of their numbers, from 1.
        names: Of the objectives, two or more, for the axes.
        signs: 1 or -1 of each: -1 draws its values as they were before they were turned.
        title: Written above.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(names) - 1
    size = (PANEL[0] * count, PANEL[1])
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    turned = np.array(signs, np.float64)
    some = others[:: max(1, len(others) // SHOWN)] * turned
    for column, axes in enumerate(figure.subplots(1, count, squeeze=False)[0], start=1):
        _panel(axes, some[:, [column, 0]], front[:, [column, 0]] * turned[[column, 0]])
        axes.set(xlabel=names[column], ylabel=names[0] if column == 1 else "")
    if title:
        figure.suptitle(title)
    return figure


def _panel(axes: "Axes", others: Floats, front: Floats) -> None:
    from matplotlib.ticker import MaxNLocator

    many = len(others) > MANY
    style = {"linestyle": "", "marker": "o"}
    axes.plot(*others.T, color=POINT, markersize=1.5 if many else 4, rasterized=many, **style)  # type: ignore[arg-type]
    axes.plot(*front.T, color=BEST, markersize=6, **style)  # type: ignore[arg-type]
    for number in range(0, len(front), -(-len(front) // NAMED)):
        axes.annotate(
            str(number + 1), tuple(front[number]), xytext=(4, 4),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
    if (front[:, 0] > 0).all() and front[:, 0].max() > 30 * front[:, 0].min():
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))  # numbers of parameters are long
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
