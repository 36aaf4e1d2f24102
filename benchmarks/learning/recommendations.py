"""Find out what a Gaussian-process agent should hand over, with noise and without.

    python benchmarks/learning/recommendations.py [--seeds 20] [--write]

``predictor-evolution`` on ``nas_gym.testing.tuning_landscape`` under seeds from 2000, without noise
and with it: each request a training of its own, or one training per architecture, whose answer a
memo repeats. After 50 and after 150 evaluations three choices are made from the same rewards: the
best observed, the model's (its lower confidence bound), and the agent's ``recommend``, which knows
from the evaluator whether there is noise. Five minutes on two cores. ``--write`` also writes
``benchmarks/results/recommendations.md``.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.measure import machine, report
from nas_gym.agent import Observed, best_observed
from nas_gym.evaluators.evaluation import noise_free
from nas_gym.registry import make
from nas_gym.runs.markdown import numbers_table
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import tuning_landscape
from nas_gym.testing.agent_suite import run_agent

AGENT = "predictor-evolution"
FIRST_SEED = 2000
BUDGETS = (50, 150)
CHOICES = ("best observed", "the model's", "recommended")
SPACES: dict[str, Any] = {
    "cells of NAS-Bench-201, 6 tokens": NASBench201(),
    "NASNet cells of 2 blocks, 20 tokens": NASNetCell(blocks=2),
}
NOISES: dict[str, dict[str, Any]] = {
    "none": {"noise": 0.0, "fresh_noise": False},
    "0.11 points, new each time": {"noise": 0.0011, "fresh_noise": True},
    "0.11 points, one training each": {"noise": 0.0011, "fresh_noise": False},
    "0.33 points, new each time": {"noise": 0.0033, "fresh_noise": True},
    "0.33 points, one training each": {"noise": 0.0033, "fresh_noise": False},
}
Job = tuple[str, str, int]


def regrets(job: Job) -> np.ndarray[Any, Any]:
    """Return (choices, budgets) regrets in points of one search."""
    import torch

    torch.set_num_threads(1)
    space, noise, seed = SPACES[job[0]], NOISES[job[1]], job[2]
    landscape, agent = replace(tuning_landscape(space, seed), **noise), make("agent", AGENT)
    answers = run_agent(agent, landscape, space, budget=max(BUDGETS), seed=seed)
    seen = [Observed(*answer, noise_free=noise_free(landscape)) for answer in answers]
    noisy = [each._replace(noise_free=False) for each in seen]
    found = [
        [landscape.accuracy(best_observed(seen[:n])) for n in BUDGETS],
        [landscape.accuracy(agent.recommend(space, noisy[:n])) for n in BUDGETS],
        [landscape.accuracy(agent.recommend(space, seen[:n])) for n in BUDGETS],
    ]
    return 100 * (landscape.best - np.array(found))


def table(name: str, seeds: range, pool: ProcessPoolExecutor) -> str:
    """Tabulate one line per noise."""
    jobs = [(name, noise, seed) for noise in NOISES for seed in seeds]
    every = np.array(list(pool.map(regrets, jobs, chunksize=2)))
    every = every.reshape(len(NOISES), len(seeds), -1)
    headings = ["noise of a training", *(f"{c}, {n}" for c in CHOICES for n in BUDGETS)]
    rows = []
    for noise, runs in zip(NOISES, every, strict=True):
        errors = runs.std(axis=0, ddof=1) / len(seeds) ** 0.5
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(runs.mean(axis=0), errors, strict=True)]
        rows.append([noise, *cells])
    return f"## {name}\n\n{numbers_table(headings, rows)}"


def main() -> None:
    """Search, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        tables = "\n\n".join(table(name, seeds, pool) for name in SPACES)
    report(
        "recommendations",
        "# What a Gaussian-process agent hands over\n\nRegret in percentage points of accuracy (0 "
        "is the best architecture), mean over landscapes ± standard error, of three choices after "
        f"so many evaluations of `{AGENT}`. `tuning_landscape`, seeds {seeds[0]} to {seeds[-1]} "
        f"({machine()}); printed by `python benchmarks/learning/recommendations.py`.\n\n{tables}\n",
    )


if __name__ == "__main__":
    main()
