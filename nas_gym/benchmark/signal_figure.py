"""The figure of the benchmark ``proxies``: what each signal says, and what it costs."""

from pathlib import Path
from typing import TYPE_CHECKING

from nas_gym.benchmark.figures import PALETTE, save_small
from nas_gym.benchmark.signals import KINDS, SIZES
from nas_gym.benchmark.study import Worth, seconds_in_words
from nas_gym.drawing.figures import DPI
from nas_gym.drawing.plain import plain_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL = 2.9  # inches
LINE = 0.19  # of a signal, inches
COLOURS = {kind: PALETTE[place] for place, kind in enumerate(KINDS)}


@plain_style()
def draw_signals(worth: Worth, file: Path) -> Path:
    """Draw a panel for each truth: Spearman of all cells and of the top decile, and the cost.

    Raises:
        StoreError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    datasets = worth.datasets
    lines = max(len(worth.of(dataset)) for dataset in datasets)
    size = ((PANEL + 1.6) * len(datasets), LINE * lines + 1.2)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    for axes, dataset in zip(figure.subplots(1, len(datasets), squeeze=False)[0], datasets,
                             strict=True):  # fmt: skip
        _draw(axes, worth, dataset)
    figure.suptitle(
        f"Spearman with the accuracy of {worth.study.cells:,} cells: filled, of all; open, of the "
        "top decile; lines, of the number of parameters; seconds per cell beside the names",
        fontsize=9,
    )
    return save_small(figure, file)


def _draw(axes: "Axes", worth: Worth, dataset: str) -> None:
    findings = sorted(worth.of(dataset), key=lambda f: _or_nothing(f.figures.spearman))
    for place, finding in enumerate(findings):
        colour, figures = COLOURS[finding.kind], finding.figures
        pair = (figures.spearman, figures.top_spearman)
        axes.plot(pair, (place, place), color="#cccccc", linewidth=0.8, zorder=1)
        for value, fill in zip(pair, (colour, "white"), strict=True):
            axes.plot(value, place, "o", color=colour, markerfacecolor=fill, markersize=4.5)
    size = next(f.figures for f in findings if f.signal == SIZES[0])
    for value, style in ((size.spearman, "-"), (size.top_spearman, (0, (3, 2)))):
        axes.axvline(value, color=COLOURS["size"], linewidth=0.7, linestyle=style, zorder=0)
    axes.axvline(0, color="#888888", linewidth=0.5, zorder=0)
    names = [f"{f.signal}, {seconds_in_words(f.seconds)} s" for f in findings]
    axes.set_yticks(range(len(findings)), names, fontsize=7)
    axes.set_title(dataset, fontsize=9)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_ylim(-0.7, len(findings) - 0.3)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def _or_nothing(value: float) -> float:
    return value if value == value else -2.0  # below every correlation
