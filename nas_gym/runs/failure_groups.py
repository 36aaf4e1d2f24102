"""Failures of a run's children, put into groups by their reason."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas_gym.store import Row
from nas_gym.store.long_runs import choose, column

_ERROR = re.compile(r"error: [A-Za-z_][\w.]*(?=: )")  # of "error: ValueError: what was wrong"


@dataclass(frozen=True)
class FailureGroup:
    """Evaluations that failed for one reason."""

    reason: str  # errors whose texts differ are named by their type only
    rows: Sequence[Row]  # at least one, in order

    def to_json(self) -> dict[str, Any]:
        """Return the reason, how often it came, and the first failure in full."""
        first = self.rows[0]
        return {
            "reason": self.reason,
            "count": len(self.rows),
            "first_request": first.number + 1,
            "first_failure": first.failure,
            "first_detail": first.detail,
        }


def failure_groups(rows: Sequence[Row]) -> list[FailureGroup]:
    """Group the failures among ``rows`` by reason, most frequent first.

    Errors of one type are one group: a message may hold sizes or addresses and differ each time.
    """
    groups: dict[str, list[int]] = {}
    failures = column(rows, "failure")
    details = column(rows, "detail") if "crashed" in failures else failures
    for number, failure in enumerate(failures):
        if failure is not None:
            groups.setdefault(_kind(failure, details[number]), []).append(number)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [
        FailureGroup(_reason(kind, {failures[n] for n in members}), choose(rows, members))
        for kind, members in ordered
    ]


def _kind(failure: str, detail: str | None) -> str:
    """Return what makes failures one group; crashes differ by their signal or exit status."""
    if failure == "crashed" and detail:
        return f"crashed ({detail})"
    error = _ERROR.match(failure)
    return failure if error is None else error.group()


def _reason(kind: str, texts: set[str]) -> str:
    """Return the whole text if all have the same, else their kind."""
    return texts.pop() if len(texts) == 1 and not kind.startswith("crashed (") else kind
