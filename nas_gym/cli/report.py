"""``nas-gym report``."""

from dataclasses import dataclass

from nas_gym.cli.shared import (
    AsJson,
    OutFolder,
    RunNames,
    StorePlace,
    Top,
    Trust,
    at_least_one,
    optional_path,
)
from nas_gym.errors import InvalidOption
from nas_gym.store.location import DEFAULT_STORE, check_there


@dataclass(frozen=True)
class Report:
    """Show a recorded run: the best architectures, the learning curve, what it cost."""

    runs: RunNames
    store: StorePlace = str(DEFAULT_STORE)
    out: OutFolder = None
    top: Top = 5
    trust: Trust = ()
    json: AsJson = False
    html: bool = False
    """Write the page alone, and print where it is; several runs stand on it side by side."""

    def __call__(self) -> int:
        """Print the report and write its pictures."""
        at_least_one(top=self.top)
        out = optional_path("--out", self.out)
        if not self.runs:
            raise InvalidOption("no run is named: give one of those that `nas-gym list` shows")
        if len(self.runs) > 1 and not self.html:
            raise InvalidOption(
                f"runs {', '.join(map(repr, self.runs))} stand side by side on a page only: give "
                "--html, or one run"
            )
        if self.html and self.json:
            raise InvalidOption("--html and --json exclude each other: give one of the two")
        check_there(self.store)
        from nas_gym.cli.output import present, write_html
        from nas_gym.runs.console import PlainConsole
        from nas_gym.runs.findings import Findings
        from nas_gym.runs.report import print_command
        from nas_gym.store import load_run

        found = [Findings.of(load_run(run, self.store), self.trust) for run in self.runs]
        if self.html:
            print(write_html(found, self.store, out))
        else:
            if not self.json:
                print_command(found[0], PlainConsole(soft_wrap=False))
            present(found[0], self.store, out, self.top, self.json)
        return 0
