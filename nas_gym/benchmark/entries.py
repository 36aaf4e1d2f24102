"""Entries of a leaderboard: a configuration, its seeds, and the log of its searches, one file each.

An entry is one agent's part of a benchmark's results. Searches are deterministic, so that anybody
can check one: some of its seeds are searched again, and their rows have to be the same.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval, MinLen

from nas_gym.benchmark import chunks
from nas_gym.benchmark.chunks import Unit
from nas_gym.benchmark.outcomes import outcome_of, run_rows
from nas_gym.benchmark.results import Results
from nas_gym.benchmark.runner import run_units
from nas_gym.benchmark.suite import FAMILIES, DataSet, Entrant, Suite
from nas_gym.benchmark.trials import Chunk
from nas_gym.errors import InvalidOption, StoreError, unknown_name
from nas_gym.options import check
from nas_gym.registry import check_trusted

VERSION = 1  # of what a file holds
SAMPLE = 2  # seeds that a check runs again, of each data set
OF_SUITE = ("seeds", "budget", "checkpoints", "judged", "workers")
Count = Annotated[int, Interval(ge=1, le=1_000_000)]
PLACE = ("agent", "dataset", "seed")  # columns of results.csv that a log's rows do not repeat


@dataclass(frozen=True)
class LeaderboardEntry:
    """What a file holds."""

    suite: Suite  # with this agent alone
    settings: str  # all of the agent's, defaults too
    versions: Mapping[str, str]  # of nas-gym and what it uses
    log: Mapping[str, Sequence[Mapping[str, str]]]  # data set -> by seed

    @property
    def agent(self) -> Entrant:
        """The agent."""
        return self.suite.entries[0]


def write_entries(
    results: Results, folder: Path, agents: Sequence[str] = (), suite: Suite | None = None
) -> list[Path]:
    """Write an entry for each agent of a benchmark into ``folder/<benchmark>``; return the files.

    Args:
        results: The benchmark.
        folder: Where to; made if it is not there.
        agents: Only these.
        suite: What a leaderboard asks of them; None if there is none.

    Raises:
        UnknownName: No such agent in the results.
        InvalidOption: The benchmark shows rewards: a training cannot be checked exactly. Or it is
            not the whole suite; nothing is written.
        StoreError: A file cannot be written.
    """
    if results.rewards:
        raise InvalidOption(
            "these results are of a data set of which nobody knows the best: a leaderboard is "
            "about complete tables, which answer everybody alike"
        )
    entries: dict[str, dict[str, Any]] = {}
    for label in agents or results.agents:
        if label not in results.agents:
            raise unknown_name("agent in these results", label, results.agents)
        entries[label] = _data(results, label)
        if suite is not None:
            check_whole(_read(entries[label]), suite)
    place = folder / str(results.suite["name"])
    files = []
    for label, data in entries.items():
        file = place / (re.sub(r"[^A-Za-z0-9.,_-]", "-", label) + ".json")
        text = json.dumps(data, indent=1) + "\n"
        try:
            place.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"cannot write {file}: {error.strerror or error}") from error
        files.append(file)
    return files


def _data(results: Results, label: str) -> dict[str, Any]:
    suite = results.suite
    parts = ("label", "space", "evaluator")
    columns = [c for c in results.rows[label, results.datasets[0]][0] if c not in PLACE]
    return {
        "version": VERSION,
        "suite": suite["name"],
        "agent": suite["entries"][results.agents.index(label)],
        "datasets": [{part: dataset[part] for part in parts} for dataset in suite["datasets"]],
        **{option: suite[option] for option in OF_SUITE},
        "objectives": results.objectives,
        "versions": suite["versions"],
        "columns": columns,
        "log": {
            dataset: [",".join(row[c] for c in columns) for row in results.rows[label, dataset]]
            for dataset in results.datasets
        },
    }


def read_entry(file: Path) -> LeaderboardEntry:
    """Read an entry; nothing that it names is imported.

    Raises:
        StoreError: It cannot be read, or is no entry.
    """
    try:
        return _read(json.loads(file.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOption) as error:
        raise StoreError(
            f"{file} is no entry of a leaderboard ({type(error).__name__}: {error}): make one with "
            "`nas-gym benchmark entry RESULTS`"
        ) from error


def _read(data: Any) -> LeaderboardEntry:
    if data["version"] != VERSION:
        raise ValueError(f"its version is {data['version']!r}, and this nas-gym reads {VERSION}")
    agent = data["agent"]
    if agent["family"] not in FAMILIES:
        raise ValueError(f"its family is {agent['family']!r}")
    numbers = {name: data[name] for name in OF_SUITE}
    numbers |= {
        name: check(name, numbers[name], Annotated[tuple[Count, ...], MinLen(1)])
        for name in ("checkpoints", "judged")
    }
    for name in ("seeds", "budget", "workers"):
        check(name, numbers[name], Count)
    if not set(numbers["judged"]) <= set(numbers["checkpoints"]):
        raise ValueError("a judged number of evaluations is none of the checkpoints")
    if max(numbers["checkpoints"]) > numbers["budget"]:
        raise ValueError("a checkpoint is beyond the budget")
    suite = Suite(
        str(data["suite"]),
        "",
        (Entrant(str(agent["label"]), dict(agent["agent"]), agent["family"]),),
        tuple(DataSet(d["label"], d["space"], d["evaluator"]) for d in data["datasets"]),
        objectives=tuple(data["objectives"]),
        **numbers,
    )
    log = {
        dataset.label: [
            dict(zip(data["columns"], row.split(","), strict=True))
            for row in data["log"][dataset.label]
        ]
        for dataset in suite.datasets
    }
    if any(len(rows) != suite.seeds for rows in log.values()):
        raise ValueError(f"its log is not of {suite.seeds} seeds")
    return LeaderboardEntry(suite, str(agent["settings"]), dict(data["versions"]), log)


def check_entry(
    entry: LeaderboardEntry, seeds: Sequence[int], workers: int, trust: Collection[str] = ()
) -> list[str]:
    """Search again with some of an entry's seeds, and compare with its log, exactly.

    Args:
        entry: The entry.
        seeds: Which of its seeds.
        workers: Processes, >= 1.
        trust: Modules of the user's own agents that may be imported.

    Returns:
        What differs or went wrong, one sentence each; empty if all of it is the same.

    Raises:
        UntrustedModule: The entry names a module that is not among ``trust``.
    """
    suite = entry.suite
    for dataset in suite.datasets:
        parts = {"agent": entry.agent.agent, "space": dataset.space, "evaluator": dataset.evaluator}
        check_trusted(f"the entry of {entry.agent.label!r}", parts, trust)
    with TemporaryDirectory() as folder:
        units = [
            Unit(
                entry.agent, dataset, _chunk(suite, dataset, seed), Path(folder, f"{d}-{seed}.npz")
            )
            for d, dataset in enumerate(suite.datasets)
            for seed in seeds
        ]
        wrong = run_units(units, workers)
        for unit in units:
            if unit.done():
                wrong += _differences(entry, unit)
    return wrong


def sample_of(entry: LeaderboardEntry, count: int) -> list[int]:
    """Return so many of the entry's seeds, which nobody knows before, in order."""
    chosen = np.random.default_rng().choice(entry.suite.seeds, min(count, entry.suite.seeds), False)
    return sorted(map(int, chosen))


