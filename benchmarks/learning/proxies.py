"""Measure what zero-cost proxies say about NAS-Bench-201's cells.

    python benchmarks/learning/proxies.py --cells 1000 --write    # about 40 minutes on one core
    python benchmarks/learning/proxies.py --cells 30              # a look

Random cells, the benchmark's own network (N = 5, C = 16, 32 x 32 pixels), Gaussian images with
random labels: no data set, no training. Spearman's and Kendall's correlations of every proxy with
the three tables' accuracies: of all cells, of those above 85 % on CIFAR-10, and of each table's
best tenth; beside them parameters and random numbers. Values are kept in ``--keep`` cell by cell,
so that a run that was cut goes on with the same command. ``--write`` writes
``benchmarks/results/proxies.md``.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, spearmanr

from benchmarks.measure import machine, report
from nas_gym.evaluators.proxies.names import AZ_NAS, PROXIES, values_for
from nas_gym.evaluators.proxies.ranks import average_ranks, az_nas_scores
from nas_gym.evaluators.proxies.scorer import Scorer
from nas_gym.evaluators.tables.nasbench201 import DATASETS, NASBench201Table
from nas_gym.runs.markdown import numbers_table
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201

CELLS = 15_625
GOOD = 0.85  # accuracy on CIFAR-10
TOP = 0.1  # share of the cells that is a table's best
BOOTSTRAPS = 200
TOGETHER = ("nwot", "synflow", "parameters")  # whose ranks are put together as AZ-NAS's are
Floats = npt.NDArray[np.float64]
Correlation = Callable[[Floats, Floats], Any]


def scorer_of(keep: str | None, images: int, proxies: Sequence[str] = PROXIES) -> Scorer:
    """Return what scores the benchmark's own networks."""
    return Scorer(NASBench201(), tuple(proxies), images=images, cache=keep)


def drawn(cells: int, seed: int) -> list[Tokens]:
    """Return different random cells."""
    table = NASBench201Table()
    order = np.random.default_rng(seed).permutation(CELLS)[:cells]
    return [table.tokens_at(int(i)) for i in order]


def scored(job: tuple[str | None, int, Sequence[Tokens]]) -> list[Mapping[str, float]]:
    """Return the values of some cells; they are kept in the file as they are computed."""
    keep, images, cells = job
    scorer = scorer_of(keep, images)
    return [scorer.values(architecture_of(scorer.space, tokens)) for tokens in cells]


def seconds_per_cell(cells: Sequence[Tokens], images: int) -> dict[str, float]:
    """Return the CPU seconds that each proxy takes for a cell, with its network's construction."""
    seconds = {}
    for proxy in PROXIES:
        scorer = scorer_of(None, images, (proxy,))
        architectures = [architecture_of(scorer.space, tokens) for tokens in cells]
        scorer.values(architectures[0])  # loads what it needs
        begun = time.process_time()
        for architecture in architectures[1:]:
            scorer.values(architecture)
        seconds[proxy] = (time.process_time() - begun) / max(1, len(architectures) - 1)
    return seconds


def rankings(values: Sequence[Mapping[str, float]], seed: int) -> dict[str, Floats]:
    """Return, by name, numbers that order the cells; what has no score is below all others."""
    columns = {name: [each[name] for each in values] for name in values_for(PROXIES)}
    found = {
        "AZ-NAS": az_nas_scores({name: columns[name] for name in values_for([AZ_NAS])}),
        " + ".join(TOGETHER): az_nas_scores({name: columns[name] for name in TOGETHER}),
    }
    names = [name for name in columns if name not in ("parameters", "multiply_adds")]
    for name in (*names, "parameters", "multiply_adds"):
        found[name] = average_ranks(columns[name])
    found["random"] = np.random.default_rng(seed).random(len(values))
    return found


def in_words(of: Correlation, one: Floats, other: Floats) -> str:
    """Return a correlation with two digits; ``-`` where there is none."""
    value = float(of(one, other)[0]) if len(one) > 2 else float("nan")
    return "-" if np.isnan(value) else f"{value:.3f}"


