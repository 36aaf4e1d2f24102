"""The benchmark ``proxies``: every cheap signal against the truth of each table."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MinLen

from nas_gym.benchmark.correlation import (
    Agreement,
    Lead,
    agreement,
    chance,
    lead,
    to_json,
    top_decile,
)
from nas_gym.benchmark.scoring import SHARED, Measured, measure, training_seconds
from nas_gym.benchmark.signals import SIZES, Pair, pairs_of, tables_of, trainings_of
from nas_gym.benchmark.suite import CELLS
from nas_gym.evaluators.proxies.names import PROXIES, Proxies
from nas_gym.evaluators.tables.nasbench201 import DATASETS, DIGITS, NASBench201Table
from nas_gym.options import EachOnce, OneOf, Options
from nas_gym.options.durations import time_in_words
from nas_gym.search_spaces.grammar import Tokens

ALL = 15_625  # cells of the space
TRUTHS = (*DATASETS, DIGITS)
# Fewer have no top decile, nor ten best ones, to speak of.
Cells = Annotated[int, Interval(ge=20, le=ALL)]
Truths = Annotated[tuple[Annotated[str, OneOf(TRUTHS)], ...], MinLen(1), EachOnce]


@dataclass(frozen=True)
class Study(Options):
    """What is computed.

    Args:
        cells: Random cells of NAS-Bench-201, all different, in [20, 15,625]; fewer are the first of
            more.
        proxies: Names from ``PROXIES``; parameters and multiply-adds are there in any case.
        datasets: Those whose tables are truths: of ``TRUTHS``; None: all that are there.
        shared_weights: Whether a supernet is trained on digits and asked as well.

    Raises:
        InvalidOption: A value that an option does not take.
        UnknownName: No such proxy or data set.
    """

    cells: Cells = CELLS
    proxies: Proxies = PROXIES
    datasets: Truths | None = None
    shared_weights: bool = False

    @property
    def computed(self) -> tuple[str, ...]:
        """The proxies, and the size of the network."""
        return tuple(dict.fromkeys((*SIZES, *self.proxies)))

    @property
    def drawn(self) -> list[Tokens]:
        """The cells."""
        table = NASBench201Table()
        order = np.random.default_rng(0).permutation(ALL)[: self.cells]
        return [table.tokens_at(int(i)) for i in order]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Study":
        """Return a study of JSON data, whose lists are tuples."""
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**options)


@dataclass(frozen=True)
class Finding:
    """What a signal says of one truth."""

    dataset: str
    signal: str
    kind: str
    cells: int
    figures: Agreement
    top_cells: int
    ahead: Lead  # of parameters, by the Spearman of all cells
    top_ahead: Lead  # by that of the top decile
    seconds: float  # per cell

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data; null for NaN."""
        return {
            "dataset": self.dataset,
            "signal": self.signal,
            "kind": self.kind,
            "cells": self.cells,
            **to_json(self.figures),
            "top_cells": self.top_cells,
            **{f"ahead_{end}": value for end, value in to_json(self.ahead).items()},
            **{f"top_ahead_{end}": value for end, value in to_json(self.top_ahead).items()},
            "seconds": None if self.seconds != self.seconds else self.seconds,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Finding":
        """Return what ``to_json`` gave; raise KeyError for data that lacks something."""

        def numbers(kind: Any, before: str = "") -> Any:
            return kind(*(_or_nan(data[f"{before}{field.name}"]) for field in fields(kind)))

        return cls(
            data["dataset"],
            data["signal"],
            data["kind"],
            data["cells"],
            numbers(Agreement),
            data["top_cells"],
            numbers(Lead, "ahead_"),
            numbers(Lead, "top_ahead_"),
            _or_nan(data["seconds"]),
        )


@dataclass(frozen=True)
class Worth:
    """All that was found."""

    study: Study
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # sentences: what could not be scored, and what it took

    @property
    def datasets(self) -> list[str]:
        """Those whose tables are truths."""
        return list(dict.fromkeys(finding.dataset for finding in self.findings))

    def of(self, dataset: str) -> list[Finding]:
        """Return what is said of one truth."""
        return [finding for finding in self.findings if finding.dataset == dataset]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "study": asdict(self.study),
            "notes": list(self.notes),
            "findings": [finding.to_json() for finding in self.findings],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Worth":
        """Return what ``to_json`` gave.

        Raises:
            KeyError: Something is missing.
            InvalidOption: The study has a value that an option does not take.
        """
        findings = tuple(map(Finding.from_json, data["findings"]))
        return cls(Study.from_json(data["study"]), findings, tuple(data["notes"]))


def run_study(study: Study, folder: Path, workers: int) -> Worth:
    """Compute what is missing, and compare it with the tables.

    Args:
        study: What is computed.
        folder: Where values are kept.
        workers: Processes, >= 1.

    Raises:
        InvalidTable: A table is not there or broken.
        StoreError: The folder cannot be used, or a worker process was killed.
    """
    tables = tables_of(TRUTHS if study.datasets is None else study.datasets)
    cells = study.drawn
    measured = measure(cells, study.computed, study.shared_weights, folder, workers)
    known = {name: trainings_of(table, cells) for name, table in tables.items()}
    findings = tuple(map(found, pairs_of(measured, known)))
    return Worth(study, findings, tuple(_told(measured)))


def found(pair: Pair) -> Finding:
    """Compare a signal with a truth, and with the number of parameters."""
    values, truth, sizes = pair.values, pair.truth, pair.parameters
    top = top_decile(truth)
    itself = pair.kind == "random" or pair.signal == SIZES[0]
    none = Lead(float("nan"), float("nan"))
    return Finding(
        pair.dataset,
        pair.signal,
        pair.kind,
        len(truth),
        chance(truth) if pair.kind == "random" else agreement(values, truth),
        int(top.sum()),
        none if itself else lead(values, sizes, truth),
        none if itself else lead(values[top], sizes[top], truth[top]),
        pair.seconds,
    )


def _told(measured: Measured) -> Iterator[str]:
    """Yield what a reader has to know of what was measured."""
    lost = {name: int((~np.isfinite(of)).sum()) for name, of in measured.values.items()}
    named = [f"{name} {count}" for name, count in lost.items() if count]
    if named:
        yield f"Cells that could not be scored, which have the lowest rank: {', '.join(named)}."
    if SHARED in measured.seconds:
        took = time_in_words(training_seconds(measured.seconds[SHARED]))
        yield (
            f"The shared weights were trained on digits for {took} of processor time, which "
            "all cells share; a training that was cut is timed from its last snapshot on."
        )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def seconds_in_words(seconds: float) -> str:
    """Return seconds with two digits that count."""
    return in_words(seconds, ",.0f" if seconds >= 10 else ".1f" if seconds >= 1 else "#.2g")


def in_words(value: float, form: str) -> str:
    """Return a number in a form of Python's; ``-`` for NaN."""
    return "-" if value != value else format(value + 0.0, form)
