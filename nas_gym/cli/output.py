"""How commands present a run: results on stdout, where the files are on stderr."""

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from nas_gym.errors import Interrupted, InvalidOption
from nas_gym.runs.export import write_files
from nas_gym.runs.findings import summary
from nas_gym.runs.progress import SearchProgress
from nas_gym.runs.report import print_summary
from nas_gym.store import RunData, folder_beside
from nas_gym.store.location import resume_command


def check_folder(store: str | Path, run: str) -> None:
    """Raise InvalidOption where the folder of a run's files would be the store or another file."""
    folder = folder_beside(store) / run
    if folder == Path(store) or (os.path.exists(folder) and not os.path.isdir(folder)):
        raise InvalidOption(
            f"the run name {run!r} is that of the file {folder}, and the run's pictures go into a "
            "folder of that name: give another name with --run"
        )


def present(run: RunData, store: str | Path, out: Path | None, top: int, as_json: bool) -> None:
    """Print a run on stdout, write its files, say on stderr where they are."""
    if as_json:
        print_json(summary(run, top))
    else:
        print_summary(run, Console(soft_wrap=False), top)
    if run.rows or run.unanswered:
        folder = folder_beside(store) / run.name if out is None else out
        files = write_files(run, folder)
        names = ", ".join(file.name for file in files)
        print(f"written to {folder}: {names}", file=sys.stderr)


def print_json(data: object) -> None:
    """Print one JSON document for machines."""
    print(json.dumps(data, indent=2, allow_nan=False))


@contextmanager
def watched(progress: SearchProgress, run: str, store: str) -> Iterator[None]:
    """Show progress; Ctrl-C and SIGTERM end with the sentence that says how to go on."""
    with progress:
        try:
            yield
        except (KeyboardInterrupt, SystemExit) as error:
            status = 130 if isinstance(error, KeyboardInterrupt) else int(error.code or 0)
            if not progress.running:
                raise Interrupted("interrupted before the run began", status) from None
            raise Interrupted(
                "interrupted: what was evaluated is recorded; go on with "
                f"`{resume_command(run, store)}`",
                status,
            ) from None


def status_of(run: RunData) -> int:
    """Exit status of a search: 0 where its budget was spent and a child was evaluated, else 1."""
    if any(row.failure is None for row in run.rows):
        return 0 if run.status == "finished" else 1
    reason = "every child failed, for the reasons above" if run.rows else "the agent asked nothing"
    print(f"nas-gym: {reason}", file=sys.stderr)
    return 1


def budget_in_words(budget: int | None, seconds: float | None) -> str:
    """``150 evaluations``, ``20,000 simulated seconds``, or both."""
    evaluations = [] if budget is None else [f"{budget} evaluations"]
    return " or ".join(
        evaluations + ([] if seconds is None else [f"{seconds:,g} simulated seconds"])
    )


def count_of(number: int, what: str) -> str:
    """``1 worker``, ``2 workers``."""
    return f"{number} {what}{'s'[: number != 1]}"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_share(workers: int) -> float:
    """GiB of the machine's memory for each worker; inf where a limit cannot be enforced."""
    if not sys.platform.startswith("linux"):
        return math.inf
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    container = Path("/sys/fs/cgroup/memory.max")  # where this is one with a limit of its own
    if container.is_file() and (limit := container.read_text().strip()).isdigit():
        total = min(total, int(limit))
    return total / workers / 2**30


def finite(limit: float) -> float | None:
    """A limit as ``nas_gym.search`` takes it: None where there is none."""
    return None if math.isinf(limit) and limit > 0 else limit
