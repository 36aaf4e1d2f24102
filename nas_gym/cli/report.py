"""``nas-gym report``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nas_gym.cli.output import present
from nas_gym.errors import InvalidOption
from nas_gym.store import DEFAULT_STORE, load_run


@dataclass(frozen=True)
class Report:
    """Show a recorded run: the best architectures, the learning curve, what it cost."""

    run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """Name of the run (`nas-gym list`)."""
    store: str = str(DEFAULT_STORE)
    """The results database: a SQLite file, or postgresql://host/name."""
    out: Path | None = None
    """Folder for the pictures; the run's name beside the store by default."""
    top: int = 5
    """Architectures in the table."""
    json: bool = False
    """Print the report as JSON."""

    def __call__(self) -> int:
        """Print the report and write its pictures."""
        if self.top < 1:
            raise InvalidOption(f"--top is {self.top}: give 1 or more")
        present(
            load_run(self.run, self.store),
            self.store,
            self.out,
            self.top,
            self.json,
        )
        return 0
