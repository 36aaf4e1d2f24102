"""Measure what worker processes cost: a start after a death, memory over time, time per child.

    python benchmarks/speed/isolation.py [--children 1000] [--write]

The pool of ``ParallelEvaluator`` beside pebble's ``ProcessPool``, ``concurrent.futures`` and
``multiprocessing.Pool``, all with the same start method (a fork server with torch loaded), two
workers each. Pebble is not needed by nas-gym: ``pip install pebble`` for its rows. ``--write`` also
writes ``benchmarks/results/isolation.md``. Allow ten minutes; memory is measured over
``--children`` really trained children.
"""

import argparse
import ctypes
import os
import pickle
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import machine, report
from nas_gym.evaluators.evaluation import Evaluation, Evaluator
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.workers.executor import ExecutorEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.evaluators.workers.pool import WorkerPool
from nas_gym.evaluators.workers.starting import worker_context
from nas_gym.evaluators.workers.worker import prepare_process
from nas_gym.runs.markdown import numbers_table
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.training.images.presets import RECIPES

WORKERS = 2
DEATHS = 30
HANGS = 5
LIMIT = 0.5  # seconds that a child may take if children hang
TRIVIAL = 2000  # children
ROUND = 20  # children per batch, if they are trained
EARLY = 100  # children, after which memory is first looked at


