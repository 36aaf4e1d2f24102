"""The figures of a benchmark, made only from its curves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym.benchmark.results import Curve, Results
from nas_gym.benchmark.statistics import FEWEST_SAMPLED
from nas_gym.benchmark.suite import FAMILIES
from nas_gym.drawing.figures import DPI, rgb_array, save
from nas_gym.drawing.plain import plain_style
from nas_gym.errors import StoreError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Paul Tol's "muted" colours: told apart with every kind of colour vision, nine of them.
PALETTE = (
    "#332288", "#CC6677", "#117733", "#88CCEE", "#882255", "#44AA99", "#AA4499", "#999933",
    "#DDCC77",
)  # fmt: skip
STYLES: dict[str, Any] = {"rl": "-", "evolution": (0, (4, 1.5)), "other": (0, (1, 1.2))}
POINT: dict[str, Any] = {"marker": "o", "markersize": 5}  # of a curve that is no line
PANEL = 3.4, 3.0  # inches
LINE_HEIGHT = 0.2  # of the legend, inches
COLUMNS = 4  # of the legend
PNG_DPI = 130
COLOURS = 160


@plain_style()
def draw_figures(results: Results, folder: Path, formats: Sequence[str] = ()) -> list[Path]:
    """Write all figures; return their files.

    Args:
        results: The benchmark.
        folder: Where to; it is there.
        formats: ``"svg"`` or ``"pdf"``, beside PNG.

    Raises:
        StoreError: One cannot be written.
    """
    name, label, draw = _measure(results)
    hours = [("hours", draw), ("hours_cluster", draw)]
    timed = results.cost("hours").any()  # a table or landscape may have no seconds
    both = [("evaluations", draw), ("recommended", draw)]
    figures = {
        name: panels(results, both if results.rewards else both[:1], label),
        **({f"{name}_hours": panels(results, hours, label)} if timed else {}),
        "policy": panels(results, [("evaluations", _entropy), ("evaluations", _repeats)], ""),
    }
    if results.at_best:
        shares = [("evaluations", _optimum), ("recommended", _optimum)]
        figures["optimum"] = panels(results, shares, "share of runs at the optimum")
        figures["overview"] = overview(results, results.datasets[0])
    files = []
    for stem, figure in figures.items():
        files.append(save_small(figure, folder / f"{stem}.png"))
        files += [save(figure, folder / f"{stem}.{each}") for each in formats]
    return files


def _measure(results: Results) -> "tuple[str, str, Draw]":
    """Return what is drawn: the name of its file, in words, and how."""
    if results.objectives:
        return "hypervolume", "hypervolume missing, percent of the true front's", _regret
    if results.rewards:
        return "reward", "highest reward, times 100", _reward
    return "regret", "regret of the best observed, percentage points", _regret


def save_small(figure: "Figure", file: Path) -> Path:
    """Write a PNG of few colours: they are enough for lines, and a repository keeps it for ever.

    Raises:
        StoreError: It cannot be written.
    """
    from PIL import Image

    figure.set_dpi(PNG_DPI)
    picture = Image.fromarray(rgb_array(figure))
    try:
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror or error}") from error
    return file


Draw = Callable[["Axes", Curve, dict[str, Any]], None]


def panels(results: Results, rows: Sequence[tuple[str, Draw]], ylabel: str) -> "Figure":
    """Draw one column per data set and one row per axis of the curves."""
    figure, grid = _figure(results, len(rows), len(results.datasets))
    for i, (axis, draw) in enumerate(rows):
        for j, dataset in enumerate(results.datasets):
            axes = grid[i][j]
            _draw(axes, results, dataset, axis, draw)
            axes.set_xlabel(_axis_name(results, axis), fontsize=8)
            if i == 0:
                axes.set_title(dataset, fontsize=10)
            if j == 0:
                axes.set_ylabel(_LABELS.get(draw, ylabel), fontsize=8)
            if axis == "recommended":
                axes.set_ylabel("the same, recommended" if j == 0 else "", fontsize=8)
    _legend(figure, results)
    return figure


def overview(results: Results, dataset: str) -> "Figure":
    """Draw regret and the share at the optimum on one data set, side by side."""
    figure, ((left, middle, right),) = _figure(results, 1, 3)
    for axes, axis, draw, title in (
        (left, "evaluations", _regret, "regret of the best observed, points"),
        (middle, "recommended", _regret, "regret of the recommended, points"),
        (right, "recommended", _optimum, "runs at the optimum, recommended"),
    ):
        _draw(axes, results, dataset, axis, draw)
        axes.set_xlabel("evaluations", fontsize=8)
        axes.set_title(title, fontsize=9)
    bands = ", with 95 % bootstrap bands" if results.seeds >= FEWEST_SAMPLED else ""
    figure.suptitle(f"{dataset}, mean of {results.seeds} searches{bands}", fontsize=9)
    _legend(figure, results)
    return figure


# ---------------------------------------------------------------- what a panel shows


def _regret(axes: "Axes", curve: Curve, style: dict[str, Any]) -> None:
    least = 1e-3  # stands for a mean at the optimum: the axis is logarithmic
    axes.plot(curve.x, curve.value.clip(least), **style)
    band = {"color": style["color"], "alpha": 0.12, "linewidth": 0}
    if len(curve.low):
        axes.fill_between(curve.x, curve.low.clip(least), curve.high.clip(least), **band)
    axes.set_yscale("log")


def _reward(axes: "Axes", curve: Curve, style: dict[str, Any]) -> None:
    axes.plot(curve.x, curve.value, **style)
    if len(curve.low):
        band = {"color": style["color"], "alpha": 0.12, "linewidth": 0}
        axes.fill_between(curve.x, curve.low, curve.high, **band)


def _optimum(axes: "Axes", curve: Curve, style: dict[str, Any]) -> None:
    axes.plot(curve.x, curve.optimum, **style)


def _entropy(axes: "Axes", curve: Curve, style: dict[str, Any]) -> None:
    axes.plot(curve.x, curve.entropy, **style)


def _repeats(axes: "Axes", curve: Curve, style: dict[str, Any]) -> None:
    axes.plot(curve.x, curve.repeats, **style)


_LABELS: dict[Draw, str] = {
    _entropy: "entropy of the requests' tokens, 1 = uniform",
    _repeats: "share of requests that are repeats",
}
_RANGES: dict[Draw, tuple[float, float]] = {
    _optimum: (0, 1),
    _entropy: (0, 1.03),
    _repeats: (0, 1.03),
}


def _set_range(axes: "Axes", draw: Draw) -> None:
    """Choose what of the y axis is shown, once all curves are drawn: a limit that is set stays."""
    if draw in _RANGES:
        axes.set_ylim(*_RANGES[draw])
    elif draw is _regret:  # a band may reach down to 0: the axis is for the means
        axes.set_ylim(bottom=0.6 * min(line.get_ydata().min() for line in axes.lines))  # type: ignore[union-attr]


# ---------------------------------------------------------------- what all have in common


def style_of(results: Results, agent: str) -> dict[str, Any]:
    """Return a colour of its own within the family, and the family's line."""
    family = results.family(agent)
    members = [each for each in results.agents if results.family(each) == family]
    number = members.index(agent)
    colours = PALETTE if family == "rl" else PALETTE[::-1] if family == "other" else PALETTE[2:]
    colour = "#555555" if agent == "random-search" else colours[number % len(colours)]
    return {"color": colour, "linestyle": STYLES[family], "linewidth": 1.4}