def table_of(found: Mapping[str, Floats], truth: Mapping[str, Floats], kept: Any) -> str:
    """Tabulate Spearman / Kendall of every ranking with every table, of the cells that are kept.

    Args:
        found: By name, numbers that order all cells.
        truth: By data set, the accuracies of all cells.
        kept: From a data set's name to which cells count.
    """
    rows = []
    for name, order in found.items():
        cells = [name]
        for dataset, accuracies in truth.items():
            which = kept(dataset)
            pairs = (order[which], accuracies[which])
            cells.append(f"{in_words(spearmanr, *pairs)} / {in_words(kendalltau, *pairs)}")
        rows.append(cells)
    return numbers_table(["proxy", *truth], rows)


def bootstrap_deviation(order: Floats, accuracies: Floats) -> float:
    """Return the deviation of Spearman's correlation over samples of the cells."""
    rng = np.random.default_rng(0)
    drawn_ = (rng.integers(len(order), size=len(order)) for _ in range(BOOTSTRAPS))
    return float(np.std([spearmanr(order[i], accuracies[i])[0] for i in drawn_]))


def page(cells: Sequence[Tokens], values: Sequence[Mapping[str, float]], given: Any) -> str:
    """Return the page of results."""
    found = rankings(values, given.seed)
    tables = {name: NASBench201Table(dataset=name) for name in DATASETS}
    truth = {n: np.array([t.mean_accuracy(c) for c in cells]) for n, t in tables.items()}
    good = truth["cifar10"] > GOOD
    best = {n: accuracies >= np.quantile(accuracies, 1 - TOP) for n, accuracies in truth.items()}
    deviation = bootstrap_deviation(found["AZ-NAS"], truth["cifar10"])
    unscored = {n: sum(not np.isfinite(v[n]) for v in values) for n in values[0]}
    lost = ", ".join(f"{name} {count}" for name, count in unscored.items() if count)
    timed = cells[: given.timed + 1]
    seconds = seconds_per_cell(timed, given.images)
    times = numbers_table(
        ["proxy", "seconds per cell"], [[name, f"{value:.3f}"] for name, value in seconds.items()]
    )
    return f"""# Zero-cost proxies on NAS-Bench-201

{len(cells):,} random cells (seed {given.seed}), networks of N = 5, C = 16 on 32 x 32 pixels, one
batch of {given.images} Gaussian images (two for ZiCo), random labels; {machine()}. Written by
`python benchmarks/learning/proxies.py --cells {len(cells)} --write`. Spearman / Kendall with the
accuracy after 200 epochs, mean over seeds. The deviation of AZ-NAS's Spearman on CIFAR-10 over
samples of the cells is {deviation:.3f}. Cells that a value does not have (lowest rank):
{lost or "none"}.

## All cells

{table_of(found, truth, lambda dataset: slice(None))}

## The {int(good.sum()):,} cells above {GOOD:.0%} on CIFAR-10

{table_of(found, truth, lambda dataset: good)}

## The best tenth of each data set

{table_of(found, truth, lambda dataset: best[dataset])}

## What a cell costs

CPU seconds on one thread, of {len(timed) - 1} cells, with the network's construction.

{times}
"""


def main() -> None:
    """Score what is missing, then print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--images", type=int, default=32, help="of a batch")
    parser.add_argument("--seed", type=int, default=0, help="of the cells that are drawn")
    parser.add_argument("--timed", type=int, default=20, help="cells by which they are timed")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--keep", default="runs/benchmarks/proxies.jsonl", help="file of values")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    Path(given.keep).parent.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    cells = drawn(given.cells, given.seed)
    jobs = [(given.keep, given.images, cells[i : i + 10]) for i in range(0, len(cells), 10)]
    values: list[Mapping[str, float]] = []
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        for part in pool.map(scored, jobs):
            values += part
            print(f"{len(values)} of {len(cells)} cells", end="\r", flush=True)
    report("proxies", page(cells, values, given))


if __name__ == "__main__":
    main()
