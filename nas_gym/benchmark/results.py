"""The CSV files of a benchmark, read back: all that the pages know."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.errors import StoreError

Floats = npt.NDArray[np.float64]
PROTOCOLS = ("best", "recommended")  # columns of results.csv


@dataclass(frozen=True)
class Curve:
    """A mean over runs along one axis; (points,) each."""

    x: Floats
    value: Floats  # regret in percentage points, or the reward times 100
    low: Floats  # of the bootstrap band; empty of few runs
    high: Floats
    optimum: Floats  # share of runs there
    entropy: Floats  # empty except on the axis "evaluations"
    repeats: Floats


@dataclass(frozen=True)
class Results:
    """One benchmark.

    Arrays over runs are (agents, datasets, seeds, judged) or (agents, datasets, seeds), in the
    order of ``agents`` and ``datasets``.
    """

    suite: Mapping[str, Any]  # suite.json
    rows: Mapping[tuple[str, str], list[dict[str, str]]]  # (agent, dataset) -> by seed
    curves: Mapping[tuple[str, str, str], Curve]  # (agent, dataset, axis)
    overhead: Mapping[tuple[str, str], float]  # (agent, dataset) -> milliseconds per evaluation

    @property
    def agents(self) -> list[str]:
        """Labels of the agents."""
        return [entry["label"] for entry in self.suite["entries"]]

    @property
    def datasets(self) -> list[str]:
        """Labels of the data sets."""
        return [dataset["label"] for dataset in self.suite["datasets"]]

    @property
    def objectives(self) -> list[str]:
        """The objectives of the suite; empty if it judges by the accuracy."""
        return list(self.suite.get("objectives", ()))

    @property
    def rewards(self) -> bool:
        """Whether rewards are shown, because nobody knows the best."""
        return bool(self.suite.get("rewards", False))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Agents that the suite compares with each other, if both were run."""
        pairs = [(one, other) for one, other in self.suite.get("pairs", ())]
        return [pair for pair in pairs if set(pair) <= set(self.agents)]

    @property
    def at_best(self) -> tuple[str, ...]:
        """The protocols of which the share of runs at the optimum is told.

        No search finds a whole front, and where rewards are shown there is no optimum.
        """
        return () if self.objectives or self.rewards else self.protocols

    @property
    def protocols(self) -> tuple[str, ...]:
        """What was found: by the best reward, and by what the agents recommend."""
        return PROTOCOLS[:1] if self.objectives else PROTOCOLS

    @property
    def judged(self) -> list[int]:
        """Numbers of evaluations that the tables are about."""
        return list(self.suite["judged"])

    @property
    def seeds(self) -> int:
        """Runs of each agent on each data set."""
        return int(self.suite["seeds"])

    def family(self, agent: str) -> str:
        """Return ``rl``, ``evolution`` or ``other``."""
        return str(self.suite["entries"][self.agents.index(agent)]["family"])

    def optimum(self, dataset: str) -> float:
        """Return the mean accuracy of the best architecture, in percent."""
        return float(self.suite["datasets"][self.datasets.index(dataset)]["optimum"])

    @cached_property
    def found(self) -> dict[str, Floats]:
        """Mean accuracies in percent by protocol: (agents, datasets, seeds, judged)."""
        return {p: self._table([f"{p}_{count}" for count in self.judged]) for p in self.protocols}

    @cached_property
    def at_optimum(self) -> dict[str, Floats]:
        """1 where the optimum was found, by protocol: (agents, datasets, seeds, judged)."""
        return {
            p: self._by_run(lambda row: [int(digit) for digit in row[f"optimum_{p}"]])  # noqa: B023
            for p in self.protocols
        }

    def cost(self, column: str) -> Floats:
        """Return ``distinct``, ``hours`` or ``hours_cluster``: (agents, datasets, seeds)."""
        return self._table([column])[..., 0]

    def _table(self, columns: list[str]) -> Floats:
        return self._by_run(lambda row: [float(row[column]) for column in columns])

    def _by_run(self, numbers: Any) -> Floats:
        return np.array(
            [
                [[numbers(row) for row in self.rows[agent, dataset]] for dataset in self.datasets]
                for agent in self.agents
            ],
            np.float64,
        )


def read_results(folder: Path) -> Results:
    """Read what ``write_outcomes`` wrote.

    Raises:
        StoreError: A file is missing or broken.
    """
    try:
        suite = json.loads((folder / "suite.json").read_text(encoding="utf-8-sig"))
        rows: dict[tuple[str, str], list[dict[str, str]]] = {}
        for row in _read(folder / "results.csv"):
            rows.setdefault((row["agent"], row["dataset"]), []).append(row)
        points: dict[tuple[str, str, str], list[dict[str, str]]] = {}
        for row in _read(folder / "curves.csv"):
            points.setdefault((row["agent"], row["dataset"], row["axis"]), []).append(row)
        overhead = {
            (row["agent"], row["dataset"]): float(row["milliseconds"])
            for row in _read(folder / "overhead.csv")
        }
        return Results(suite, rows, {key: _curve(p) for key, p in points.items()}, overhead)
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"{folder} has no readable results ({error}): run the benchmark first"
        ) from error


def _curve(points: list[dict[str, str]]) -> Curve:
    value = "reward" if "reward" in points[0] else "regret"
    return Curve(
        *(
            np.array([float(point[name]) for point in points if point[name]])
            for name in ("x", value, "low", "high", "optimum", "entropy", "repeats")
        )
    )


def _read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))
