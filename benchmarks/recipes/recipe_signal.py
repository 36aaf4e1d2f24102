"""Measure for each candidate recipe on digits whether its reward carries information.

Trains random NASNet cells or convolutional networks, each with several seeds (of initial weights
and of training), and reports for each candidate: how far the cells' accuracies spread, how well two
seeds agree on the cells' order (Spearman's rank correlation, mean over all pairs of seeds; also
among the third of them that a further seed puts first, where a search has to decide), and the
processor time of a child on one core. A reward that carries no information has a correlation of
zero: an agent would learn the noise.

    python benchmarks/recipes/recipe_signal.py --cells 60 --seeds 3 --workers 2

adds what is missing to ``benchmarks/results/recipe_signal.csv`` (one row per child) and writes the
table ``benchmarks/results/recipe_signal.md`` from it. With ``--space conv-net``, the same for
networks of six layers, in ``recipe_signal_conv_net.csv`` and ``.md``; with ``--space nasbench201``
for NAS-Bench-201's cells, in ``recipe_signal_nasbench201.csv`` and ``.md``, whose table also says
how well the cells' order is that of the benchmark's own results on CIFAR-10.
"""

import argparse
import csv
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.runs import markdown
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.grammar import NetworkSpace, Tokens, decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.training.images.presets import RECIPES
from nas_gym.training.images.recipe import Recipe

RESULTS = Path(__file__).parents[1] / "results"
FIELDS = ("candidate", "cell", "seed", "accuracy", "final_accuracy", "cpu_seconds", "failure")


@dataclass(frozen=True)
class Candidate:
    """A recipe, and the part of each digit class that validates."""

    recipe: Recipe
    validation: float = 0.35


@dataclass(frozen=True)
class Subject:
    """A space, the recipes that may become its default, and what the page says about them."""

    space: NetworkSpace[Any]
    candidates: Mapping[str, Candidate]
    words: str  # what is trained
    file: str  # of the results, without ending
    default: str  # name of the recipe that is the space's default
    first: int = 2017  # of the seed of the random architectures
    truth: NASBench201Table | None = None  # results elsewhere, to compare the order with


REFERENCE = "longer"  # trains digits to the end: does a candidate put the cells in its order?
CELL = Recipe(epochs=5, batch_size=64, learning_rate=0.02, weight_decay=1e-4, filters=4)
BENCH = Recipe(epochs=6, batch_size=64, learning_rate=0.05, weight_decay=5e-4, filters=4)
NET = Recipe(epochs=5, batch_size=64, learning_rate=0.02, weight_decay=1e-4, width_multiplier=0.25)
SUBJECTS = {
    "nasnet-cell": Subject(
        NASNetCell(),
        {
            "short": Candidate(CELL),
            "short-slow": Candidate(replace(CELL, learning_rate=0.01)),
            REFERENCE: Candidate(replace(CELL, epochs=8, learning_rate=0.05)),
        },
        "random NASNet cells on digits, N = 1",
        "recipe_signal",
        "quick",
    ),
    "conv-net": Subject(
        ConvNet(),
        {
            "short": Candidate(NET),
            "wider": Candidate(replace(NET, width_multiplier=0.5)),
            "wider-10": Candidate(replace(NET, epochs=10, width_multiplier=0.5)),
            REFERENCE: Candidate(replace(NET, epochs=20, learning_rate=0.05, width_multiplier=0.5)),
        },
        "random convolutional networks of six layers with strides on digits",
        "recipe_signal_conv_net",
        "quick-conv-net",
        first=2016,
    ),
    "nasbench201": Subject(
        NASBench201(isomorphic=True),
        {
            "shallow": Candidate(replace(BENCH, epochs=8)),
            "shallow-slow": Candidate(replace(BENCH, epochs=8, learning_rate=0.02)),
            "deep": Candidate(replace(BENCH, repeats=2)),
            "deep-large-batch": Candidate(
                replace(BENCH, repeats=2, epochs=8, batch_size=128, learning_rate=0.1)
            ),
            REFERENCE: Candidate(replace(BENCH, repeats=3, epochs=12)),
        },
        "random cells of NAS-Bench-201 on digits",
        "recipe_signal_nasbench201",
        "nasbench201-digits",
        first=201,
        truth=NASBench201Table(),
    ),
}


