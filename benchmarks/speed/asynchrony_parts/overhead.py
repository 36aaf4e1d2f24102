"""What a child costs beyond its training: the worker pool and Ray; memory with many in flight."""

import importlib.util
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nas_gym
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture

WORKERS = 2
SLEEP = 0.02  # seconds of a child
CHILDREN = 1_000
MANY = 10_000  # tiny children, for a leak
FLYING = 1_000  # of them at once


class Sleeping:
    """Sleeps, and answers."""

    stateful = True  # so that a repeat is another child
    seeded = True

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture, in order."""
        for architecture in architectures:
            time.sleep(self.seconds)
            yield Evaluation(architecture, {"accuracy": 0.5}, self.seconds)

    def close(self) -> None:
        """Release nothing: nothing is held."""


def searched(seconds: float, children: int, in_flight: int, **where: Any) -> tuple[float, float]:
    """Return the wall seconds of a search, and the MiB by which this process grew."""
    options: dict[str, Any] = {"asynchronous": True, "in_flight": in_flight, **where}
    nas_gym.search("nasbench201", Sleeping(0.0), "random-search", budget=WORKERS, **options)
    before = _memory()
    begun = time.perf_counter()
    nas_gym.search("nasbench201", Sleeping(seconds), "random-search", budget=children, **options)
    return time.perf_counter() - begun, _memory() - before


def _memory() -> float:
    """Return the MiB that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def section(seeds: int, write: bool) -> str:
    """Measure, and return a section."""
    del seeds, write
    ways: dict[str, dict[str, Any]] = {"worker pool": {"workers": WORKERS}}
    if importlib.util.find_spec("ray"):
        ways["Ray"] = {"executor": {"name": "ray", "cpus": 1}}
    rows = []
    for name, where in ways.items():
        wall, _ = searched(SLEEP, CHILDREN, WORKERS, **where)
        start, _ = searched(SLEEP, WORKERS, WORKERS, **where)
        each = 1e3 * ((wall - start) * WORKERS / (CHILDREN - WORKERS) - SLEEP)
        many, grown = searched(0.0, MANY, FLYING, **where)
        rows.append([name, f"{each:.1f} ms", f"{MANY / many:.0f}/s", f"{grown:.0f} MiB"])
        print(*rows[-1], flush=True)
    heads = ("where", "overhead per child", f"{MANY:,} tiny children", "growth of this process")
    return f"""## Overhead

A search without a record: {CHILDREN:,} children that sleep {1e3 * SLEEP:g} ms each, on {WORKERS}
workers with as many in flight, less the start; then {MANY:,} children that do nothing, {FLYING:,}
in flight. The aims are 5 ms for the pool, 20 ms for Ray, and 100 MB.

{table(heads, rows, right=(1, 2, 3))}
"""
