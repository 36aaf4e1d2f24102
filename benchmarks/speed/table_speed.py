"""Measure a table through the environment, what recording adds, and what gym.make costs.

    python benchmarks/speed/table_speed.py [--repeats 9] [--write]

All 15,625 cells of NAS-Bench-201 in random order, and 100,000 drawn at random with repeats, asked
in batches of 1,000 by ``play``: through the vector environment itself, and the former by
``nas_gym.search`` with and without a SQLite store (turn about, in one process). ``gym.make`` is
timed in fresh interpreters, and its memory is what it adds to one that has only imported gymnasium.
``--write`` also writes ``benchmarks/results/table_speed.md``.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import nas_gym
from benchmarks.measure import machine, report
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201

BATCH = 1_000
DRAWN = 100_000
MAKE = """
import resource, time, gymnasium
pages = lambda: int(open("/proc/self/statm").read().split()[1])
before, began = pages(), time.perf_counter()
import nas_gym
env = gymnasium.make("NASBench201-v0")
env.reset(seed=0)
while not env.step(0)[2]:
    pass
print(time.perf_counter() - began, (pages() - before) * resource.getpagesize() / 2**20)
"""


@dataclass(frozen=True)
class PlayAll:
    """An agent that asks for given cells; notes the seconds in ``spent``."""

    cells: list[tuple[int, ...]]
    spent: list[float] = field(default_factory=list)
    batch_size: int = BATCH

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Play them batch by batch."""
        gc.collect()
        began = time.perf_counter()
        for start in range(0, len(self.cells), BATCH):
            env.play(self.cells[start : start + BATCH])
        self.spent.append(time.perf_counter() - began)


def searched(cells: list[tuple[int, ...]], seeds: str, store: Path | None) -> float:
    """Return the seconds to ask for all cells once."""
    agent = PlayAll(cells)
    nas_gym.search(
        "nasbench201",
        {"name": "nasbench201", "seeds": seeds},
        agent,
        budget=len(cells),
        num_envs=1,
        run=None if store is None else "speed",
        **({} if store is None else {"store": store}),
    )
    return agent.spent[0]


def rates(cells: list[tuple[int, ...]], drawn: list[tuple[int, ...]], seeds: str) -> list[float]:
    """Return architectures per second through a vector environment that keeps nothing on disk.

    Each cell once, all of them new; then ``drawn`` in a new environment, as agents ask: with
    repeats.
    """
    return [rate(asked, seeds) for asked in (cells, drawn)]


def rate(cells: list[tuple[int, ...]], seeds: str) -> float:
    """Return the architectures per second of one new environment."""
    env = gymnasium.make_vec("NASBench201-v0", num_envs=1, seeds=seeds)
    assert isinstance(env, NASVectorEnv)
    env.play(cells[:1])  # reads the table
    gc.collect()
    began = time.perf_counter()
    for start in range(0, len(cells), BATCH):
        env.play(cells[start : start + BATCH])
    return len(cells) / (time.perf_counter() - began)


def made() -> tuple[float, float]:
    """Return seconds of the import, ``gym.make`` and one episode, and the MiB that they add."""
    done = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def spread(numbers: list[float]) -> str:
    """Return median and range."""
    return f"{statistics.median(numbers):,.0f} ({min(numbers):,.0f} to {max(numbers):,.0f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    cells = list(enumerate_tokens(NASBench201()))
    np.random.default_rng(0).shuffle(cells)
    cells = [tuple(map(int, cell)) for cell in cells]
    drawn = [cells[i] for i in np.random.default_rng(1).integers(len(cells), size=DRAWN)]
    rows = []
    for seeds in ("mean", "random"):
        memory, recorded, quick = [], [], []
        for _ in range(given.repeats):
            quick.append(rates(cells, drawn, seeds))
            memory.append(searched(cells, seeds, None))
            with tempfile.TemporaryDirectory() as folder:
                recorded.append(searched(cells, seeds, Path(folder) / "store.sqlite"))
        more = [1e6 * (r - m) / len(cells) for m, r in zip(memory, recorded, strict=True)]
        new, repeated = (sorted(column) for column in zip(*quick, strict=True))
        rows.append(
            [
                f"`{seeds}`",
                spread(new),
                spread(repeated),
                f"{statistics.median(more):.0f} ({min(more):.0f} to {max(more):.0f})",
            ]
        )
    headings = [
        "`seeds`",
        "architectures/s, all new",
        f"architectures/s, {len(drawn):,} random ones",
        "µs more each, recorded in SQLite",
    ]
    starts = [made() for _ in range(given.repeats)]
    report(
        "table_speed",
        f"# Speed of the NAS-Bench-201 table\n\nAll {len(cells):,} cells in batches of {BATCH:,} "
        f"through `play`, {given.repeats} times in turn ({machine()}); printed by `python "
        "benchmarks/speed/table_speed.py`. Median and range.\n\n"
        f"{table(headings, rows)}\n\n"
        '`import nas_gym`, `gym.make("NASBench201-v0")` and one episode, in a fresh interpreter '
        f"after `import gymnasium`: {statistics.median(s for s, _ in starts):.2f} s, "
        f"{statistics.median(m for _, m in starts):.1f} MiB of resident memory more (medians).\n",
    )


if __name__ == "__main__":
    main()
