"""The page as a file, with other runs of the store beside those that it is about."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from nas_gym.errors import NASGymError
from nas_gym.runs.export import write_text
from nas_gym.runs.findings import Findings
from nas_gym.runs.html.curves import comparable_rewards
from nas_gym.runs.html.page import Baseline, Shown, html_page
from nas_gym.store import Store
from nas_gym.store.long_runs import LONG

PAGE = "report.html"
BASELINES = 5  # other runs, the newest
LOOKED_AT = 30  # of the newest runs, for those that searched the same


def write_page(
    runs: Sequence[Findings],
    store: str | Path,
    path: Path,
    drawings: Mapping[int, str] | None = None,
    refresh: int = 0,
) -> Path:
    """Write the page of a run, or of several side by side.

    Args:
        runs: At least one.
        store: Where they are recorded; other runs there that searched the same space by the same
            evaluator and reward are drawn beside a single run.
        path: Where to.
        drawings: SVG of the best of a single run, by rank, if they are drawn already.
        refresh: Seconds after which a browser reads the file again; 0: never.

    Raises:
        StoreError: It cannot be written.
    """
    shown = [Shown(found, store, drawings or {}) for found in runs]
    beside = list(islice(_baselines(runs[0], store), BASELINES)) if len(runs) == 1 else []
    return write_text(path, html_page(shown, beside, refresh))


def _baselines(found: Findings, store: str | Path) -> Iterator[Baseline]:
    """Yield the newest other runs of the store that can be compared; one that is damaged is not."""
    with Store(store, must_exist=True) as opened:
        for run in reversed(opened.runs()[-LOOKED_AT:]):
            if run["name"] != found.run and 0 < run["requests"] < LONG:
                try:
                    if _compared(opened.config_of(run["name"])) == _compared(found.config):
                        other = Findings.of(opened.load_run(run["name"]))
                        agent = other.name_of("agent")
                        yield Baseline(other.run, agent, comparable_rewards(other))
                except NASGymError:
                    continue


def _compared(config: Mapping[str, Any]) -> list[Any]:
    return [config.get(part) for part in ("space", "evaluator", "reward", "cost_limits")]
