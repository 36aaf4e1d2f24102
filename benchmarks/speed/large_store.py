"""Measure what a store of a million evaluations costs whoever reads it.

Two stores are made in bulk: one run of a million requests, and 10,000 runs of a hundred. Beside
them lies a short run that was cut. Then each command, and ``load_run``, runs in a process of its
own.

    python benchmarks/speed/large_store.py --write

prints seconds, processor seconds (which other programs on the machine change less) and the peak of
the memory, and writes ``benchmarks/results/large_store.md``. The target is 10 s and 1 GB each.
``--evaluations 100000`` measures smaller stores; ``--keep FOLDER`` makes them there, and uses those
that it finds.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nas_gym
from benchmarks.measure import machine, report
from nas_gym.runs.markdown import table
from nas_gym.store.schema import EVALUATIONS, REQUESTS, RUNS, summed

MANY = 10_000  # runs of the second store
KINDS = 500  # architectures that the rows are made of
MEMO = 0.1  # of the requests
TARGET = 10.0, 1.0  # seconds, GB

HISTORY = """
import sys
from nas_gym.store import Store
from nas_gym.store.begin import continue_run
store = Store(sys.argv[1])
config = store.load_run("run-0").config
record = continue_run(store, "run-0", config, protocol=config.get("protocol"))
assert sum(1 for _ in record.history()) == int(sys.argv[2])
record.undo()
record.close()
"""
ROWS = """
import sys, nas_gym
rows = nas_gym.load_run("run-0", sys.argv[1]).rows
assert len(rows) == int(sys.argv[2])
print(rows[0], rows[-1], sum(row.reward for row in rows))
"""


class Cut:
    """A watcher that ends a search in the middle, as a kill does."""

    def __init__(self, evaluations: int) -> None:
        self.left = evaluations

    def started(self) -> None:
        """Do nothing."""

    def replayed(self, first: int, answers: Any) -> None:
        """Do nothing."""

    requested = replayed

    def evaluated(self, answer: Any, seed: int) -> None:
        """Count down."""
        self.left -= 1
        if not self.left:
            raise SystemExit


def main() -> None:
    """Make the stores, time the commands and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=1_000_000, help="of each store")
    parser.add_argument("--keep", type=Path, help="folder of the stores")
    parser.add_argument("--write", action="store_true", help="write the results page")
    options = parser.parse_args()
    count = options.evaluations
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        place = options.keep or Path(folder)
        lines = []
        for runs in (1, min(MANY, count)):
            store = place / f"{runs}-runs.sqlite"
            if not store.exists():
                place.mkdir(exist_ok=True)
                fill(store, runs, count // runs)
            gigabytes = store.stat().st_size / 1e9
            what = f"{runs:,} run{'s'[: runs != 1]} of {count // runs:,} ({gigabytes:.2f} GB)"
            lines += [[what, *line] for line in measured(store, count // runs)]
    text = (
        f"A store of {count:,} evaluations, seen by processes of their own; the target is "
        f"{TARGET[0]:g} s and {TARGET[1]:g} GB each. {machine()}.\n\n"
        + table(["store", "command", "seconds", "processor seconds", "peak GB"], lines)
        + "\n"
    )
    if count == 1_000_000:
        report("large_store", text)
    else:
        print(text)


def measured(store: Path, each: int) -> Iterator[list[str]]:
    """Time every reader of a store."""
    command = [sys.executable, "-m", "nas_gym"]
    python = [sys.executable, "-c"]
    place = ["--store", str(store)]
    readers = {
        "`list`": [*command, "list", *place],
        "`report`": [*command, "report", "run-0", *place, "--out", str(store.parent / "out")],
        "`report --json`": [*command, "report", "run-0", *place, "--json"],
        "`export`": [*command, "export", "run-0", *place, "--out", str(store.parent / "exported")],
        "`resume` of the finished run": [*command, "resume", "run-0", *place],
        "`resume` of a short run": [*command, "resume", "cut", *place, "--workers", "1"],
        "`load_run`, every row read": [*python, ROWS, str(store), str(each)],
        "the history that a resumed run reads": [*python, HISTORY, str(store), str(each)],
    }
    for name, reader in readers.items():
        seconds, processor, peak = spent(reader)
        yield [name, f"{seconds:.1f}", f"{processor:.1f}", f"{peak:.2f}"]


def spent(command: list[str]) -> tuple[float, float, float]:
    """Return seconds, processor seconds and peak GB of a command."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{command} ended with {process.returncode}: {output.read().decode()}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9


def fill(store: Path, runs: int, each: int) -> None:
    """Make a store of ``runs`` finished runs with ``each`` requests, and a short one."""
    parts: Any = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"
    nas_gym.search(*parts, budget=KINDS, run="model", store=store)
    with suppress(SystemExit):
        nas_gym.search(*parts, budget=16, seed=1, run="cut", store=store, watcher=Cut(11))
    connection = sqlite3.connect(store, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    model = dict(connection.execute("SELECT * FROM runs WHERE name = 'model'").fetchone())
    kinds = [
        dict(row)
        for row in connection.execute("SELECT * FROM evaluations WHERE run_id = ?", (model["id"],))
    ]
    ids = range(model["id"] + 10, model["id"] + 10 + runs)
    # The data that an evaluator of images records: reports say then how sure the figures are.
    data = {"parts": {"train": 2400, "validation": 300}, "chance": 0.1, "largest_share": 0.1}
    config = json.dumps(json.loads(model["config"]) | {"budget": each, "data": data})
    for number, run_id in enumerate(ids):
        row = {**model, "id": run_id, "name": f"run-{number}", "config": config}
        _insert(connection, RUNS, iter([row]))
        rng = random.Random(number)
        answered = [n if rng.random() > MEMO else int(rng.random() * n) for n in range(each)]
        _insert(connection, EVALUATIONS, _evaluations(kinds, run_id, answered))
        _insert(connection, REQUESTS, _requests(kinds, run_id, answered))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _evaluations(
    kinds: list[dict[str, Any]], run_id: int, answered: list[int]
) -> Iterator[dict[str, Any]]:
    for serial in sorted(set(answered)):
        kind = kinds[(serial * 7919 + run_id) % len(kinds)]
        noise = _noise(serial)
        failure = "timeout" if noise < 0.01 else None
        changed = {"key": f"{kind['key']}#{serial}", "reward": kind["reward"] * noise}
        yield {**kind, "run_id": run_id, "serial": serial, "failure": failure, **changed}


def _requests(
    kinds: list[dict[str, Any]], run_id: int, answered: list[int]
) -> Iterator[dict[str, Any]]:
    seen = set()
    for number, serial in enumerate(answered):
        kind = kinds[(serial * 7919 + run_id) % len(kinds)]
        noise = _noise(serial)
        yield {
            "run_id": run_id,
            "number": number,
            "evaluation_run": run_id,
            "evaluation_serial": serial,
            "tokens": kind["tokens"],
            "source": "memo" if serial in seen else kind["source"],
            "reward": kind["reward"] * noise,
            "failure": "timeout" if noise < 0.01 else None,
        }
        seen.add(serial)


def _noise(serial: int) -> float:
    return serial * 2_654_435_761 % 2**32 / 2**32


def _insert(connection: sqlite3.Connection, what: Any, rows: Iterator[dict[str, Any]]) -> None:
    names = [column.name for column in what.columns]
    text = f"INSERT INTO {what.name} VALUES ({', '.join('?' * len(names))})"
    connection.executemany(text, ([full[name] for name in names] for full in _summed(what, rows)))


def _summed(what: Any, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield summed(what, row)


if __name__ == "__main__":
    main()
