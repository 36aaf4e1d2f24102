"""The learning curve of a run: its rewards, the best so far and the running mean."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas_gym.drawing.figures import DPI
from nas_gym.drawing.plain import plain_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 9.0, 5.0  # inches
SHOWN = 20_000  # points that are drawn at most, or twice as many; every best one is
MANY = 2000  # points that an SVG or PDF still draws one by one
POINT, BEST, MEAN, FAILURE = "#9db7d5", "#12767f", "#d9822b", "#b3261e"
Floats = NDArray[np.float64]


@plain_style()
def draw_learning_curve(
    rewards: Sequence[float | None], *, title: str | None = None, ylabel: str = "reward"
) -> "Figure":
    """Draw each request's reward, the best so far as steps, and the running mean.

    Args:
        rewards: By request, in order; None, NaN or infinite if the child failed. Failures are
            marked at the bottom and have no part in the mean.
        title: Written above the curve.
        ylabel: What the reward is, e.g. ``"validation accuracy"``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    values = np.array([np.nan if r is None else r for r in rewards], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    _plot(axes, np.arange(1, len(values) + 1), values)
    axes.set(xlabel="request", ylabel=ylabel)
    if title:
        axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


def _plot(axes: "Axes", requests: NDArray[np.int64], values: Floats) -> None:
    """Plot only what there is: a run may have no request, or nothing but failures."""
    from matplotlib.ticker import MaxNLocator

    many = len(values) > MANY
    good = np.isfinite(values)
    if good.any():
        at, reward = requests[good], values[good]
        size = 1.5 if many else 4.0
        some = slice(None, None, max(1, len(at) // SHOWN))  # more are one cloud, and take seconds
        axes.plot(
            at[some], reward[some], "o",
            color=POINT, markersize=size, rasterized=many, label="reward",
        )  # fmt: skip
        window = running_mean_window(len(reward))
        label = f"mean of the last {window}"
        if window > 1:
            axes.plot(
                at[some], running_mean(reward, window)[some], color=MEAN, linewidth=1.5, label=label
            )
        best = np.maximum.accumulate(reward)
        first = at[int(np.argmax(reward))]
        label = f"best so far: {best[-1]:.4g} at request {first}"
        better = np.flatnonzero(np.diff(best, prepend=-np.inf) if len(best) > SHOWN else at)
        steps = np.append(at[better], requests[-1]), np.append(best[better], best[-1])
        axes.step(*steps, where="post", color=BEST, linewidth=1.8, label=label)
        axes.plot(first, best[-1], "o", color=BEST, markersize=6)
    if not good.all():
        failed = requests[~good]
        few = failed[:: max(1, len(failed) // SHOWN)]
        axes.plot(
            few,
            np.full(len(few), 0.015),
            "x",
            color=FAILURE,
            markersize=4,
            transform=axes.get_xaxis_transform(),
            rasterized=many,
            label=f"failed: {len(failed)}",
        )
    if len(values):
        room = max(0.5, 0.01 * len(values))
        axes.set_xlim(1 - room, len(values) + room)
        axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
        axes.legend(loc="best" if not many else "lower right", framealpha=0.9)
    else:
        axes.text(0.5, 0.5, "no requests yet", transform=axes.transAxes, ha="center", va="center")


def running_mean_window(count: int) -> int:
    """Return how many rewards the mean is over: a tenth of all up to 100, then a hundredth."""
    return max(1, min(count // 10, 100), count // 100)


def running_mean(rewards: Floats, window: int) -> Floats:
    """Return the mean of the last ``window`` rewards, or of all so far if fewer; the same shape."""
    sums = np.concatenate([[0.0], np.cumsum(rewards)])
    ends = np.arange(1, len(rewards) + 1)
    starts = np.maximum(0, ends - window)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts), dtype=np.float64)


@plain_style()
def draw_training_curve(
    epochs: Sequence[Mapping[str, float]], *, title: str | None = None
) -> "Figure":
    """Draw the loss of a training by epoch, and above it what was measured on the validation part.

    Args:
        epochs: By epoch: its number, by the name of the unit (``epoch``), ``loss``, and names that
            begin with ``validation_``, of which the first is drawn.
        title: Written above the curve.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    measured = [name for name in (epochs[0] if epochs else ()) if name.startswith("validation_")]
    names = [*measured[:1], "loss"]
    unit = next(iter(epochs[0])) if epochs else "epoch"
    numbers = [epoch[unit] for epoch in epochs]
    for axes, name in zip(figure.subplots(len(names), sharex=True, squeeze=False)[:, 0], names,
                          strict=True):  # fmt: skip
        marker = "o" if len(epochs) < 2 else None  # a line needs two points
        axes.plot(numbers, [e[name] for e in epochs], color=BEST, linewidth=1.6, marker=marker)
        axes.set_ylabel(name.replace("_", " "))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
    axes.set_xlabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True, min_n_ticks=1))
    if title:
        figure.suptitle(title)
    return figure
