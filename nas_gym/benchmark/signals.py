"""Cheap signals of how good a cell is, each beside a truth that it has not seen.

The truth of a table is the mean accuracy over its trainings. A signal that is one of these
trainings, or a part of it, is compared with the mean of the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas_gym.benchmark.scoring import SHARED, Floats, Measured, training_seconds
from nas_gym.evaluators.proxies.names import AZ_NAS, AZ_PARTS
from nas_gym.evaluators.proxies.ranks import average_ranks, az_nas_scores
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.evaluators.tables.tabular import Entry, NotInTable, TabularEvaluator
from nas_gym.search_spaces.grammar import Tokens

SIZES = ("parameters", "multiply_adds")  # the first is what others are compared with
TOGETHER = ("nwot", "synflow", "parameters")  # whose ranks are put together as AZ-NAS's are
KINDS = {  # of signals, in the order of tables, with their names in figures
    "size": "size of the network",
    "random": "random",
    "proxy": "zero-cost proxy",
    "shared": "shared weights",
    "epochs": "first epochs of a training",
    "dataset": "a training on other data",
    "training": "another training",
}


@dataclass(frozen=True)
class Pair:
    """A signal and a truth, of the cells of which both are known; (cells,) each."""

    dataset: str  # of the truth
    signal: str
    kind: str  # from KINDS
    values: Floats  # the higher the better
    truth: Floats  # accuracies, fractions
    parameters: Floats  # of the same cells
    seconds: float  # per cell


@dataclass(frozen=True)
class Trainings:
    """What a table knows of the cells, in their order; NaN where nothing."""

    mean: Floats  # accuracy, over all trainings
    first: Floats  # of the first training
    others: Floats  # the mean of the others
    epochs: Mapping[int, Floats]  # the first training's after 1, 2, 4, … epochs, if it has curves
    most_epochs: int
    seconds: Floats  # of one training


def tables_of(datasets: Sequence[str]) -> dict[str, Any]:
    """Return the tables by data set, of those of ``NASBench201Table``.

    Raises:
        InvalidTable: One is not there or broken.
    """
    tables = {name: NASBench201Table(dataset=name) for name in datasets}
    for table in tables.values():
        with suppress(NotInTable):
            table.entry(table.tokens_at(0))  # reads the file
    return tables


def trainings_of(table: TabularEvaluator, cells: Sequence[Tokens]) -> Trainings:
    """Read what a table knows of the cells."""
    entries = [_entry(table, cell) for cell in cells]
    most, counted = table.most_epochs or 0, table.last_counted
    numbers = [2**i for i in range(most.bit_length()) if 2**i < most]

    def column(of: Any) -> Floats:
        return np.array([np.nan if entry is None else of(entry) for entry in entries], np.float64)

    def after(epochs: int) -> Floats:
        return column(
            lambda entry: (
                max(entry.curves[0][max(0, epochs - counted) : epochs]) if entry.curves else np.nan
            )
        )

    return Trainings(
        column(lambda entry: np.mean(entry.accuracies)),
        column(lambda entry: entry.accuracies[0]),
        column(lambda e: np.mean(e.accuracies[1:]) if len(e.accuracies) > 1 else np.nan),
        {epochs: after(epochs) for epochs in numbers},
        most,
        column(lambda entry: entry.seconds),
    )


def pairs_of(measured: Measured, tables: Mapping[str, Trainings]) -> Iterator[Pair]:
    """Yield every signal with the truth of every table, in the order of tables and of ``KINDS``.

    Args:
        measured: What was computed of the cells, their parameters at least.
        tables: By data set, of the same cells.
    """
    parameters = average_ranks(measured.values[SIZES[0]])
    everywhere = list(_computed(measured))
    for dataset, own in tables.items():
        found = [(*each, own.mean) for each in everywhere]
        found += [
            (
                f"{count} epoch{'s'[: count != 1]} on {dataset}",
                "epochs",
                values,
                _median(own.seconds) * count / own.most_epochs,
                own.others,
            )
            for count, values in own.epochs.items()
        ]
        found += [
            (f"a training on {name}", "dataset", other.first, _median(other.seconds), own.mean)
            for name, other in tables.items()
            if name != dataset
        ]
        found.append(
            (
                f"another training on {dataset}",
                "training",
                own.first,
                _median(own.seconds),
                own.others,
            )
        )
        for signal, kind, values, seconds, truth in found:
            known = ~np.isnan(truth)
            if kind in ("epochs", "dataset", "training"):  # a proxy's NaN is its lowest rank
                known &= ~np.isnan(values)
            yield Pair(
                dataset, signal, kind, values[known], truth[known], parameters[known], seconds
            )


def _computed(measured: Measured) -> Iterator[tuple[str, str, Floats, float]]:
    """Yield name, kind, values and seconds per cell of what is the same for all tables."""
    values, seconds = measured.values, measured.seconds
    for name in SIZES:
        yield name.replace("_", "-"), "size", average_ranks(values[name]), _median(seconds[name])
    yield "random", "random", np.zeros(len(values[SIZES[0]])), 0.0
    for name in seconds:
        if name == AZ_NAS:
            parts = {part: values[part].tolist() for part in AZ_PARTS}
            yield AZ_NAS, "proxy", az_nas_scores(parts), _median(seconds[name])
            for part in AZ_PARTS[:-1]:
                ranks = average_ranks(values[part])
                yield f"{AZ_NAS}: {part}", "proxy", ranks, _median(seconds[name])
        elif name not in (*SIZES, SHARED):
            yield name, "proxy", average_ranks(values[name]), _median(seconds[name])
    if all(name in seconds for name in TOGETHER):
        parts = {name: values[name].tolist() for name in TOGETHER}
        cost = sum(_median(seconds[name]) for name in TOGETHER)
        yield " + ".join(TOGETHER), "proxy", az_nas_scores(parts), cost
    if SHARED in seconds:
        answers = seconds[SHARED]
        cost = _median(answers) + training_seconds(answers) / len(answers)
        yield "shared weights on digits", "shared", average_ranks(values[SHARED]), cost


def _entry(table: TabularEvaluator, cell: Tokens) -> Entry | None:
    try:
        return table.entry(cell)
    except NotInTable:
        return None


def _median(seconds: Floats) -> float:
    known = seconds[~np.isnan(seconds)]
    return float(np.median(known)) if len(known) else float("nan")
