"""Measure what environment, ledger and durable store add to each evaluation.

Random NASNet cells are stepped token by token through the vector environment, with an evaluator
that costs nothing, so that all of the time is the framework's: once keeping nothing, once recorded
in a SQLite file, where every evaluation and request is on the disk before the agent sees its
reward. Sides run in turns.

    python benchmarks/speed/recording.py --write

prints medians and writes ``benchmarks/results/recording.md``; ``--postgres URL`` adds a server
(its tables are made if there are none). The target is 1 ms per evaluation. A batch of one waits
for the disk on its own; the page also shows what that wait costs by itself.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import machine, report
from nas_gym import NASNetCell, NASVectorEnv
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.store import Store
from nas_gym.store.begin import begin_run

BATCHES = {1: 200, 8: 40, 64: 6}  # num_envs -> rounds of episodes that are timed together
TURNS = 7


@dataclass(frozen=True)
class Free:
    """An evaluator that gives everything half accuracy."""

    stateful = False

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Answer at once."""
        for architecture in architectures:
            yield Evaluation(architecture, {"accuracy": 0.5, "parameters": 1000})

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def main() -> None:
    """Measure all sides in turns and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--postgres", help="URL of a server that may be written to")
    parser.add_argument("--write", action="store_true", help="write the results page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        places = {"SQLite": str(Path(folder) / "store.sqlite")}
        if options.postgres:
            places["PostgreSQL"] = options.postgres
        rows = [measured(num_envs, rounds, places) for num_envs, rounds in BATCHES.items()]
        wait = 1e6 * statistics.median(commit_seconds(Path(folder) / "bare.sqlite", 200))
    sides = ["kept nowhere", *places]
    lines = [
        f"Microseconds per evaluation of `NASNetCell-v0` (50 tokens stepped, evaluated for "
        f"nothing, recorded), median of {TURNS} turns; target: 1000 with the store. {machine()}.",
        "",
        table(
            ["architectures per batch", *sides],
            [
                [num_envs, *(f"{1e6 * row[side]:.0f}" for side in sides)]
                for num_envs, row in zip(BATCHES, rows, strict=True)
            ],
        ),
        "",
        f"One row of 1 kB committed by Python's sqlite3 itself on the same disk: {wait:.0f} µs.",
    ]
    report("recording", "\n".join(lines) + "\n")


def measured(num_envs: int, rounds: int, places: dict[str, str]) -> dict[str, float]:
    """Return the median seconds per evaluation of each side."""
    seconds: dict[str, list[float]] = {"kept nowhere": [], **{name: [] for name in places}}
    for turn in range(TURNS):
        seconds["kept nowhere"].append(spent(num_envs, rounds, turn, None))
        for name, place in places.items():
            seconds[name].append(spent(num_envs, rounds, turn, place))
    return {name: statistics.median(values) for name, values in seconds.items()}


def spent(num_envs: int, rounds: int, seed: int, place: str | None) -> float:
    """Return the seconds per evaluation, from the first token to the reward."""
    space = NASNetCell()
    rng = np.random.default_rng([seed, num_envs])
    actions = rng.integers(space.max_options, size=(rounds, space.max_length, num_envs))
    if place is None:
        return stepped(NASVectorEnv(space, Free(), num_envs=num_envs), actions)
    with Store(place) as store:
        name = uuid.uuid4().hex
        record = begin_run(store, name, {"budget": None}, protocol={"benchmark": name})
        env = NASVectorEnv(space, Free(), num_envs=num_envs, record=record)
        seconds = stepped(env, actions)
        record.finish("finished")
        record.close()
    return seconds


def stepped(env: NASVectorEnv[Any], actions: np.ndarray[Any, Any]) -> float:
    """Return the seconds per evaluation of all rounds but the first, which warms up."""
    env.reset(seed=0)
    start = time.perf_counter()
    for number, played in enumerate(actions):
        if number == 1:
            start = time.perf_counter()
        for step in played:
            env.step(step)
    return (time.perf_counter() - start) / ((len(actions) - 1) * env.num_envs)


def commit_seconds(path: Path, count: int) -> list[float]:
    """Time each of ``count`` transactions of one row."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE rows (content TEXT)")

    def one() -> None:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO rows VALUES (?)", ("x" * 1000,))
        connection.execute("COMMIT")

    seconds = [timed(one) for _ in range(count)]
    connection.close()
    return seconds


def timed(work: Callable[[], None]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
