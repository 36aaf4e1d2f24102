"""Compare reinforcement learning with random search on conv nets and RNN cells really trained.

    python benchmarks/learning/rl_vs_random.py [--spaces conv-net rnn-cell] [--seeds 5] [--write]

Searches both spaces of Zoph & Le 2016 on the embedded data with the quick recipes, every agent with
the same budget and seeds, and compares them as the paper does (section 5.2, figure 6): the mean of
the best k different children found so far, k = 1, 5 and 15. A search that was cut goes on by the
same command. ``--write`` adds what was found to ``results/rl_vs_random.csv`` and writes the page
and the figures from it.
"""

import argparse
import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import ttest_rel

import nas_gym
from benchmarks.measure import RESULTS, machine, report
from nas_gym.benchmark.figures import save_small
from nas_gym.benchmark.statistics import holm
from nas_gym.runs.markdown import numbers_table

PAGE = "rl_vs_random"
TOPS = (1, 5, 15)
FIRST_DRAWN = 20  # evaluations: fewer say nothing of the best 15
ALPHA = 0.05
FIELDS = ("space", "agent", "seed", "number", "key", "figure", "reward", "seconds", "source")
YARDSTICK = "random-search"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A space, and what its children are judged by."""

    budget: int  # evaluations per search
    seeds: int
    metric: str
    better: int  # +1: more of the metric is better, -1: less
    words: str


SETTINGS = {
    "conv-net": Setting(300, 5, "accuracy", 1, "validation accuracy"),
    "rnn-cell": Setting(150, 3, "perplexity", -1, "validation perplexity"),
}
AGENTS = (YARDSTICK, "reinforce")


def searched(space: str, agent: str, seed: int, store: Path) -> list[dict[str, Any]]:
    """Search once, recorded in ``store``; return one row per evaluation, in order."""
    setting = SETTINGS[space]
    result = nas_gym.search(
        space,
        agent=agent,
        budget=setting.budget,
        seed=seed,
        run=f"{space}-{agent}-{seed}",
        resume=True,
        workers=os.cpu_count() or 1,
        asynchronous=False,
        store=store,
    )
    return [
        {
            "space": space,
            "agent": agent,
            "seed": seed,
            "number": number,
            "key": answer.evaluation.architecture.key,
            "figure": round(answer.evaluation.metrics.get(setting.metric, float("nan")), 4),
            "reward": round(answer.reward, 6),
            "seconds": round(answer.evaluation.seconds, 2),
            "source": answer.evaluation.source,
        }
        for number, answer in enumerate(result.answers)
    ]


def numbered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with a number for each key, which may be long."""
    keys = {key: str(i) for i, key in enumerate(dict.fromkeys(row["key"] for row in rows))}
    return [{**row, "key": keys[row["key"]]} for row in rows]


def top_means(rows: Sequence[dict[str, Any]], better: int) -> Floats:
    """Return (tops, evaluations) means of the best k different children, nan without k."""
    best: dict[str, float] = {}
    means = np.full((len(TOPS), len(rows)), np.nan)
    for number, row in enumerate(rows):
        if np.isfinite(row["figure"]):
            best.setdefault(row["key"], row["figure"])
        ranked = sorted(best.values(), reverse=better > 0)
        for i, k in enumerate(TOPS):
            if len(ranked) >= k:
                means[i, number] = np.mean(ranked[:k])
    return means


def page(rows: Sequence[dict[str, Any]]) -> str:
    """Return the whole page, from the rows of the file."""
    parts = [
        "# Reinforcement learning against random search, children really trained\n\n"
        f"Printed by `python benchmarks/learning/rl_vs_random.py --write` ({machine()}) from "
        f"[its file]({PAGE}.csv), one row per evaluation. Embedded data, quick recipes, default "
        "agents, the same budget and seeds for all. Figures are of the validation part, of one "
        "training per child. *Top k*: mean of the best k different children of a search (Zoph & Le "
        "2016, figure 6), mean over seeds ± standard error. Differences are paired by "
        f"seed; p of a paired t-test, Holm's correction over k = {', '.join(map(str, TOPS))}."
    ]
    for space in SETTINGS:
        if any(row["space"] == space for row in rows):
            parts.append(_section(space, [row for row in rows if row["space"] == space]))
    return "\n\n".join(parts) + "\n"


