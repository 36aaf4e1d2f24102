"""What agents reach by a time, asynchronously and in rounds, on eight simulated machines."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.measure import interval
from benchmarks.speed.asynchrony_parts.timed import timed_search
from nas_gym.registry import make
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture

MACHINES = 8
SECONDS = 20_000.0
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
AGENTS = ("regularized-evolution", "reinforce")
FIRST_SEED = 7000


def reached(job: tuple[str, bool, int]) -> list[float]:
    """Return how good the best observed cell really is, by each share of the time."""
    agent, asynchronous, seed = job
    moments, answers, _ = timed_search(agent, MACHINES, asynchronous, seed, budget_seconds=SECONDS)
    best = []
    for share in SHARES:
        there = [a for a, m in zip(answers, moments, strict=True) if m <= share * SECONDS]
        best.append(truth(max(there, key=lambda a: a.reward).evaluation.architecture))
    return best


def truth(architecture: Architecture[Any]) -> float:
    """Return the mean accuracy of a cell's three trainings."""
    (evaluation,) = _mean_table().evaluate([architecture], [0])
    return float(evaluation.metrics["accuracy"])


@cache
def _mean_table() -> Any:
    space = make("space", "nasbench201")
    return make("evaluator", {"name": "nasbench201", "seeds": "mean"}, space=space)


def section(seeds: int, write: bool) -> str:
    """Search, and return a section."""
    del write
    ways = {True: "asynchronous", False: "rounds"}
    numbers = range(FIRST_SEED, FIRST_SEED + seeds)
    jobs = [(agent, way, seed) for agent in AGENTS for way in ways for seed in numbers]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        values = dict(zip(jobs, pool.map(reached, jobs, chunksize=5), strict=True))
    rows, sentences = [], []
    for agent in AGENTS:
        by_way = {way: np.array([values[agent, way, seed] for seed in numbers]) for way in ways}
        yardstick = by_way[False][:, -1]
        for way, name in ways.items():
            cells = []
            for place in range(len(SHARES)):
                low, high = interval(by_way[way][:, place] - yardstick)
                mean = 100 * by_way[way][:, place].mean()
                cells.append(f"{mean:.2f} ({100 * low:+.2f} to {100 * high:+.2f})")
            rows.append([f"`{agent}`", name, *cells])
            print(*rows[-1], flush=True)
        means = by_way[True].mean(0)
        there = [s for s, mean in zip(SHARES, means, strict=True) if mean >= yardstick.mean()]
        sentences.append(
            f"- `{agent}`: the mean quality of rounds after {SECONDS:,.0f} s is reached "
            + (f"by {there[0]:g} of that time." if there else "by no share of that time.")
        )
    heads = ("agent", "way", *(f"{share * SECONDS:,.0f} s" for share in SHARES))
    return f"""## Quality by time, on {MACHINES} simulated machines

Mean accuracy in percent (three trainings, CIFAR-10's validation part) of the best observed cell by
that simulated time, mean of {seeds} seeds; in brackets the 95 % interval of the paired
difference to the same agent in rounds after {SECONDS:,.0f} s. The aim is that quality by 0.8 of the
time.

{table(heads, rows)}

{chr(10).join(sentences)}
"""
