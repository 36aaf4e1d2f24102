"""Rows of committed results on agents' pages, beside or instead of the main benchmark's."""

import re
from pathlib import Path
from typing import NamedTuple

from nas_gym.errors import StoreError

RESULTS = Path(__file__).parent / "results"


class Excerpt(NamedTuple):
    """Some rows of a table that a committed command has written."""

    page: str  # docs/agents/PAGE.md
    result: str  # a page in benchmarks/results
    heading: str  # the table's columns begin so
    rows: str  # a pattern that the first cells of the wanted rows match from their beginning
    words: str  # what the numbers are
    command: str  # what measured them

    def text(self, folder: Path = RESULTS) -> str:
        """Return the section: what the numbers are, by which command, and the rows.

        Raises:
            StoreError: The page has no such table, or none of these rows.
        """
        lines = (folder / self.result).read_text(encoding="utf-8").splitlines()
        starts = [i for i, line in enumerate(lines) if line.startswith(f"| {self.heading} |")]
        if not starts:
            raise StoreError(f"{self.result} has no table that begins with | {self.heading} |")
        table = lines[starts[0] :]
        ends = [i for i, line in enumerate(table) if not line.startswith("|")]
        head, body = table[:2], table[2 : ends[0] if ends else None]
        kept = [row for row in body if re.match(rf"\| (?:{self.rows}) \|", row)]
        if not kept:
            raise StoreError(f"{self.result} has no rows of {self.rows} in that table")
        link = f"[all of it](../../benchmarks/results/{self.result})"
        return "\n".join([f"{self.words} (`{self.command}`; {link}).", "", *head, *kept])


_RANKS = (
    "With several objectives: mean rank among the agents of that benchmark, over its data sets and "
    "seeds, by the hypervolume of the front that it has found after so many evaluations"
)
EXCERPTS = (
    Excerpt(
        "asha",
        "fidelity.md",
        "proposer | way",
        "random-search",
        "With random proposals, beside whole trainings: accuracy, in percent, of what a search "
        "hands over by the time that a share of all epochs of the whole trainings is paid; in "
        "brackets the 95 % interval of the paired difference to whole trainings and all epochs. "
        "Trainings on scikit-learn's digits; reinforce and evolution as proposers are on the page",
        "python benchmarks/learning/fidelity.py --seeds 20 --write",
    ),
    Excerpt(
        "mo_evolution",
        "pareto/table.md",
        "agent | kind | hypervolume, 50",
        "mo-evolution(?:/tabular)?",
        _RANKS,
        "nas-gym benchmark pareto",
    ),
    Excerpt(
        "nsga2",
        "pareto/table.md",
        "agent | kind | hypervolume, 50",
        "nsga2",
        _RANKS,
        "nas-gym benchmark pareto",
    ),
    Excerpt(
        "sb3_dqn",
        "edits.md",
        "search | 50",
        "DQN on [^|]*",
        "By edits and by tokens: mean accuracy, in percent, of the cell of NAS-Bench-201 with the "
        "best reward so far, on CIFAR-10",
        "python benchmarks/learning/edits.py --seeds 100 --write",
    ),
    Excerpt(
        "with_proxy",
        "proxies_in_search.md",
        "way | 20",
        "first|filter",
        "Accuracy of the recommended cell of NAS-Bench-201 less that of the same agent alone, in "
        "points, averaged over agents and data sets, after so many evaluations; and how many of "
        "these differences are significant",
        "python benchmarks/learning/proxies_in_search.py --write",
    ),
)
