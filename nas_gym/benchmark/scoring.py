"""What cheap signals say of cells: computed in processes, timed, and kept cell by cell.

A signal's seconds are processor time, measured with the network's construction in a process that
has computed the same signal before. A line of JSON per cell is kept as soon as it is known
(``nas_gym.evaluators.proxies.cache``), so that a run that is cut goes on where it was.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark.processes import KILLED, fresh_processes
from nas_gym.errors import StoreError
from nas_gym.evaluators.proxies.cache import ValueCache
from nas_gym.evaluators.proxies.names import ALIVE, values_for
from nas_gym.evaluators.proxies.scorer import Scorer
from nas_gym.evaluators.weight_sharing.evaluator import WeightSharing
from nas_gym.registry import spec_of
from nas_gym.runs.progress import ChunkProgress
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.training.ctrl_c import ctrl_c_held

Floats = npt.NDArray[np.float64]
FILE, SHARED_FOLDER = "values.jsonl", "shared-weights"  # in the folder of what is kept
IMAGES = 32  # of a batch
CELLS = 5  # of a job: few, since each of them is kept by itself
WARM = (3, 3, 3, 3, 3, 3)  # the cell that a process computes first, untimed
SECONDS = "seconds."  # before the name of a signal
SHARED = "shared-weights"
SPACE = NASBench201()


class ScoringJob(NamedTuple):
    """Cells for one process to score."""

    folder: Path
    signals: tuple[str, ...]  # proxies, or shared weights alone
    cells: tuple[Tokens, ...]


@dataclass(frozen=True)
class Measured:
    """What was kept, in the order of the cells: by name, (cells,) each."""

    values: Mapping[str, Floats]  # NaN: could not be scored
    seconds: Mapping[str, Floats]  # processor time, by proxy; and of shared weights


def measure(
    cells: Sequence[Tokens], proxies: Sequence[str], shared: bool, folder: Path, workers: int
) -> Measured:
    """Compute what is missing, in processes, with a progress bar on stderr; return all of it.

    Args:
        cells: Of NAS-Bench-201.
        proxies: Names from ``nas_gym.evaluators.proxies.names.PROXIES``.
        shared: Whether a supernet is trained on digits, and asked for the cells.
        folder: Where values are kept; made if it is not there.
        workers: Processes, >= 1.

    Raises:
        StoreError: The folder cannot be used, or a worker process was killed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write {folder}: {error.strerror or error}; give a folder that you may write to"
        ) from error
    jobs = [ScoringJob(folder, (SHARED,), tuple(cells))] if shared else []  # it takes longest
    jobs += [
        ScoringJob(folder, tuple(proxies), tuple(cells[i : i + CELLS]))
        for i in range(0, len(cells), CELLS)
    ]
    missing = [job for job in jobs if any(_lacking(job).values())]
    _run(missing, len(jobs), workers)
    values, seconds = {}, {}
    for signals in (tuple(proxies), *([(SHARED,)] if shared else [])):
        kept = _cache(folder, signals)
        rows = [kept.known(_key(cell)) for cell in cells]
        for name in values_for(signals):
            values[name] = np.array([row[name] for row in rows])
        for name in signals:
            seconds[name] = np.array([row[SECONDS + name] for row in rows])
    return Measured(values, seconds)


def _run(jobs: Sequence[ScoringJob], total: int, workers: int) -> None:
    with ChunkProgress(total, total - len(jobs)) as progress:
        if not jobs:
            return
        with fresh_processes(min(workers, len(jobs))) as pool:
            with ctrl_c_held():  # the first one starts the processes
                waiting = {pool.submit(work, job): job for job in jobs}
            for future in as_completed(waiting):
                try:
                    future.result()
                except BrokenProcessPool as error:
                    raise StoreError(KILLED) from error
                shared = waiting[future].signals == (SHARED,)
                progress.advance("shared weights" if shared else "proxies")


def work(job: ScoringJob) -> None:
    """Compute, time and keep what is missing of a job."""
    if job.signals == (SHARED,):
        _ask_shared_weights(job)
        return
    kept = _cache(job.folder, job.signals)
    for cell, signals in _lacking(job).items():
        found: dict[str, float] = {}
        for proxy in signals:
            scorer = _warm_scorer(proxy)
            architecture = architecture_of(SPACE, cell)
            begun = time.process_time()
            found |= scorer.values_or_none(architecture)
            found.pop(ALIVE, None)  # a dead one's values say so themselves
            found[SECONDS + proxy] = time.process_time() - begun
        if found:
            kept.add(_key(cell), found)


def _ask_shared_weights(job: ScoringJob) -> None:
    """Train the supernet, from its last snapshot on, and measure cells by it.

    The first answer's seconds are those of the training as well; of one that was cut, those since
    its last snapshot.
    """
    kept = _cache(job.folder, job.signals)
    evaluator = _shared_weights(job.folder)
    cells = [cell for cell, signals in _lacking(job).items() if signals]
    answers = evaluator.evaluate([architecture_of(SPACE, c) for c in cells], [0] * len(cells))
    try:
        for cell in cells:
            begun = time.process_time()
            metrics = next(answers).metrics
            seconds = time.process_time() - begun
            accuracy = metrics.get("accuracy", float("nan"))
            kept.add(_key(cell), {SHARED: accuracy, SECONDS + SHARED: seconds})
    finally:
        evaluator.close()


def training_seconds(answers: Floats) -> float:
    """Return how long the supernet was trained: one answer took so much longer than is usual."""
    return float(answers.max() - np.median(answers))


@cache
def _warm_scorer(proxy: str) -> Scorer:
    """Return what computes a proxy, after another one has computed it."""
    _scorer((proxy,)).values_or_none(architecture_of(SPACE, WARM))
    return _scorer((proxy,))


def _scorer(proxies: Sequence[str]) -> Scorer:
    """Return what scores the benchmark's own networks: N = 5, C = 16, 32 x 32 pixels, Gaussian."""
    return Scorer(SPACE, tuple(proxies), images=IMAGES)


def _shared_weights(folder: Path) -> WeightSharing:
    return WeightSharing(SPACE, dataset="digits", checkpoints=folder / SHARED_FOLDER)


def _lacking(job: ScoringJob) -> dict[Tokens, list[str]]:
    """Return the signals that are not kept yet, by cell."""
    kept = _cache(job.folder, job.signals)
    return {
        cell: [name for name in job.signals if SECONDS + name not in kept.known(_key(cell))]
        for cell in job.cells
    }


@cache
def _cache(folder: Path, signals: tuple[str, ...]) -> ValueCache:
    """Return the cache of one kind of signals: of proxies it does not depend on which."""
    depends: Any = (
        _shared_weights(folder).kept_as
        if signals == (SHARED,)
        else {"space": spec_of("space", SPACE), **_scorer(signals).protocol}
    )
    text = json.dumps({"timed": True, **depends}, sort_keys=True)
    return ValueCache(folder / FILE, hashlib.sha256(text.encode()).hexdigest()[:16])


def _key(cell: Tokens) -> str:
    return ",".join(map(str, cell))
