"""Run what is missing of a suite, in processes, with a progress bar on stderr."""

import traceback
from collections.abc import Sequence
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
        What went wrong, one sentence per agent; empty when all files are there.

    Raises:
        InvalidOption: ``workers`` is out of range.
        StoreError: A file cannot be written, or a worker process was killed.
    """
    workers = check("workers", workers, SomeWorkers)
    missing = [unit for unit in units if not unit.done()]
    failures: dict[str, str] = {}
    with ChunkProgress(len(units), len(units) - len(missing), console) as progress:
        if missing:
            with fresh_processes(min(workers, len(missing))) as pool:
                with ctrl_c_held():  # the first one starts the processes
                    waiting = {pool.submit(_work, u.chunk, u.file): u for u in missing}
                for future in as_completed(waiting):
                    unit = waiting[future]
                    error = _error_of(future)
                    if error is not None:
                        failures.setdefault(unit.entry.label, _sentence(unit, error))
                    progress.advance(unit.entry.label)
    return list(failures.values())


class _Failed(Exception):
    """An agent's exception as text: its own class may be one that cannot be pickled."""


def _work(chunk: Chunk, file: Path) -> None:
    """Run a chunk in a worker process and write its file."""
    try:
        found = run_chunk(chunk)
    except NASGymError:
        raise
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{line.filename}:{line.lineno}"
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


def _sentence(unit: Unit, error: Exception) -> str:
    first, last = unit.chunk.seeds[0], unit.chunk.seeds[-1]
    return f"{unit.entry.label} on {unit.dataset.label}, seeds {first} to {last}: {error}"
