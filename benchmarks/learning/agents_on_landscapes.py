"""Find out what every agent finds on synthetic landscapes that nothing was tuned on.

    python benchmarks/learning/agents_on_landscapes.py [--seeds 20] [--write]

Every agent with its default settings on ``nas_gym.testing.tuning_landscape`` under seeds from 2000
(those of the tuning begin at 1000): cells of NAS-Bench-201, and NASNet cells of two blocks. About
five minutes on two cores. ``--write`` also writes ``benchmarks/results/agents_on_landscapes.md``.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.measure import machine, report
from nas_gym.agent import Observed, best_average, best_observed
from nas_gym.evaluators.evaluation import noise_free
from nas_gym.plugins import names
from nas_gym.registry import make
from nas_gym.runs.markdown import numbers_table
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import tuning_landscape
from nas_gym.testing.agent_suite import run_agent

FIRST_SEED = 2000
BUDGETS = (150, 300, 500)
SPACES: dict[str, Any] = {
    "cells of NAS-Bench-201, 6 tokens": NASBench201(),
    "NASNet cells of 2 blocks, 20 tokens": NASNetCell(blocks=2),
}
AGENTS = [
    *(name for name in names("agent") if "/" not in name and name != "sb3"),
    "regularized-evolution/tabular",
]
Job = tuple[str, str, int]


def regrets(job: Job) -> np.ndarray[Any, Any]:
    """Return (2, budgets) regrets in points: of the best observed and the recommended one."""
    import torch

    torch.set_num_threads(1)
    name, space_name, seed = job
    space, agent = SPACES[space_name], make("agent", name)
    landscape = tuning_landscape(space, seed)
    answers = run_agent(agent, landscape, space, budget=max(BUDGETS), seed=seed)
    observed = [Observed(*answer, noise_free=noise_free(landscape)) for answer in answers]
    recommend = getattr(agent, "recommend", lambda _, seen: best_average(seen))
    found = [
        [landscape.accuracy(best_observed(observed[:n])) for n in BUDGETS],
        [landscape.accuracy(recommend(space, observed[:n])) for n in BUDGETS],
    ]
    return 100 * (landscape.best - np.array(found))


def table(name: str, seeds: Sequence[int], pool: ProcessPoolExecutor) -> str:
    """Tabulate one line per agent."""
    jobs = [(agent, name, seed) for agent in AGENTS for seed in seeds]
    every = np.array(list(pool.map(regrets, jobs, chunksize=2)))
    every = every.reshape(len(AGENTS), len(seeds), 2, len(BUDGETS))
    headings = ["agent", *(f"best observed, {n}" for n in BUDGETS)]
    headings += [f"recommended, {n}" for n in BUDGETS]
    rows = []
    for i in np.argsort(every[:, :, 1, -1].mean(axis=1)):
        runs = every[i].reshape(len(seeds), -1)
        errors = runs.std(axis=0, ddof=1) / len(seeds) ** 0.5
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(runs.mean(axis=0), errors, strict=True)]
        rows.append([f"`{AGENTS[i]}`", *cells])
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
        "agents_on_landscapes",
        "# Agents on landscapes that nothing was tuned on\n\nRegret in percentage points of "
        "accuracy (0 is the best architecture), mean over landscapes ± standard error; *best "
        "observed* is the architecture of the highest noisy reward, *recommended* what the agent "
        f"would hand over. `tuning_landscape`, seeds {seeds[0]} to {seeds[-1]}, default settings "
        f"({machine()}); printed by "
        f"`python benchmarks/learning/agents_on_landscapes.py`.\n\n{tables}\n",
    )


if __name__ == "__main__":
    main()