def _chunk(suite: Suite, dataset: DataSet, seed: int) -> Chunk:
    agent, parts = suite.entries[0].agent, (dataset.space, dataset.evaluator)
    return Chunk(agent, *parts, (seed,), suite.budget, suite.checkpoints, suite.workers)


def _differences(entry: LeaderboardEntry, unit: Unit) -> list[str]:
    one = replace(entry.suite, seeds=1)
    (row,) = run_rows(one, outcome_of(one, unit.dataset, chunks.read(unit.file)))
    (seed,) = unit.chunk.seeds
    said = entry.log[unit.dataset.label][seed]
    return [
        f"{entry.agent.label} on {unit.dataset.label}, seed {seed}: {column} is {row[column]}, and "
        f"the entry says {said.get(column, 'nothing')}"
        for column in row
        if column not in PLACE and str(row[column]) != said.get(column)
    ]


def check_whole(entry: LeaderboardEntry, suite: Suite) -> None:
    """Raise InvalidOption if an entry is of a part of the benchmark, or of something else.

    It may have more seeds.
    """
    given = entry.suite
    of = replace(suite, summary="", notes="", entries=given.entries)
    as_of = replace(given, yardstick=suite.yardstick, seeds=suite.seeds)
    if as_of != of or given.seeds < suite.seeds:
        raise InvalidOption(
            f"the entry of {entry.agent.label!r} is not of the whole benchmark {suite.name!r}: "
            "run it without --datasets and --budget, with the seeds that it has or more"
        )


def joined(entries: Sequence[LeaderboardEntry], suite: Suite) -> Results:
    """Return the entries side by side, as results without curves and the agents' own time.

    Args:
        entries: At least one.
        suite: What all of them have to be of; more seeds than it has are left out.

    Raises:
        InvalidOption: One is of something else, or two are of one name.
    """
    labels = [entry.agent.label for entry in entries]
    for entry in entries:
        check_whole(entry, suite)
        if labels.count(entry.agent.label) > 1:
            raise InvalidOption(f"two entries are of {entry.agent.label!r}: give one another name")
    data = {
        "name": suite.name,
        "entries": [{"label": e.agent.label, "family": e.agent.family} for e in entries],
        "datasets": [{"label": dataset.label} for dataset in suite.datasets],
        **{option: getattr(suite, option) for option in OF_SUITE},
        "objectives": suite.objectives,
        "yardstick": suite.yardstick,
    }
    rows = {
        (e.agent.label, d): [dict(row) for row in e.log[d][: suite.seeds]]
        for e in entries
        for d in e.log
    }
    return Results(data, rows, {}, {})
