"""``nas-gym export``."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nas_gym.cli.output import print_json
from nas_gym.errors import InvalidOption
from nas_gym.runs.export import export
from nas_gym.store import DEFAULT_STORE, folder_beside, load_run


@dataclass(frozen=True)
class Export:
    """Write the best architectures of a run, each as JSON with a card of how it was found."""

    run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """Name of the run (`nas-gym list`)."""
    best: int = 3
    """Architectures to write: those with the highest rewards."""
    out: Path | None = None
    """Folder to write to; the run's name beside the store by default."""
    store: str = str(DEFAULT_STORE)
    """The results database: a SQLite file, or postgresql://host/name."""
    json: bool = False
    """Print what the JSON files hold, as one list."""

    def __call__(self) -> int:
        """Write the files; 0 when all are written."""
        if self.best < 1:
            raise InvalidOption(f"--best is {self.best}: give 1 or more")
        run = load_run(self.run, self.store)
        folder = folder_beside(self.store) / run.name if self.out is None else self.out
        files = export(run, self.best, folder)
        written = [file for file in files if file.suffix == ".json"]
        if len(written) < self.best:
            print(f"the run has {len(written)} different architectures", file=sys.stderr)
        if self.json:
            print_json([json.loads(file.read_text(encoding="utf-8")) for file in written])
            return 0
        for file in files:
            print(file)
        return 0
