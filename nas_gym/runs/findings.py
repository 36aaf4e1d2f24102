"""The findings of a run, put together once: report, card and export only consume it."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev
from typing import Any

from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.metrics import ACCURACY, Metric, leader_of
from nas_gym.registry import make
from nas_gym.runs.config import recorded_metric
from nas_gym.store import Row, RunData
from nas_gym.training.named import NAMED_RECIPES

AS_SEARCHED = "as in the search"  # the recipe of a final training
_ERROR = re.compile(r"error: [A-Za-z_][\w.]*(?=: )")  # of "error: ValueError: what was wrong"


def best_rows(run: RunData, count: int) -> list[Row]:
    """Return the ``count`` different architectures with the highest rewards, best first."""
    return _ranked(run)[:count]


def _ranked(run: RunData) -> list[Row]:
    """Return all different architectures that did not fail, by reward."""
    unique: dict[str, Row] = {}
    # Stable: the first of equals stays first.
    for row in sorted([*run.rows, *run.unanswered], key=lambda row: -row.reward):
        if row.failure is None:
            unique.setdefault(row.key, row)
    return list(unique.values())


@dataclass(frozen=True)
class FailureGroup:
    """Evaluations that failed for one reason."""

    reason: str  # errors whose texts differ are named by their type only
    rows: tuple[Row, ...]  # at least one, in order

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


def failure_groups(rows: Iterable[Row]) -> list[FailureGroup]:
    """Group the failures among ``rows`` by reason, most frequent first.

    Errors of one type are one group: a message may hold sizes or addresses and differ each time.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.failure is not None:
            groups.setdefault(_kind(row), []).append(row)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [FailureGroup(_reason(kind, members), tuple(members)) for kind, members in ordered]


def _kind(row: Row) -> str:
    """Return what makes failures one group; crashes differ by their signal or exit status."""
    failure = str(row.failure)
    if failure == "crashed" and row.detail:
        return f"crashed ({row.detail})"
    error = _ERROR.match(failure)
    return failure if error is None else error.group()


def _reason(kind: str, rows: Sequence[Row]) -> str:
    """Return the whole text if all rows have the same, else their kind."""
    texts = {str(row.failure) for row in rows}
    return texts.pop() if len(texts) == 1 and not kind.startswith("crashed (") else kind


@dataclass(frozen=True)
class Validated:
    """The final trainings of one architecture under one protocol."""

    rank: int  # in the search, from 1
    row: Row  # what the search recorded of it
    protocol: Mapping[str, Any]  # of the trainings
    trainings: tuple[Validation, ...]  # at least one
    recipe_in_words: str  # how it was trained, seen from the search

    @property
    def accuracies(self) -> list[float]:
        """Validation accuracies of the trainings that did not fail, fractions in [0, 1]."""
        return [t.accuracy for t in self.trainings if t.accuracy is not None]

    @property
    def test_accuracies(self) -> list[float]:
        """Test accuracies of the trainings that did not fail, fractions in [0, 1]."""
        return [t.test_accuracy for t in self.trainings if t.test_accuracy is not None]

    def values(self, metric: str) -> list[float]:
        """Return that metric of the trainings that did not fail and have it."""
        own = {ACCURACY.name: self.accuracies, ACCURACY.test_name: self.test_accuracies}
        if metric in own:
            return own[metric]
        return [t.metrics[metric] for t in self.trainings if metric in t.metrics]

    @property
    def failures(self) -> dict[str, int]:
        """The number of its failures, by reason."""
        return dict(Counter(t.failure for t in self.trainings if t.failure is not None))

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON data; deviations are those of a sample, None for one value.

        ``metrics`` is there if the trainings have other figures than accuracies.
        """
        names = dict.fromkeys(name for t in self.trainings for name in t.metrics)
        metrics = {name: _figures(self.values(name)) for name in names}
        return {
            "rank": self.rank,
            "tokens": list(self.row.tokens),
            "search_accuracy": self.row.accuracy,
            "trainings": len(self.trainings),
            "seeds": [t.seed for t in self.trainings],
            "accuracies": self.accuracies,
            "accuracy_mean": mean_of(self.accuracies),
            "accuracy_std": deviation_of(self.accuracies),
            "test_accuracies": self.test_accuracies,
            "test_accuracy_mean": mean_of(self.test_accuracies),
            "test_accuracy_std": deviation_of(self.test_accuracies),
            **({"metrics": metrics} if metrics else {}),
            "failures": self.failures,
            "seconds": sum(t.seconds for t in self.trainings),
            "protocol": dict(self.protocol),
        }


def _validated(
    ranked: Sequence[Row], validations: Iterable[Validation], config: Mapping[str, Any]
) -> Iterable[Validated]:
    """Yield final trainings by architecture and protocol, in the order of the search's ranks.

    Of a training that was tried again the last try counts.
    """
    groups: dict[str, dict[str, dict[int, Validation]]] = {}
    for training in validations:
        protocols = groups.setdefault(training.key, {})
        protocols.setdefault(protocol_text(training.protocol), {})[training.seed] = training
    for rank, row in enumerate(ranked, start=1):
        for group in groups.get(row.key, {}).values():
            trainings = tuple(group.values())
            protocol = trainings[0].protocol
            words = _recipe_in_words(config, protocol)
            yield Validated(rank, row, protocol, trainings, words)


def _recipe_in_words(config: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    """Say in a few words how the trainings of ``protocol`` were done, seen from the search."""
    recipe = protocol.get("recipe")
    if recipe == (config.get("protocol") or {}).get("recipe"):
        return AS_SEARCHED
    named = [name for name, known in NAMED_RECIPES.items() if known.to_json() == recipe]
    if named:
        return named[0]
    values = recipe or {}
    unit = "steps" if values.get("steps") else "epochs"
    return f"another one of {values.get(unit, '?')} {unit}"


def protocol_text(protocol: Mapping[str, Any]) -> str:
    """Return the same text for equal protocols, wherever they were read from."""
    return json.dumps(protocol, sort_keys=True)


def mean_of(values: Sequence[float]) -> float | None:
    """Return the mean, or None for no values."""
    return mean(values) if values else None


def deviation_of(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation, or None for fewer than two values."""
    return stdev(values) if len(values) > 1 else None