@dataclass(frozen=True)
class Orders:
    """An evaluator that does what the genotype says."""

    stateful = False

    def evaluate(
        self, architectures: Sequence[Architecture[str]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Exit, hang, or answer at once."""
        for architecture in architectures:
            if architecture.genotype.startswith("exit"):
                os._exit(int(architecture.genotype[-1]))
            if architecture.genotype == "hang":
                library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(256)
                library.pthread_mutex_init(mutex, None)
                for _ in range(2):
                    library.pthread_mutex_lock(mutex)
            yield Evaluation(architecture, {"accuracy": 0.5})

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class Pebble(Executor):
    """Pebble's pool as an executor."""

    def __init__(self, workers: int, timeout: float | None) -> None:
        from pebble import ProcessPool

        self.timeout = timeout
        self.pool = ProcessPool(
            workers, initializer=prepare_process, initargs=(None,), context=worker_context()
        )

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a job with the time limit."""
        return self.pool.schedule(function, args, kwargs, timeout=self.timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Kill the workers."""
        self.pool.stop()
        self.pool.join()


class Plain(Executor):
    """``multiprocessing.Pool`` as an executor."""

    def __init__(self, workers: int) -> None:
        self.pool = worker_context().Pool(workers, prepare_process, (None,))

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a job."""
        future: Future[Any] = Future()
        self.pool.apply_async(function, args, kwargs, future.set_result, future.set_exception)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Kill the workers."""
        self.pool.terminate()
        self.pool.join()


Make = Callable[[Evaluator, int, float | None], Evaluator]  # inner, workers, timeout


def standard_library(workers: int) -> ProcessPoolExecutor:
    """Make an executor whose workers are prepared as ours are."""
    return ProcessPoolExecutor(workers, worker_context(), prepare_process, (None,))


SIDES: dict[str, Make] = {
    "nas-gym": ParallelEvaluator,
    "pebble": lambda inner, n, timeout: ExecutorEvaluator(inner, Pebble(n, timeout)),
    "concurrent.futures": lambda inner, n, _: ExecutorEvaluator(inner, standard_library(n)),
    "multiprocessing.Pool": lambda inner, n, _: ExecutorEvaluator(inner, Plain(n)),
}
REMEMBERED = ("nas-gym", "concurrent.futures")  # whose memory is measured
SURVIVES = ("nas-gym", "pebble")  # a worker's death


def end(evaluator: Evaluator) -> None:
    """Close it, with the executor that belongs to it here."""
    evaluator.close()
    if isinstance(evaluator, ExecutorEvaluator):
        evaluator.executor.shutdown()


def ask(evaluator: Evaluator, *orders: str) -> float:
    """Return the seconds until all these children are answered."""
    asked = [Architecture((n,), order, str(n)) for n, order in enumerate(orders)]
    start = time.perf_counter()
    answers = list(evaluator.evaluate(asked, range(len(asked))))
    seconds = time.perf_counter() - start
    failed = [a.architecture.genotype for a in answers if a.failure is not None]
    assert sorted(failed) == sorted(order for order in orders if order != "fine")
    return seconds


# ------------------------------------------------------------------ a worker's start


def fresh_starts() -> list[float]:
    """Return the seconds from nothing to a ready worker, with the fork server running."""
    pickled = pickle.dumps(Orders())
    WorkerPool(1, pickled).close()
    seconds = []
    for _ in range(DEATHS):
        start = time.perf_counter()
        pool = WorkerPool(1, pickled)
        seconds.append(time.perf_counter() - start)
        pool.close()
    return seconds


def after_deaths(sides: dict[str, Make]) -> dict[str, list[float]]:
    """Time a child that exits and the next one, on one worker; the sides in turns.

    ``concurrent.futures`` gets the new executor that it needs after a death.
    """
    evaluators = {name: sides[name](Orders(), 1, None) for name in SURVIVES if name in sides}
    seconds: dict[str, list[float]] = {name: [] for name in [*evaluators, "concurrent.futures"]}
    for evaluator in evaluators.values():
        ask(evaluator, "fine")
    for i in range(DEATHS):
        for name, evaluator in evaluators.items():
            seconds[name].append(ask(evaluator, "exit 3", "fine"))
        seconds["concurrent.futures"].append(new_executor())
        time.sleep(0.1 + 0.013 * i % 0.1)  # not in step with a pool that looks every 0.1 s
    for evaluator in evaluators.values():
        end(evaluator)
    return seconds


def new_executor() -> float:
    """Return the seconds from a job that exits to the answer of the next executor."""
    executor = standard_library(1)
    executor.submit(os.getpid).result()
    start = time.perf_counter()
    executor.submit(os._exit, 3).exception()
    executor.shutdown()
    executor = standard_library(1)
    executor.submit(os.getpid).result()
    seconds = time.perf_counter() - start
    executor.shutdown()
    return seconds


def overtime(make: Make) -> list[float]:
    """Return the seconds beyond the limit until two hanging children and the next are answered."""
    evaluator = make(Orders(), WORKERS, LIMIT)
    ask(evaluator, "fine", "fine")
    seconds = [ask(evaluator, "hang", "hang", "fine") - LIMIT for _ in range(HANGS)]
    end(evaluator)
    return seconds


# ------------------------------------------------------------------ time and memory


def trivial(make: Make) -> tuple[float, float]:
    """Return the seconds per child that does nothing: in one batch, and one after the other."""
    evaluator = make(Orders(), WORKERS, None)
    ask(evaluator, "fine", "fine")
    batch = statistics.median(ask(evaluator, *["fine"] * TRIVIAL) / TRIVIAL for _ in range(5))
    single = statistics.median(ask(evaluator, "fine") for _ in range(200))
    end(evaluator)
    return batch, single


def resident() -> tuple[float, list[float]]:
    """Return the MiB of this process, and of each worker: the children of its children."""
    parents, sizes = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if line)
        except OSError:  # it has just ended
            continue
        pid = int(lines["Pid"])
        parents[pid] = int(lines["PPid"])
        sizes[pid] = int(lines.get("VmRSS", "0 kB").split()[0]) / 1024
    me = os.getpid()
    workers = [pid for pid, parent in parents.items() if parents.get(parent) == me]
    return sizes[me], sorted(sizes[pid] for pid in workers)


def memory(make: Make, children: int) -> list[tuple[float, list[float]]]:
    """Return the resident memory after the first and after all trained children."""
    space = NASNetCell(blocks=2)
    recipe = replace(RECIPES["quick"], epochs=1, filters=2)
    evaluator = make(TrainingEvaluator(space, recipe=recipe), WORKERS, None)
    rng = np.random.default_rng(0)
    sizes = []
    for done in range(0, children, ROUND):
        if done == EARLY:
            sizes.append(resident())
        asked = [architecture_of(space, random_tokens(space, rng)) for _ in range(ROUND)]
        answers = list(evaluator.evaluate(asked, range(done, done + ROUND)))
        assert all(answer.failure is None for answer in answers)
    sizes.append(resident())
    end(evaluator)
    return sizes


# ------------------------------------------------------------------ the page


def ms(seconds: Sequence[float]) -> str:
    """Return median and range."""
    low, high = min(seconds), max(seconds)
    return f"{1000 * statistics.median(seconds):.0f} ({1000 * low:.0f} to {1000 * high:.0f})"


def speed_table(sides: dict[str, Make]) -> str:
    """Tabulate starts, hangs and trivial children, one row per side."""
    rows = []
    again = after_deaths(sides)
    for name, make in sides.items():
        death = ms(again[name]) if name in again else "never answered"
        hang = ms(overtime(make)) if name in SURVIVES else "no limit"
        batch, single = trivial(make)
        rows.append([name, death, hang, f"{1000 * batch:.3f}", f"{1000 * single:.3f}"])
        print(*rows[-1], sep=" | ", flush=True)
    headings = ("pool", "after a death", "after a hang", "a child, in a batch", "a child, alone")
    return numbers_table(headings, rows)


def memory_table(sides: dict[str, Make], children: int) -> str:
    """Tabulate resident memory, one row per side."""
    rows = []
    for name, make in sides.items():
        (main_early, early), (main_late, late) = memory(make, children)
        cells = []
        for first, last in [(main_early, main_late), (sum(early), sum(late))]:
            cells += [f"{first:.0f}", f"{last:.0f}", f"{last / first:.3f}"]
        rows.append([name, *cells])
        print(*rows[-1], sep=" | ", flush=True)
    late = str(children)
    headings = ("pool", f"main: {EARLY}", late, "ratio", f"workers: {EARLY}", late, "ratio")
    return numbers_table(headings, rows)


def main() -> None:
    """Measure everything, side after side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--children", type=int, default=1000, help="trained, of each side")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    sides = {n: s for n, s in SIDES.items() if n != "pebble" or find_spec("pebble")}
    starts = fresh_starts()
    print(f"a fresh worker: {ms(starts)} ms", flush=True)
    speed = speed_table(sides)
    load = os.getloadavg()[0]
    sizes = memory_table({name: SIDES[name] for name in REMEMBERED}, options.children)
    report("isolation", PAGE.format(
        machine=machine(), load=load, starts=ms(starts),
        speed=speed, sizes=sizes,
        deaths=DEATHS, limit=LIMIT, trivial=TRIVIAL, workers=WORKERS, early=EARLY,
        children=options.children,
    ))  # fmt: skip


PAGE = """# Isolation: worker processes that may die

`python benchmarks/speed/isolation.py --write`, on {machine}. Medians, with the range in
brackets. All sides fork their workers from the same server, which has torch loaded.

## Time

The load average after these measurements was {load:.1f}. (Above the number of cores, others were at
work on this machine, and the figures are too high for all sides.)

A fresh worker of nas-gym is ready after {starts} ms (target: 50).

*After a death*: milliseconds from asking for a child that exits until its worker's successor has
answered the next child ({deaths} times). *After a hang*: milliseconds beyond a limit of {limit} s
until two children that hang in a C call are given up and the next one is answered. *A child*:
milliseconds for one that does nothing, in a batch of {trivial} on {workers} workers, and alone.

{speed}

`concurrent.futures` ends with the first worker that dies: its figure is for a new executor, and all
other children under way are lost. `multiprocessing.Pool` never answers for a worker that died.

## Memory

Resident memory in MiB, after {early} and after {children} trained children (cells of two blocks,
the recipe `quick` cut to one epoch and two filters, digits): of the main process, and of the
{workers} workers together (what they share with the fork server counts in each). Target: a ratio of
1.1 at most.

{sizes}
"""


if __name__ == "__main__":
    main()
