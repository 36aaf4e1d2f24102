"""Measure how many times as many children two worker processes train in a minute as one.

Both sides run in turns, in one call of this script, with the default data set and recipe:

    python benchmarks/speed/worker_scaling.py --children 12 --rounds 5

prints the medians and their ratio, and writes ``benchmarks/results/worker_scaling.md``. Leave the
machine alone meanwhile: the target, 1.8 on two cores, is about the cores being free.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np

from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.genotype import CellGenotype
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

RESULTS = Path(__file__).parents[1] / "results" / "worker_scaling.md"


def main() -> None:
    """Run the rounds and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--children", type=int, default=12, help="per round, of each side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    space = NASNetCell()
    rng = np.random.default_rng(0)
    cells = [architecture_of(space, random_tokens(space, rng)) for _ in range(options.children)]
    sides = {n: ParallelEvaluator(TrainingEvaluator(space), n) for n in (1, options.workers)}
    rates: dict[int, list[float]] = {workers: [] for workers in sides}
    try:
        for workers, evaluator in sides.items():  # starts processes, loads the data
            children_per_minute(evaluator, cells[:workers])
        for _ in range(options.rounds):
            for workers, evaluator in sides.items():
                rates[workers].append(children_per_minute(evaluator, cells))
                print(
                    f"{workers} workers: {rates[workers][-1]:.1f} children per minute", flush=True
                )
    finally:
        for evaluator in sides.values():
            evaluator.close()
    report = "\n".join(lines(rates, options.children))
    RESULTS.write_text(report + "\n")
    print(report)


def children_per_minute(
    evaluator: ParallelEvaluator, cells: list[Architecture[CellGenotype]]
) -> float:
    """Evaluate all cells once; return how many that is per minute."""
    start = time.perf_counter()
    evaluations = list(evaluator.evaluate(cells, range(len(cells))))
    seconds = time.perf_counter() - start
    failures = [e.failure for e in evaluations if e.failure is not None]
    if failures:
        raise RuntimeError(f"children failed: {failures}")
    return 60 * len(cells) / seconds


def lines(rates: dict[int, list[float]], children: int) -> list[str]:
    """Return the report in Markdown."""
    medians = {workers: statistics.median(values) for workers, values in rates.items()}
    few, many = min(medians), max(medians)
    return [
        f"Children per minute, default data set and recipe, {children} random NASNet cells per "
        f"round, rounds in turns, {os.cpu_count()} cores.",
        "",
        table(
            ["workers", "median", "rounds"],
            [
                [workers, f"{medians[workers]:.1f}", ", ".join(f"{v:.1f}" for v in values)]
                for workers, values in rates.items()
            ],
        ),
        "",
        f"Ratio of the medians: {medians[many] / medians[few]:.2f}",
    ]


if __name__ == "__main__":
    main()
