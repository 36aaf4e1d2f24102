"""The best so far of 1 to 450 simulated machines, by simulated hours."""

from typing import Any

import numpy as np

from benchmarks.measure import RESULTS
from benchmarks.speed.asynchrony_parts.quality import truth
from benchmarks.speed.asynchrony_parts.timed import timed_search
from nas_gym.benchmark.figures import PALETTE, save_small
from nas_gym.drawing.plain import plain_style
from nas_gym.runs.markdown import table

MACHINES = (1, 8, 64, 450)
HOURS = 12.0
AGENTS = ("regularized-evolution/real2018", "reinforce/zoph2016")
REPEATS = 5
PAPER_DAYS = 500 * 4  # GPU-days of Zoph et al. 2017
POINTS = np.geomspace(0.5, HOURS, 60)  # hours


def curve(agent: str, machines: int, seed: int) -> list[float]:
    """Return the mean accuracy of the best observed cell at each point, in percent."""
    moments, answers, _ = timed_search(agent, machines, True, seed, budget_seconds=3600 * HOURS)
    best: list[tuple[float, float]] = []  # when, and how good it really is
    highest = -1.0
    for moment, answer in zip(moments, answers, strict=True):
        if answer.reward > highest:
            highest = answer.reward
            best.append((moment / 3600, 100 * truth(answer.evaluation.architecture)))
    values = []
    for point in POINTS:
        there = [accuracy for moment, accuracy in best if moment <= point]
        values.append(there[-1] if there else float("nan"))
    return values


@plain_style()
def section(seeds: int, write: bool) -> str:
    """Search, and return a section; with ``write`` draw the figure."""
    repeats = min(seeds, REPEATS)
    curves = {
        (agent, machines): np.nanmean([curve(agent, machines, s) for s in range(repeats)], axis=0)
        for agent in AGENTS
        for machines in MACHINES
    }
    if write:
        save_small(_figure(curves), RESULTS / "asynchrony.png")
    marks = (1.0, 3.0, HOURS)
    rows = []
    for (agent, machines), values in curves.items():
        cells = [f"{np.interp(mark, POINTS, values):.2f}" for mark in marks]
        rows.append([f"`{agent}`", str(machines), f"{machines * HOURS / 24:,.1f}", *cells])
        print(*rows[-1], flush=True)
    heads = ("agent", "machines", "GPU-days", *(f"{mark:g} h" for mark in marks))
    return f"""## From one machine to 450

Mean accuracy in percent of the best observed cell (three trainings, CIFAR-10's validation part)
after so many simulated hours of asynchronous search, mean of {repeats} seeds; `asynchrony.png` has
the curves. Beside it: the search of Zoph et al. 2017 took 500 GPUs and four days, {PAPER_DAYS:,}
GPU-days; Real et al. 2018 had 450 workers.

{table(heads, rows, right=(1, 2, 3, 4, 5))}
"""


def _figure(curves: dict[tuple[str, int], Any]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    panels = figure.subplots(1, len(AGENTS), sharey=True)
    for axes, agent in zip(panels, AGENTS, strict=True):
        for machines, colour in zip(MACHINES, PALETTE, strict=False):
            label = f"{machines} machine{'s'[: machines > 1]}"
            axes.plot(POINTS, curves[agent, machines], color=colour, label=label)
        axes.set_xscale("log")
        axes.set_title(agent, fontsize=9)
        axes.set_xlabel("simulated hours", fontsize=8)
    panels[0].set_ylabel("accuracy of the best observed, %", fontsize=8)
    panels[-1].legend(fontsize=7, loc="lower right")
    return figure