def main() -> None:
    """Train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="nasnet-cell", choices=SUBJECTS)
    parser.add_argument("--candidates", nargs="+", help="all by default")
    parser.add_argument("--cells", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder")
    options = parser.parse_args()
    subject = SUBJECTS[options.space]
    table = options.results / f"{subject.file}.csv"
    names = options.candidates or list(subject.candidates)
    if unknown := set(names) - set(subject.candidates):
        parser.error(f"no candidate {unknown.pop()}: give some of {', '.join(subject.candidates)}")
    done = {(row["candidate"], int(row["cell"]), int(row["seed"])) for row in read(table)}
    wanted = itertools.product(names, range(options.cells), range(options.seeds))
    missing = [(options.space, *job) for job in wanted if job not in done]
    train_missing(table, FIELDS, child, missing, options.workers)
    report = "\n".join(lines(subject, read(table)))
    table.with_suffix(".md").write_text(report + "\n")
    print("\n" + report)


def train_missing(
    table: Path,
    fields: Sequence[str],
    child: Callable[..., dict[str, object]],
    missing: Sequence[tuple[object, ...]],
    workers: int,
) -> None:
    """Train the children that ``table`` lacks, and add each to it when it is trained.

    Args:
        table: A CSV file, perhaps not there yet.
        fields: Its columns.
        child: Trains one and returns its row.
        missing: What ``child`` takes, once per child.
        workers: Processes, >= 1.
    """
    header = not read(table)
    context = multiprocessing.get_context("forkserver")
    with (
        ProcessPoolExecutor(workers, context, initializer=prepare_worker) as pool,
        table.open("a", newline="") as file,
    ):
        writer = csv.DictWriter(file, fields)
        if header:
            writer.writeheader()
        for number, future in enumerate(as_completed([pool.submit(child, *j) for j in missing]), 1):
            writer.writerow(future.result())
            file.flush()
            print(f"\r{number} of {len(missing)} children", end="", flush=True)


def prepare_worker() -> None:
    """Set one thread, and the malloc settings of the search's own workers."""
    import torch

    from nas_gym.evaluators.workers.worker import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()


def child(subject_name: str, name: str, cell: int, seed: int) -> dict[str, object]:
    """Train one child: cell number ``cell`` of a fixed random sequence."""
    import torch
    from sklearn.datasets import load_digits

    from nas_gym.training.images.sources import split_dataset
    from nas_gym.training.images.train import train

    subject = SUBJECTS[subject_name]
    candidate, space = subject.candidates[name], subject.space
    genotype = decode(space, cell_tokens(subject, cell))
    data = load_digits()
    images = data.images.astype(np.uint8)[:, None]
    dataset = split_dataset("digits", images, data.target, shares=(candidate.validation, 0.2))
    start = time.process_time()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = space.build(genotype, candidate.recipe.task(*dataset.image_shape, 10))
    result = train(network, dataset, candidate.recipe, seed, device="cpu")
    return {
        "candidate": name,
        "cell": cell,
        "seed": seed,
        "accuracy": result.accuracy,
        "final_accuracy": result.final_accuracy,
        "cpu_seconds": round(time.process_time() - start, 3),
        "failure": result.failure or "",
    }


def read(table: Path) -> list[dict[str, str]]:
    """Return the rows so far."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def lines(subject: Subject, rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield the page: a heading and the table, one line per candidate."""
    yield "# Does the reward of a recipe carry information?\n"
    name = next(name for name, each in SUBJECTS.items() if each is subject)
    option = "" if subject.default == "quick" else f" --space {name}"
    yield (
        f"Written by `python benchmarks/recipes/recipe_signal.py{option}` from "
        f"`{subject.file}.csv`: "
        f"{subject.words}, each trained with several seeds, one core per child. The default "
        "has to reach a Spearman correlation of 0.7 between two seeds in at most 5 s per child.\n"
    )
    headings = (
        *("candidate", "recipe", "cells x seeds", "accuracy min / 10 % / median / 90 % / max"),
        "deviation between cells / between seeds",
        *("Spearman, two seeds", "of the best third"),
        f"Spearman of the means with {REFERENCE!r}",
        "CPU s per child, mean",
        *(["of the means with the benchmark's CIFAR-10"] if subject.truth else []),
    )
    shown = []
    reference, truth = accuracies(rows, REFERENCE), true_accuracies(subject, rows)
    for name, candidate in subject.candidates.items():
        by_cell = accuracies(rows, name)
        if by_cell:
            seconds = [float(row["cpu_seconds"]) for row in rows if row["candidate"] == name]
            default = " (default)" if candidate.recipe == RECIPES[subject.default] else ""
            shown.append(
                [
                    f"{name}{default}",
                    description(candidate),
                    *signal(by_cell),
                    agreement_on_the_best(by_cell),
                    agreement_with(by_cell, reference),
                    f"{statistics.mean(seconds):.1f}",
                    *([agreement_with(by_cell, truth)] if truth else []),
                ]
            )
    yield markdown.table(headings, shown)


