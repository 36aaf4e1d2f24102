"""``nas-gym report``."""

from dataclasses import dataclass

from nas_gym.cli.shared import (
    AsJson,
    OutFolder,
    RunName,
    StorePlace,
    Top,
    Trust,
    at_least_one,
    optional_path,
)
from nas_gym.store.location import DEFAULT_STORE, check_there


@dataclass(frozen=True)
class Report:
    """Show a recorded run: the best architectures, the learning curve, what it cost."""

    run: RunName
    store: StorePlace = str(DEFAULT_STORE)
    out: OutFolder = None
    top: Top = 5
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Print the report and write its pictures."""
        at_least_one(top=self.top)
        out = optional_path("--out", self.out)
        check_there(self.store)
        from nas_gym.cli.output import present
        from nas_gym.runs.findings import Findings
        from nas_gym.store import load_run

        found = Findings.of(load_run(self.run, self.store), self.trust)
        present(found, self.store, out, self.top, self.json)
        return 0
