"""Measure nas-gym's evolution beside that of PyGlove, NNI and DeepHyper, on NAS-Bench-201.

    python -m benchmarks.peers.run [--venvs FOLDER] [--runs N] [--write] [--again]

Makes one environment per package (the first time: some 13 GB in all, most of it two installations
of torch), runs every adapter in its own interpreter, one search at a time and the packages in
turns, and judges. ``--write`` writes ``benchmarks/results/peers.md`` and ``peers.csv``. Allow ten
minutes beside the installations. Linux only, since memory is read from /proc.
"""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import RESULTS, machine, report
from benchmarks.peers.environments import HERE, Environment, described, prepare
from benchmarks.peers.page import csv_of, page
from benchmarks.peers.workers import Broken, Worker
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table

EVOLUTION = "nas-gym evolution"
REINFORCE = "nas-gym REINFORCE"
RL = "NNI RL, rate 0.001"
SETTINGS = {
    "300 requests, P = 50, S = 10": {"budget": 300, "population": 50, "sample": 10},
    "200 requests, P = 20, S = 5": {"budget": 200, "population": 20, "sample": 5},
}
MAIN = next(iter(SETTINGS))
PROBE = {"budget": 60, "population": 20, "sample": 5}  # of one raising child, equal seeds, memory
RAISES = 40  # the request of a probe that raises


@dataclass(frozen=True)
class Row:
    """One way to search, with one package."""

    name: str
    environment: str
    adapter: str
    runs: int  # seeds; fewer if a search takes long
    against: str | None = EVOLUTION  # the row of ours that it is compared with
    settings: dict[str, Any] = field(default_factory=dict)
    main_only: bool = False  # runs only in the first setting
    like: str | None = None  # the row that it behaves like, so that it is not probed


OURS = {"agent": "regularized-evolution"}
ROWS = [
    Row(EVOLUTION, "nas-gym", "nas_gym", 100, None, OURS),
    Row("PyGlove", "pyglove", "pyglove", 30),
    Row("PyGlove, deduplicated", "pyglove", "pyglove", 30, EVOLUTION, {"dedup": True}, True),
    Row("NNI, mutation 1/6", "nni", "nni", 100, EVOLUTION, {"mutation": 1 / 6}),
    Row("NNI, mutation 0.05 (default)", "nni", "nni", 100, EVOLUTION, {"mutation": 0.05}),
    Row("DeepHyper", "deephyper", "deephyper", 100),
    Row(f"{EVOLUTION}, recorded", "nas-gym", "nas_gym", 30, None, OURS | {"record": True}, True),
    Row(REINFORCE, "nas-gym", "nas_gym", 30, None, {"agent": "reinforce"}, True),
    Row(RL, "nni-rl", "nni", 8, REINFORCE, {"learning_rate": 1e-3}, True),
    Row(
        "NNI RL, default rate",
        "nni-rl",
        "nni",
        4,
        REINFORCE,
        {"learning_rate": "default"},
        True,
        RL,
    ),
]


def accuracies() -> list[list[float]]:
    """Return every cell's accuracies on CIFAR-10, by number: the sum of token * 5 ** edge."""
    table = NASBench201Table()
    rows: list[list[float]] = [[] for _ in range(5**6)]
    for tokens, _ in table.ranking():
        number = int(np.dot(tokens, 5 ** np.arange(6)))
        rows[number] = list(table.entry(tokens).accuracies)
    return rows


def job(row: Row, seed: int, setting: dict[str, int], **more: Any) -> dict[str, Any]:
    """Return what a worker is told."""
    settings = setting | row.settings | more.pop("settings", {})
    budget = settings.pop("budget")
    start = {"seed": seed, "budget": budget, "noise": "random", "raise_at": None}
    return start | more | {"settings": settings}