def _section(space: str, rows: Sequence[dict[str, Any]]) -> str:
    setting = SETTINGS[space]
    curves = _curves(rows, setting)
    lines = [
        f"## {space}: {setting.words}\n",
        f"{setting.budget} evaluations per search, seeds {', '.join(map(str, _seeds(rows)))}.\n",
    ]
    headings = ["agent", *(f"top {k}" for k in TOPS), "mean of last quarter", "different"]
    table = []
    for agent, means in curves.items():
        own = [row for row in rows if row["agent"] == agent]
        last = [
            np.nanmean([r["figure"] for r in own if r["seed"] == seed][-setting.budget // 4 :])
            for seed in _seeds(rows)
        ]
        different = np.mean(
            [len({r["key"] for r in own if r["seed"] == seed}) for seed in _seeds(rows)]
        )
        cells = [_spread(means[:, i, -1]) for i in range(len(TOPS))]
        table.append([agent, *cells, _spread(np.array(last)), f"{different:.0f}"])
    lines += [numbers_table(headings, table), ""]
    for agent, means in curves.items():
        if agent != YARDSTICK:
            lines.append(_verdict(agent, setting.better * (means - curves[YARDSTICK])[:, :, -1]))
    figure = f"{PAGE}-{space}.png"
    save_small(draw(curves, setting), RESULTS / figure)
    return "\n".join([*lines, "", f"![Differences of the best k against random search]({figure})"])


def _verdict(agent: str, gains: Floats) -> str:
    """Say it in words; ``gains`` (seeds, tops) is positive where the agent is better."""
    p_values = holm([float(ttest_rel(column, 0 * column).pvalue) for column in gains.T])
    told = []
    for k, column, p in zip(TOPS, gains.T, p_values, strict=True):
        verdict = "no difference found"
        if p < ALPHA:
            verdict = "better" if column.mean() > 0 else "worse"
        told.append(
            f"top {k} {verdict} (gain {_spread(column)}, better in {int((column > 0).sum())} of "
            f"{len(column)} seeds, {'p < 0.001' if p < 0.001 else f'p = {p:.3f}'})"
        )
    return f"**{agent} against {YARDSTICK}**: {'; '.join(told)}."


def draw(curves: dict[str, Floats], setting: Setting) -> Any:
    """Draw the gain of the best k over random search by evaluations, as the paper's figure 6."""
    from matplotlib.figure import Figure

    others = [agent for agent in curves if agent != YARDSTICK]
    figure = Figure(figsize=(4.2 * len(others), 3.2), layout="constrained")
    grid = figure.subplots(1, len(others), squeeze=False)[0]
    for axes, agent in zip(grid, others, strict=True):
        gains = setting.better * (curves[agent] - curves[YARDSTICK])
        for i, (k, colour) in enumerate(zip(TOPS, ("#332288", "#CC6677", "#117733"), strict=True)):
            gains_k = gains[:, i, FIRST_DRAWN:]
            mean, steps = gains_k.mean(axis=0), np.arange(FIRST_DRAWN, gains.shape[2]) + 1
            error = gains_k.std(axis=0, ddof=1) / len(gains) ** 0.5
            axes.plot(steps, mean, color=colour, label=f"top {k}")
            axes.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
        axes.axhline(0, color="#888888", linewidth=0.8)
        axes.set_title(f"{agent} over {YARDSTICK}", fontsize=10)
        axes.set_xlabel("evaluations", fontsize=8)
        axes.set_ylabel(f"improvement in {setting.words}", fontsize=8)
        axes.legend(fontsize=8)
    return figure


def _curves(rows: Sequence[dict[str, Any]], setting: Setting) -> dict[str, Floats]:
    """Return (seeds, tops, evaluations) by agent."""
    agents = dict.fromkeys([YARDSTICK, *(row["agent"] for row in rows)])
    return {
        agent: np.array(
            [
                top_means([r for r in rows if r["agent"] == agent and r["seed"] == seed],
                          setting.better)
                for seed in _seeds(rows)
            ]
        )
        for agent in agents
    }  # fmt: skip


def _seeds(rows: Sequence[dict[str, Any]]) -> list[int]:
    return sorted({row["seed"] for row in rows})


def _spread(values: Floats) -> str:
    digits = 4 if abs(values.mean()) < 2 else 2
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows of the file; none if there is no file."""
    if not file.exists():
        return []
    kinds = {"seed": int, "number": int, "figure": float, "reward": float, "seconds": float}
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            {name: kinds.get(name, str)(value) for name, value in row.items()}
            for row in csv.DictReader(lines)
        ]


def main() -> None:
    """Search with every agent and seed that the file does not have, then report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--spaces", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--agents", nargs="+", default=list(AGENTS))
    parser.add_argument("--seeds", type=int, help="5 of conv-net and 3 of rnn-cell by default")
    parser.add_argument("--store", type=Path, default=Path("runs") / f"{PAGE}.sqlite")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    file = RESULTS / f"{PAGE}.csv"
    rows = read(file)
    for space in given.spaces:
        for seed in range(given.seeds or SETTINGS[space].seeds):
            for agent in dict.fromkeys([YARDSTICK, *given.agents]):
                wanted = (space, agent, seed)
                if any((r["space"], r["agent"], r["seed"]) == wanted for r in rows):
                    continue
                rows += numbered(searched(space, agent, seed, given.store))
                best = max(rows[-SETTINGS[space].budget :], key=lambda row: row["reward"])
                print(*wanted, f"best {best['figure']:.4f}", flush=True)
                if given.write:
                    with file.open("w", encoding="utf-8", newline="") as lines:
                        writer = csv.DictWriter(lines, FIELDS, lineterminator="\n")
                        writer.writeheader()
                        writer.writerows(rows)
    report(PAGE, page(rows))


if __name__ == "__main__":
    main()
