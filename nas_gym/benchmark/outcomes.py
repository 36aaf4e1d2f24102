"""From the trials of a suite to its CSV files: what all pages and figures are made from.

``results.csv`` has one row per run, ``curves.csv`` means over runs with bootstrap bands,
``overhead.csv`` the agents' own time, the only figures that differ on another machine or in
another run. ``suite.json`` says what was run.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark import chunks
from nas_gym.benchmark.chunks import Unit
from nas_gym.benchmark.fronts import FrontOutcome, accuracy_among, true_front_of
from nas_gym.benchmark.outcome import Outcome, windowed
from nas_gym.benchmark.rewards import rewards_of
from nas_gym.benchmark.statistics import bootstrap_band
from nas_gym.benchmark.suite import DataSet, Suite
from nas_gym.benchmark.trials import Trials, prepared
from nas_gym.errors import StoreError
from nas_gym.registry import make
from nas_gym.runs.provenance import session

Floats = npt.NDArray[np.float64]
POINTS = 50  # of a curve
SAME = 5e-4  # percentage points: results.csv has three decimals


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
            trials = Trials.joined([chunks.read(file) for file in files])
            outcome = outcome_of(suite, dataset, trials)
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


def outcome_of(suite: Suite, dataset: DataSet, trials: Trials) -> Outcome:
    """Return what an agent's trials on a data set come to."""
    truth = prepared(dataset.space, dataset.evaluator)[2]
    if truth is None:
        return rewards_of(trials, suite.checkpoints)
    if not suite.objectives:
        return Outcome(trials, truth)
    front = true_front_of(dataset, suite.objectives)
    return FrontOutcome(trials, truth, front, accuracy_among(suite.objectives))


def run_rows(suite: Suite, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield one row per seed: what was found after each judged number of evaluations, and its cost.

    ``optimum_…`` has one digit per judged number: 1 if the best architecture was found.
    """
    at = [suite.checkpoints.index(count) for count in suite.judged]
    ends = np.array(suite.judged) - 1
    places: dict[str, Any] = {"best": ends, "recommended": at}
    protocols = {name: of[:, places[name]] for name, of in outcome.by_protocol.items()}
    distinct = outcome.new.sum(axis=1)
    digits = 6 if suite.rewards else 1  # of a table's hours, or of trainings of seconds
    one, cluster = (outcome.hours(which)[:, -1] for which in (False, True))
    for seed in range(suite.seeds):
        row: dict[str, Any] = {"seed": seed}
        for protocol, accuracies in protocols.items():
            for count, accuracy in zip(suite.judged, accuracies[seed], strict=True):
                row[f"{protocol}_{count}"] = f"{accuracy:.3f}"
            there = accuracies[seed] >= outcome.optimum - SAME
            row[f"optimum_{protocol}"] = "".join("01"[int(hit)] for hit in there)
        row["distinct"] = int(distinct[seed])
        row["hours"] = f"{one[seed]:.{digits}f}"
        row["hours_cluster"] = f"{cluster[seed]:.{digits}f}"
        yield row


def curve_rows(suite: Suite, outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield means over runs: axis, x, regret in points with its band, share at the optimum.

    Instead of the regret it is the reward where no optimum is known.
    """
    found, least = outcome.found, outcome.optimum - SAME
    regret, there = outcome.shown(found), found >= least
    x = np.unique(np.linspace(max(1, suite.budget / POINTS), suite.budget, POINTS).astype(int))
    window = max(1, suite.budget // 10)
    policy = {
        "entropy": outcome.entropy(window)[:, x - 1].mean(axis=0),
        "repeats": windowed(~outcome.new, window)[:, x - 1].mean(axis=0),
    }
    points = partial(_points, outcome.measure)
    yield from points("evaluations", x, regret[:, x - 1], there[:, x - 1], policy)
    recommended = outcome.by_protocol.get("recommended")
    if recommended is not None:
        regrets, hits = outcome.shown(recommended), recommended >= least
        yield from points("recommended", np.array(suite.checkpoints), regrets, hits)
    for axis, cluster in (("hours", False), ("hours_cluster", True)):
        hours = outcome.hours(cluster)
        # From when every run has an answer, until the first run is over.
        start = max(hours[:, 0].max(), 1e-9)  # a table may have no seconds
        grid = np.geomspace(start, max(start, hours[:, -1].min()), POINTS)
        last = np.stack([np.searchsorted(row, grid, side="right") - 1 for row in hours])
        rows = np.arange(len(hours))[:, None]
        yield from points(axis, grid, regret[rows, last.clip(0)], there[rows, last.clip(0)])


def _points(
    measure: str,
    axis: str,
    x: npt.NDArray[Any],
    regret: Floats,
    there: npt.NDArray[np.bool_],
    more: Mapping[str, Floats] | None = None,
) -> Iterator[dict[str, Any]]:
    low, high = bootstrap_band(regret)
    columns = {measure: regret.mean(axis=0), "low": low, "high": high, "optimum": there.mean(0)}
    columns |= more or {"entropy": None, "repeats": None}  # type: ignore[dict-item]
    for i, value in enumerate(x):
        row: dict[str, Any] = {"axis": axis, "x": f"{value:.5g}"}
        for name, column in columns.items():
            row[name] = "" if column is None or np.isnan(column[i]) else f"{column[i]:.4f}"
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
    for option in ("objectives", "rewards", "pairs", "question"):
        if not data[option]:
            del data[option]
    data["entries"] = [
        asdict(entry) | {"settings": repr(make("agent", entry.agent))}
        for entry in suite.entries
        if entry.label in whole
    ]
    for dataset, of in zip(data["datasets"], suite.datasets, strict=True):
        truth = prepared(of.space, of.evaluator)[2]
        if truth is None:
            continue
        dataset["optimum"] = round(truth.optimum, 3)
        dataset["architectures"] = len(truth.accuracies)
        if suite.objectives:
            front = true_front_of(of, suite.objectives)
            dataset["reference"] = front.reference.tolist()
            dataset["front"] = len(front.front)
    return data | {"versions": session()["versions"]}
