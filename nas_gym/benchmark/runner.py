"""Run what is missing of a suite, in processes, with a progress bar on stderr."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console

from nas_gym.benchmark import chunks
from nas_gym.benchmark.chunks import Unit
from nas_gym.benchmark.processes import KILLED, fresh_processes
from nas_gym.benchmark.trials import Chunk, run_chunk
from nas_gym.errors import NASGymError, StoreError
from nas_gym.options import check
from nas_gym.options.counts import SomeWorkers
from nas_gym.plugins import innermost, raised_in
from nas_gym.runs.progress import ChunkProgress
from nas_gym.training.ctrl_c import ctrl_c_held


def run_units(units: Sequence[Unit], workers: int, console: Console | None = None) -> list[str]:
    """Run the units whose files are missing.

    Each is written as soon as it is done, so a run that is cut goes on where it was. One whose
    agent raises is left out; the others go on.

    Args:
        units: All units of a suite.
        workers: Processes, in [1, 4,096].
        console: Where progress goes; stderr by default.

    Returns:
        What went wrong, one sentence per agent, with all data sets; empty when all files are there.

    Raises:
        InvalidOption: ``workers`` is out of range.
        StoreError: A file cannot be written, or a worker process was killed.
    """
    workers = check("workers", workers, SomeWorkers)
    missing = [unit for unit in units if not unit.done()]
    failures: dict[str, dict[str, list[Unit]]] = defaultdict(lambda: defaultdict(list))
    with ChunkProgress(len(units), len(units) - len(missing), console) as progress:
        if missing:
            with fresh_processes(min(workers, len(missing))) as pool:
                with ctrl_c_held():  # the first one starts the processes
                    waiting = {pool.submit(_work, u.chunk, u.file): u for u in missing}
                for future in as_completed(waiting):
                    unit = waiting[future]
                    error = _error_of(future)
                    if error is not None:
                        failures[unit.entry.label][str(error)].append(unit)
                    progress.advance(unit.entry.label)
    return [f"{label} on {_in_words(of)}" for label, of in failures.items()]


class _Failed(Exception):
    """An agent's exception as text: its own class may be one that cannot be pickled."""


def _work(chunk: Chunk, file: Path) -> None:
    """Run a chunk in a worker process and write its file."""
    try:
        found = run_chunk(chunk)
    except NASGymError:
        raise
    except Exception as error:
        line = raised_in(error, (chunk.agent["name"].partition(":")[0],))
        where = innermost(error) if line is None else line.where
        raise _Failed(f"{type(error).__name__}: {error}; raised at {where}") from None
    chunks.write(found, file)


def _error_of(future: "Future[None]") -> Exception | None:
    try:
        future.result()
    except BrokenProcessPool as error:
        raise StoreError(KILLED) from error
    except StoreError:
        raise
    except (NASGymError, _Failed) as error:
        return error
    return None


def _in_words(failed: Mapping[str, Sequence[Unit]]) -> str:
    """Return where an agent failed, and why: each reason once, with its data sets and seeds."""
    return "; on ".join(f"{_places(units)}: {reason}" for reason, units in failed.items())


def _places(units: Sequence[Unit]) -> str:
    """Return ``cifar10 and cifar100, seeds 0 to 19``; data sets with the same seeds together."""
    seeds = defaultdict[str, list[int]](list)
    for unit in units:
        seeds[unit.dataset.label] += unit.chunk.seeds
    places = defaultdict[str, list[str]](list)
    for dataset, of in sorted(seeds.items()):
        places[_spans(sorted(of))].append(dataset)
    return "; ".join(f"{_listed(datasets)}, seeds {of}" for of, datasets in places.items())


def _spans(numbers: Sequence[int]) -> str:
    """Return ``0 to 19`` or ``0 to 19 and 40 to 59`` for numbers in order."""
    begins = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    spans = zip(begins, ends, strict=True)
    return _listed([f"{a}" if a == b else f"{a} to {b}" for a, b in spans])


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
