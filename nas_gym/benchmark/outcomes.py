"""From the trials of a suite to its CSV files: what all pages and figures are made from.

``results.csv`` has one row per run, ``curves.csv`` means over runs with bootstrap bands,
``overhead.csv`` the agents' own time, the only figures that differ on another machine or in
another run. ``suite.json`` says what was run.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark import chunks
from nas_gym.benchmark.chunks import Unit
from nas_gym.benchmark.statistics import bootstrap_band
from nas_gym.benchmark.suite import Suite
from nas_gym.benchmark.trials import Trials, Truth, prepared
from nas_gym.errors import StoreError
from nas_gym.registry import make
from nas_gym.runs.provenance import session

Floats = npt.NDArray[np.float64]
POINTS = 50  # of a curve
SAME = 5e-4  # percentage points: results.csv has three decimals
HOUR = 3600.0


@dataclass(frozen=True)
class Outcome:
    """All runs of one agent on one data set."""

    trials: Trials
    truth: Truth

    @cached_property
    def best(self) -> npt.NDArray[np.int32]:
        """(seeds, budget) Architecture with the highest reward so far, the first of equals."""
        rewards = self.trials.rewards
        before = np.maximum.accumulate(rewards, axis=1)
        before = np.pad(before[:, :-1], ((0, 0), (1, 0)), constant_values=-np.inf)
        when = np.where(rewards > before, np.arange(rewards.shape[1]), 0)
        return np.take_along_axis(self.trials.numbers, np.maximum.accumulate(when, axis=1), axis=1)

    @cached_property
    def found(self) -> Floats:
        """(seeds, budget) Mean accuracy in percent of ``best``."""
        return self.truth.accuracies[self.best]

    @cached_property
    def recommended(self) -> Floats:
        """(seeds, checkpoints) Mean accuracy in percent of what the agent recommends."""
        return self.truth.accuracies[self.trials.recommended]

    @cached_property
    def new(self) -> npt.NDArray[np.bool_]:
        """(seeds, budget) Whether an architecture is asked for the first time in its run."""
        numbers = self.trials.numbers
        first = np.zeros(numbers.shape, np.bool_)
        for row, asked in zip(first, numbers, strict=True):
            row[np.unique(asked, return_index=True)[1]] = True
        return first

    def hours(self, cluster: bool) -> Floats:
        """Return (seeds, budget) when each answer was there: on one machine, or on the cluster."""
        if cluster:
            return self.trials.finished.astype(np.float64) / HOUR
        return self.trials.seconds.cumsum(axis=1, dtype=np.float64) / HOUR

    def entropy(self, window: int) -> Floats:
        """Return (seeds, budget) the entropy of the last ``window`` requests' tokens, 1 = uniform.

        It is taken position by position and divided by the logarithm of the number of tokens that
        the position knows; then the mean is over positions that have a choice. Before ``window``
        requests it is that of all so far.
        """
        every = self.truth.tokens
        tokens = every[self.trials.numbers]  # (seeds, budget, positions)
        entropies = []
        for position in range(every.shape[1]):
            options = np.unique(every[:, position])
            if len(options) > 1:
                shares = [windowed(tokens[:, :, position] == o, window) for o in options]
                nats = -sum(s * np.log(np.where(s > 0, s, 1.0)) for s in shares)
                entropies.append(nats / np.log(len(options)))
        return np.asarray(np.mean(entropies, axis=0), np.float64)


def windowed(values: npt.NDArray[Any], window: int) -> Floats:
    """Return (rows, columns) the means of the last ``window`` values of each row.

    They are means of all values if there are fewer so far.
    """
    sums = np.pad(values.cumsum(axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    ends = np.arange(1, values.shape[1] + 1)
    starts = np.maximum(0, ends - window)
    means: Floats = (sums[:, ends] - sums[:, starts]) / (ends - starts)
    return means


def write_outcomes(suite: Suite, units: Sequence[Unit], folder: Path) -> None:
    """Write the CSV files of the agents all of whose units are done.

    Raises:
        StoreError: A file cannot be read or written.
    """
    whole = {u.entry.label for u in units} - {u.entry.label for u in units if not u.done()}
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    overhead: list[dict[str, Any]] = []
    for entry in suite.entries:
        if entry.label not in whole:
            continue
        for dataset in suite.datasets:
            files = [u.file for u in units if u.entry is entry and u.dataset is dataset]
            outcome = Outcome(
                Trials.joined([chunks.read(file) for file in files]),
                prepared(dataset.space, dataset.evaluator)[2],
            )
            place = {"agent": entry.label, "dataset": dataset.label}
            rows += [place | row for row in run_rows(suite, outcome)]
            curves += [place | row for row in curve_rows(suite, outcome)]
            each = float(np.median(outcome.trials.overhead)) / suite.budget
            overhead.append(place | {"milliseconds": f"{1000 * each:.4f}"})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / "results.csv", rows)
        write_csv(folder / "curves.csv", curves)
        write_csv(folder / "overhead.csv", overhead)
        text = json.dumps(_description(suite, whole), indent=2)
        (folder / "suite.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error


def run_rows(suite: Suite, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield one row per seed: what was found after each judged number of evaluations, and its cost.

    ``optimum_…`` has one digit per judged number: 1 if the best architecture was found.
    """
    at = [suite.checkpoints.index(count) for count in suite.judged]
    ends = np.array(suite.judged) - 1
    protocols = {"best": outcome.found[:, ends], "recommended": outcome.recommended[:, at]}
    distinct = outcome.new.sum(axis=1)
    one, cluster = (outcome.hours(which)[:, -1] for which in (False, True))
    for seed in range(suite.seeds):
        row: dict[str, Any] = {"seed": seed}
        for protocol, accuracies in protocols.items():
            for count, accuracy in zip(suite.judged, accuracies[seed], strict=True):
                row[f"{protocol}_{count}"] = f"{accuracy:.3f}"
            there = accuracies[seed] >= outcome.truth.optimum - SAME
            row[f"optimum_{protocol}"] = "".join("01"[int(hit)] for hit in there)
        row["distinct"] = int(distinct[seed])
        row["hours"] = f"{one[seed]:.1f}"
        row["hours_cluster"] = f"{cluster[seed]:.1f}"
        yield row


