"""Print how the table of digits ranks NAS-Bench-201's cells, against CIFAR and ImageNet.

    python benchmarks/tables/digits_against_cifar.py [--write]

For each number of epochs on digits: rank correlations with the benchmark's validation accuracies of
the same cells (means over the seeds of both), over all cells and among the truly best tenth, and
how much of that tenth is in the tenth that digits put first. Beside them what other cheap signals
reach: the number of parameters, CIFAR-10 itself, and another seed of the same table, which is the
ceiling. ``--write`` writes ``benchmarks/results/digits_against_cifar.md``.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from nas_gym.evaluators.tables.digits import read_digits_table
from nas_gym.evaluators.tables.nasbench201 import DATASETS, NASBench201Table
from nas_gym.evaluators.tables.tabular import Entry
from nas_gym.runs import markdown

PAGE = Path(__file__).parents[1] / "results" / "digits_against_cifar.md"
TENTH = 10
NAMES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16-120": "ImageNet16-120"}

Signal = np.ndarray[Any, Any]  # one number per cell, larger for better
Cell = tuple[int, ...]


def main() -> None:
    """Print the page, and write it if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=Path, help="a packed table; the wheel's by default")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    page = "\n".join(lines(options.digits))
    print(page)
    if options.write:
        PAGE.write_text(page + "\n")


def lines(file: Path | None) -> Iterator[str]:
    """Yield the page."""
    digits = read_digits_table(file)
    truths = {name: NASBench201Table(dataset=name) for name in DATASETS}
    everything = [truths["cifar10"].tokens_at(index) for index in range(15_625)]
    known = digits.entries(everything)
    cells = list(known)
    entries = {name: [table.entry(cell) for cell in cells] for name, table in truths.items()}
    seeds = sum(len(known[cell].accuracies) for cell in cells) / len(cells)
    yield "# What digits say about CIFAR and ImageNet\n"
    yield (
        "Written by `python benchmarks/tables/digits_against_cifar.py --write`: "
        f"{len(cells):,} of the 15,625 cells of NAS-Bench-201, trained on digits "
        f"({seeds:.1f} seeds a cell, {digits.epochs} epochs), and how well their order is that of "
        "the benchmark's validation accuracies. Each entry: Spearman / Kendall's tau-b over all "
        "cells; Spearman among the truly best tenth; share of that tenth in the tenth that the "
        "signal puts first.\n"
    )
    signals = signals_of(known, cells, entries)
    headings = ("signal", *(NAMES[name] for name in DATASETS))
    rows = [
        [words, *(agreement(signal, means(entries[name]), name, words) for name in DATASETS)]
        for words, signal in signals.items()
    ]
    rows.append(["another seed of the same table", *(ceiling(entries[name]) for name in DATASETS)])
    yield markdown.table(headings, rows)
    several = [cell for cell in cells if len(known[cell].accuracies) > 1]
    if len(several) > TENTH:
        yield "\n## Two seeds of digits\n"
        yield markdown.table(
            ("epochs", "one seed against the other"),
            [[words, compared(*both)] for words, both in pairs(known, several, digits.counted)],
        )


def signals_of(
    known: Mapping[Cell, Entry], cells: list[Cell], entries: Mapping[str, list[Entry]]
) -> dict[str, Signal]:
    """Return what ranks the cells, by its name."""
    epochs = len(known[cells[0]].curves[0])
    signals = {
        f"digits, epoch {epoch + 1}": np.array(
            [fmean(curve[epoch] for curve in known[cell].curves) for cell in cells]
        )
        for epoch in range(epochs)
    }
    signals["digits, whole training"] = means([known[cell] for cell in cells])
    signals["parameters"] = np.array([known[cell].metrics["parameters"] for cell in cells])
    signals["CIFAR-10"] = means(entries["cifar10"])
    return signals


def means(entries: list[Entry]) -> Signal:
    """Return the mean accuracy of each cell."""
    return np.array([fmean(entry.accuracies) for entry in entries])


def pairs(
    known: Mapping[Cell, Entry], cells: list[Cell], counted: int
) -> Iterator[tuple[str, tuple[Signal, Signal]]]:
    """Yield two seeds of digits after each epoch, and after the whole training."""
    curves = np.array([known[cell].curves[:2] for cell in cells])  # (cells, 2, epochs)
    for epoch in range(curves.shape[2]):
        yield str(epoch + 1), (curves[:, 0, epoch], curves[:, 1, epoch])
    best = curves[:, :, -counted:].max(axis=2)
    yield f"best of the last {counted}", (best[:, 0], best[:, 1])


def ceiling(entries: list[Entry]) -> str:
    """Return how the first two seeds of a table agree."""
    return compared(*(np.array([e.accuracies[seed] for e in entries]) for seed in (0, 1)))


def agreement(signal: Signal, truth: Signal, dataset: str, words: str) -> str:
    """Return how a signal agrees with the truth; nothing for the truth itself."""
    return "-" if NAMES[dataset] == words else compared(signal, truth)


def compared(signal: Signal, truth: Signal) -> str:
    """Return the four figures."""
    tenth = max(2, len(truth) // TENTH)
    best = np.argsort(-truth, kind="stable")[:tenth]
    first = np.argsort(-signal, kind="stable")[:tenth]
    shared = len(np.intersect1d(best, first)) / tenth
    return (
        f"{spearmanr(signal, truth)[0]:.3f} / {kendalltau(signal, truth)[0]:.3f}; "
        f"{spearmanr(signal[best], truth[best])[0]:.3f}; {shared:.0%}"
    )


if __name__ == "__main__":
    main()