def _draw(axes: "Axes", results: Results, dataset: str, axis: str, draw: Draw) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    for agent in results.agents:
        curve = results.curves[agent, dataset, axis]
        draw(axes, curve, style_of(results, agent) | (POINT if len(curve.x) == 1 else {}))
    _set_range(axes, draw)
    if axis.startswith("hours"):
        axes.set_xscale("log")
    else:
        whole = MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True)  # no half evaluations
        axes.xaxis.set_major_locator(whole)
    for each in (axes.xaxis, axes.yaxis):
        if each.get_scale() == "log":
            each.set_major_locator(LogLocator(subs=(1, 2, 5)))
            each.set_major_formatter("{x:g}")
            each.set_minor_locator(NullLocator())
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)


def _figure(results: Results, rows: int, columns: int) -> "tuple[Figure, Any]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    legend = LINE_HEIGHT * -(-len(results.agents) // COLUMNS) + 0.3
    size = (max(PANEL[0] * columns, 7.0), PANEL[1] * rows + legend)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _legend(figure: "Figure", results: Results) -> None:
    """List all agents below the panels, family by family."""
    from matplotlib.lines import Line2D

    agents = [a for family in FAMILIES for a in results.agents if results.family(a) == family]
    lines = [Line2D([], [], **style_of(results, agent)) for agent in agents]
    figure.legend(
        lines, agents, loc="outside lower center", ncols=COLUMNS, fontsize=8, frameon=False
    )


def _axis_name(results: Results, axis: str) -> str:
    return {
        "hours": "simulated hours, one machine",
        "hours_cluster": f"simulated hours, {results.suite['workers']} machines",
    }.get(axis, "evaluations")