def true_accuracies(subject: Subject, rows: list[dict[str, str]]) -> dict[int, list[float]]:
    """Return the benchmark's own accuracy of each cell, if the space has a benchmark."""
    if subject.truth is None:
        return {}
    return {
        cell: [subject.truth.mean_accuracy(cell_tokens(subject, cell))]
        for cell in sorted({int(row["cell"]) for row in rows})
    }


def cell_tokens(subject: Subject, cell: int) -> Tokens:
    """Return cell number ``cell`` of a subject's fixed random sequence."""
    return random_tokens(subject.space, np.random.default_rng((subject.first, cell)))


def description(candidate: Candidate) -> str:
    """Return the recipe in words."""
    r = candidate.recipe
    deep = f"N {r.repeats}, " if r.repeats > 1 else ""
    size = f"{deep}F {r.filters}" if r.width_multiplier == 1 else f"width {r.width_multiplier:g}"
    return (
        f"{r.epochs} epochs, batch {r.batch_size}, {size}, rate {r.learning_rate:g}, decay "
        f"{r.weight_decay:g}, validation {candidate.validation:.0%}"
    )


def accuracies(rows: list[dict[str, str]], name: str) -> dict[int, list[float]]:
    """Return accuracies by seed of each cell that has all seeds; a failed child has 0."""
    by_cell: dict[int, dict[int, float]] = {}
    for row in rows:
        if row["candidate"] == name:
            by_seed = by_cell.setdefault(int(row["cell"]), {})
            by_seed[int(row["seed"])] = float(row["accuracy"] or 0.0)
    most = max(map(len, by_cell.values()), default=0)
    return {
        cell: [by_seed[seed] for seed in sorted(by_seed)]
        for cell, by_seed in sorted(by_cell.items())
        if len(by_seed) == most
    }


def signal(by_cell: dict[int, list[float]]) -> list[str]:
    """Return count, quantiles, the two deviations, agreement of two seeds."""
    table = np.asarray(list(by_cell.values()))  # (cells, seeds)
    seeds = table.shape[1]
    within = np.sqrt(table.var(axis=1, ddof=1).mean())
    between = np.sqrt(max(0.0, table.mean(axis=1).var(ddof=1) - within**2 / seeds))
    agreement = statistics.mean(
        spearmanr(table[:, a], table[:, b])[0] for a, b in itertools.combinations(range(seeds), 2)
    )
    quantiles = " / ".join(f"{q:.3f}" for q in np.quantile(table, (0, 0.1, 0.5, 0.9, 1)))
    deviations = f"{between:.4f} / {within:.4f}"
    return [f"{len(table)} x {seeds}", quantiles, deviations, f"{agreement:.2f}"]


def agreement_on_the_best(by_cell: dict[int, list[float]]) -> str:
    """Return Spearman's correlation of two seeds over the third that another puts first."""
    table = np.asarray(list(by_cell.values()))  # (cells, seeds)
    found = []
    for judge in range(table.shape[1]):
        best = table[np.argsort(-table[:, judge], kind="stable")[: len(table) // 3]]
        others = [seed for seed in range(table.shape[1]) if seed != judge]
        for a, b in itertools.combinations(others, 2):
            found.append(spearmanr(best[:, a], best[:, b])[0])
    return f"{statistics.mean(found):.2f}" if found else "-"


def agreement_with(by_cell: dict[int, list[float]], reference: dict[int, list[float]]) -> str:
    """Return Spearman's correlation of the cells' mean accuracies under two recipes."""
    cells = sorted(by_cell.keys() & reference.keys())
    if by_cell == reference or len(cells) < 3:
        return "-"
    here, there = ([statistics.mean(of[c]) for c in cells] for of in (by_cell, reference))
    return f"{spearmanr(here, there)[0]:.2f}"


if __name__ == "__main__":
    main()