def _figures(values: list[float]) -> dict[str, Any]:
    return {"values": values, "mean": mean_of(values), "std": deviation_of(values)}


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean ± sample standard deviation for people; the value itself if there is one."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


@dataclass(frozen=True)
class Findings:
    """All that is shown of a run: made once, by ``of``, and never changed."""

    run: str  # its name
    status: str
    started: str  # ISO 8601, UTC
    config: Mapping[str, Any]  # what runs it again
    versions: Mapping[str, str] | None  # of the packages, when it was last started
    leading: Metric  # by which its architectures are compared
    rows: tuple[Row, ...]  # requests in the agent's order
    unanswered: tuple[Row, ...]  # evaluated when the run was cut, before the agent saw it
    ranked: tuple[Row, ...]  # different architectures that did not fail, highest reward first
    paid: tuple[Row, ...]  # evaluated anew, answered to a request or not
    memo: tuple[Row, ...]  # requests that were answered from the memo
    failures: tuple[FailureGroup, ...]  # among ``paid``, most frequent first
    validations: tuple[Validated, ...]  # final trainings by rank; the only test figures

    @classmethod
    def of(cls, run: RunData) -> "Findings":
        """Put together what is in a run."""
        ranked = _ranked(run)
        memo = tuple(row for row in run.rows if row.source == "memo")
        paid = (*(row for row in run.rows if row.source != "memo"), *run.unanswered)
        return cls(
            run=run.name,
            status=run.status,
            started=run.started,
            config=run.config,
            versions=run.sessions[-1].get("versions") if run.sessions else None,
            leading=_leading(run, ranked),
            rows=run.rows,
            unanswered=run.unanswered,
            ranked=tuple(ranked),
            paid=paid,
            memo=memo,
            failures=tuple(failure_groups(paid)),
            validations=tuple(_validated(ranked, run.validations, run.config)),
        )

    @cached_property
    def space(self) -> Any:
        """The search space, made again from the record when it is first needed."""
        return make("space", self.config["space"])

    @property
    def protocol(self) -> Mapping[str, Any]:
        """All that the evaluations depend on; empty if the evaluator does not say so."""
        return self.config.get("protocol") or {}

    @property
    def evaluated(self) -> tuple[Row, ...]:
        """The requests, then what was evaluated but never handed to the agent."""
        return (*self.rows, *self.unanswered)

    def groups_of(self, trainings: Iterable[Validation]) -> list[Validated]:
        """Return some of the run's final trainings, grouped as ``validations``."""
        return list(_validated(self.ranked, trainings, self.config))


def _leading(run: RunData, ranked: Sequence[Row]) -> Metric:
    """Return the metric that the run's evaluator named, else that of the figures recorded."""
    named = recorded_metric(run.config)
    if named is not None:
        return named
    recorded = {name for row in ranked for name in row.metrics}
    return leader_of(recorded | {name for v in run.validations for name in v.metrics})


def summary(found: Findings, top: int = 5) -> dict[str, Any]:
    """Return the run as JSON data: what was asked, what it cost, what was best, what failed.

    ``validations`` are final trainings with new seeds, after the search; the only test figures.
    """
    return {
        "run": found.run,
        "status": found.status,
        "started": found.started,
        "config": found.config,
        "requests": len(found.rows),
        "evaluated": len(found.paid),
        "memo_hits": len(found.memo),
        "failures": {group.reason: len(group.rows) for group in found.failures},
        "failure_details": [group.to_json() for group in found.failures],
        "child_seconds_paid": sum(row.seconds for row in found.paid),
        "child_seconds_saved": sum(row.seconds for row in found.memo),
        "best": [
            {
                "rank": rank,
                "request": row.number + 1,
                "reward": row.reward,
                **row.metrics,
                "seconds": row.seconds,
                "tokens": list(row.tokens),
                "architecture": row.genotype,
            }
            for rank, row in enumerate(found.ranked[:top], start=1)
        ],
        "validations": [group.to_json() for group in found.validations],
    }
