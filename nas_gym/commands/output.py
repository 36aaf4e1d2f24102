"""How commands present a run: results on stdout, where the files are on stderr."""

import json
import os
import sys
from pathlib import Path

from rich.console import Console

from nas_gym.errors import InvalidOption
from nas_gym.report import print_summary, summary, write_files
from nas_gym.store import RunData, folder_beside


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