class Measurement:
    """Measurements in progress: ``measured`` has for each row what it did, as JSON data."""

    def __init__(self, rows: list[Row], environments: dict[str, Environment], table: Path) -> None:
        self.rows, self.environments, self.table = rows, environments, table
        self.measured: dict[str, dict[str, Any]] = {
            row.name: asdict(row) | {"runs": {}, "failure": environments[row.environment].failure}
            for row in rows
        }

    def worker(self, row: Row, hash_seed: str = "random") -> Worker:
        """Start a new process."""
        python = self.environments[row.environment].python
        return Worker(python, row.adapter, self.table, hash_seed)

    @contextmanager
    def noting(self, row: Row) -> Iterator[None]:
        """Let a row say that its package cannot be run; the others go on."""
        try:
            yield
        except Broken as error:
            print(f"{row.name}: {error}", flush=True)
            self.measured[row.name]["failure"] = str(error)

    def fine(self, row: Row) -> bool:
        """Return whether it could be run so far."""
        return self.measured[row.name]["failure"] is None

    def searches(self, name: str, setting: dict[str, int]) -> None:
        """Run all seeds under one setting, the rows in turns."""
        rows = [row for row in self.rows if self.fine(row) and (name == MAIN or not row.main_only)]
        with ExitStack() as stack:
            workers = {row.name: stack.enter_context(self.worker(row)) for row in rows}
            for seed in range(max(row.runs for row in rows)):
                print(f"{name}: seed {seed}", flush=True)
                for row in rows:
                    if self.fine(row) and seed < row.runs:
                        with self.noting(row):
                            result = workers[row.name].ask(job(row, seed, setting))
                            self.measured[row.name]["runs"].setdefault(name, []).append(result)

    def repeats(self, row: Row) -> None:
        """Search where an architecture always gets the same answer."""
        with self.worker(row) as worker:
            self.measured[row.name]["repeats"] = [
                worker.ask(job(row, seed, SETTINGS[MAIN], noise="mean"))
                for seed in range(max(1, row.runs // 10))
            ]

    def probes(self, row: Row) -> None:
        """Make short searches, each in a new process."""

        def probe(hash_seed: str = "random", **more: Any) -> dict[str, Any]:
            with self.worker(row, hash_seed) as worker:
                return worker.ask(job(row, 0, PROBE, **more))

        found = self.measured[row.name]
        for way in ("plain", "plain again"):
            found[way] = probe(settings={"own_seed_only": True})
        same = found["plain"]["cells"] == found["plain again"]["cells"]
        for way in ("seeded", "seeded again"):
            found[way] = found["plain"] if same else probe("0")
        found["raises"] = probe(raise_at=RAISES)
        found["raises, survived"] = probe(raise_at=RAISES, settings={"survive": True})

    def behaviour(self) -> None:
        """Probe all rows, and their repeats; a row that behaves like another has that one's."""
        for row in self.rows:
            if self.fine(row) and row.like is None:
                print(f"behaviour: {row.name}", flush=True)
                with self.noting(row):
                    self.probes(row)
                    self.repeats(row)
        for row in self.rows:
            if row.like is not None:
                other = self.measured[row.like]
                failure = self.measured[row.name]["failure"] or other["failure"]
                self.measured[row.name] = other | self.measured[row.name] | {"failure": failure}


def measure(folder: Path, most: int) -> dict[str, Any]:
    """Measure everything; return it as JSON data."""
    names = dict.fromkeys(row.environment for row in ROWS)
    environments = {name: prepare(name, folder) for name in names}
    rows = [Row(**{**vars(row), "runs": min(row.runs, most)}) for row in ROWS]
    table = folder.resolve() / "accuracies.json"
    table.write_text(json.dumps(accuracies()))
    measurement = Measurement(rows, environments, table)
    measurement.behaviour()
    for name, setting in SETTINGS.items():
        measurement.searches(name, setting)
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "settings": SETTINGS,
        "probe": PROBE | {"raises": RAISES},
        "rows": measurement.measured,
        "environments": {name: described(made) for name, made in environments.items()},
    }


def main() -> None:
    """Measure, judge, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--venvs", type=Path, default=HERE / ".venvs", help="environments, kept")
    parser.add_argument("--runs", type=int, default=1000, help="at most this many seeds per row")
    parser.add_argument("--again", action="store_true", help="judge the last measurement again")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/peers.*")
    options = parser.parse_args()
    options.venvs.mkdir(parents=True, exist_ok=True)
    kept = options.venvs / "measured.json"
    if not options.again:
        kept.write_text(json.dumps(measure(options.venvs, options.runs)))
    measured = json.loads(kept.read_text())
    report("peers", page(measured, accuracies()))
    if options.write:
        (RESULTS / "peers.csv").write_text(csv_of(measured, accuracies()), encoding="utf-8")


if __name__ == "__main__":
    main()
