"""``nas-gym export``."""

import json
import sys
from dataclasses import dataclass

from nas_gym.cli.shared import (
    OutFolder,
    RunName,
    StorePlace,
    Trust,
    at_least_one,
    optional_path,
    print_json,
)
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE, check_there


@dataclass(frozen=True)
class Export:
    """Write the best architectures of a run, each as JSON with a card of how it was found."""

    run: RunName
    best: int = 3
    """Architectures to write: those with the highest rewards."""
    out: OutFolder = None
    store: StorePlace = str(DEFAULT_STORE)
    trust: Trust = ()
    json: bool = False
    """Print what the JSON files hold, as one list."""

    def __call__(self) -> int:
        """Write the files; return 0 when all are written."""
        at_least_one(best=self.best)
        out = optional_path("--out", self.out)
        check_there(self.store)
        from nas_gym.cli.output import say_untrusted
        from nas_gym.runs.export import export, folder_of
        from nas_gym.runs.findings import Findings
        from nas_gym.store import load_run

        run = load_run(self.run, self.store)
        found = Findings.of(run, self.trust)
        folder = folder_of(self.store, run.name) if out is None else out
        files = export(found, self.best, folder)
        say_untrusted(found)
        written = [file for file in files if file.suffix == ".json"]
        if len(written) < self.best:
            print(f"the run has {len(written)} different architectures", file=sys.stderr)
        if self.json:
            print_json([json.loads(file.read_text(encoding="utf-8")) for file in written])
            return 0
        for file in files:
            print(printable(file))
        return 0