def curve_rows(suite: Suite, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield means over runs: axis, x, regret in points with its band, share at the optimum."""
    optimum = outcome.truth.optimum
    regret, there = optimum - outcome.found, outcome.found >= optimum - SAME
    x = np.unique(np.linspace(max(1, suite.budget / POINTS), suite.budget, POINTS).astype(int))
    window = max(1, suite.budget // 10)
    policy = {
        "entropy": outcome.entropy(window)[:, x - 1].mean(axis=0),
        "repeats": windowed(~outcome.new, window)[:, x - 1].mean(axis=0),
    }
    yield from _points("evaluations", x, regret[:, x - 1], there[:, x - 1], policy)
    recommended = outcome.recommended
    yield from _points(
        "recommended",
        np.array(suite.checkpoints),
        optimum - recommended,
        recommended >= optimum - SAME,
    )
    for axis, cluster in (("hours", False), ("hours_cluster", True)):
        hours = outcome.hours(cluster)
        # From when every run has an answer, until the first run is over.
        start = max(hours[:, 0].max(), 1e-9)  # a table may have no seconds
        grid = np.geomspace(start, max(start, hours[:, -1].min()), POINTS)
        last = np.stack([np.searchsorted(row, grid, side="right") - 1 for row in hours])
        rows = np.arange(len(hours))[:, None]
        yield from _points(axis, grid, regret[rows, last.clip(0)], there[rows, last.clip(0)])


def _points(
    axis: str,
    x: npt.NDArray[Any],
    regret: Floats,
    there: npt.NDArray[np.bool_],
    more: Mapping[str, Floats] | None = None,
) -> Iterator[dict[str, Any]]:
    low, high = bootstrap_band(regret)
    columns = {"regret": regret.mean(axis=0), "low": low, "high": high, "optimum": there.mean(0)}
    columns |= more or {"entropy": None, "repeats": None}  # type: ignore[dict-item]
    for i, value in enumerate(x):
        row: dict[str, Any] = {"axis": axis, "x": f"{value:.5g}"}
        for name, column in columns.items():
            row[name] = "" if column is None else f"{column[i]:.4f}"
        yield row


def write_csv(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows that all have the first one's columns, whole or not at all."""
    rows = list(rows)
    part = file.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)


def _description(suite: Suite, whole: set[str]) -> dict[str, Any]:
    """Describe the suite as it was run, its agents' settings and the versions."""
    data = asdict(suite)
    data["entries"] = [
        asdict(entry) | {"settings": repr(make("agent", entry.agent))}
        for entry in suite.entries
        if entry.label in whole
    ]
    for dataset in data["datasets"]:
        truth = prepared(dataset["space"], dataset["evaluator"])[2]
        dataset["optimum"] = round(truth.optimum, 3)
        dataset["architectures"] = len(truth.accuracies)
    return data | {"versions": session()["versions"]}
