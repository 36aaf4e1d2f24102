"""What is in a run, put together: its best architectures, its failures, its final validations."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.metrics import is_language
from nas_gym.store import Row, RunData
from nas_gym.training.images.recipe import RECIPES, Recipe
from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe

AS_SEARCHED = "as in the search"  # the recipe of a final training
_ERROR = re.compile(r"error: [A-Za-z_][\w.]*(?=: )")  # of "error: ValueError: what was wrong"


def best_rows(run: RunData, count: int) -> list[Row]:
    """The ``count`` different architectures with the highest rewards, best first; no failures."""
    unique: dict[str, Row] = {}
    # Stable: the first of equals stays first.
    for row in sorted([*run.rows, *run.unanswered], key=lambda row: -row.reward):
        if row.failure is None:
            unique.setdefault(row.key, row)
    return list(unique.values())[:count]


def paid_rows(run: RunData) -> list[Row]:
    """The requests that were evaluated anew, and what no request has been answered with yet."""
    return [row for row in run.rows if row.source != "memo"] + list(run.unanswered)


@dataclass(frozen=True)
class FailureGroup:
    """Evaluations that failed for one reason."""

    reason: str  # errors whose texts differ are named by their type alone
    rows: tuple[Row, ...]  # at least one, in order

    def to_json(self) -> dict[str, Any]:
        """The reason, how often, and the first one in full."""
        first = self.rows[0]
        return {
            "reason": self.reason,
            "count": len(self.rows),
            "first_request": first.number + 1,
            "first_failure": first.failure,
            "first_detail": first.detail,
        }


def failure_groups(rows: Iterable[Row]) -> list[FailureGroup]:
    """The failures among ``rows``, most frequent first.

    Errors of one type are one group: a message may hold sizes or addresses and be another one each
    time.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.failure is not None:
            groups.setdefault(_kind(row), []).append(row)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [FailureGroup(_reason(kind, members), tuple(members)) for kind, members in ordered]


def _kind(row: Row) -> str:
    """What makes failures one group; crashes are told apart by the signal or exit status."""
    failure = str(row.failure)
    if failure == "crashed" and row.detail:
        return f"crashed ({row.detail})"
    error = _ERROR.match(failure)
    return failure if error is None else error.group()


def _reason(kind: str, rows: Sequence[Row]) -> str:
    """The whole text where all have the same one."""
    texts = {str(row.failure) for row in rows}
    return texts.pop() if len(texts) == 1 and not kind.startswith("crashed (") else kind


@dataclass(frozen=True)
class Validated:
    """The final trainings of one architecture under one protocol."""

    rank: int  # in the search, from 1
    row: Row  # what the search recorded of it
    protocol: Mapping[str, Any]  # of the trainings
    trainings: tuple[Validation, ...]  # at least one

    @property
    def accuracies(self) -> list[float]:
        """Validation accuracies of the trainings that did not fail, fractions in [0, 1]."""
        return [t.accuracy for t in self.trainings if t.accuracy is not None]

    @property
    def test_accuracies(self) -> list[float]:
        """Test accuracies of the trainings that did not fail, fractions in [0, 1]."""
        return [t.test_accuracy for t in self.trainings if t.test_accuracy is not None]

    def values(self, metric: str) -> list[float]:
        """That metric of the trainings that did not fail and have it, such as perplexities."""
        return [t.metrics[metric] for t in self.trainings if metric in t.metrics]

    @property
    def is_language(self) -> bool:
        """Whether language models were trained, which are compared by perplexity."""
        return is_language(self.row.metrics) or any(t.metrics for t in self.trainings)

    @property
    def failures(self) -> dict[str, int]:
        """How often it failed for which reason."""
        return dict(Counter(t.failure for t in self.trainings if t.failure is not None))

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data; deviations are those of a sample, None for fewer than two.

        ``metrics`` is there where the trainings have more than accuracies: perplexities.
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


def validated(run: RunData, validations: Iterable[Validation] | None = None) -> list[Validated]:
    """The run's final trainings by architecture and protocol, in the order of the search's ranks.

    Of a training that was tried again the last try counts.

    Args:
        run: Says what the search found.
        validations: Some of its own; all by default.
    """
    groups: dict[str, dict[str, dict[int, Validation]]] = {}
    for training in run.validations if validations is None else validations:
        protocols = groups.setdefault(training.key, {})
        protocols.setdefault(protocol_text(training.protocol), {})[training.seed] = training
    return [
        Validated(rank, row, trainings[0].protocol, trainings)
        for rank, row in enumerate(best_rows(run, len(run.rows) + len(run.unanswered)), start=1)
        for trainings in (tuple(group.values()) for group in groups.get(row.key, {}).values())
    ]


def protocol_text(protocol: Mapping[str, Any]) -> str:
    """The same text for equal protocols, wherever they were read from."""
    return json.dumps(protocol, sort_keys=True)


def mean_of(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return mean(values) if values else None


def deviation_of(values: Sequence[float]) -> float | None:
    """The sample standard deviation; None of fewer than two values."""
    return stdev(values) if len(values) > 1 else None


def _figures(values: list[float]) -> dict[str, Any]:
    return {"values": values, "mean": mean_of(values), "std": deviation_of(values)}


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Mean ± sample standard deviation for people; the value alone where there is one."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def recipe_in_words(run: RunData, protocol: Mapping[str, Any]) -> str:
    """How the trainings of ``protocol`` were done, seen from the search; a few words."""
    recipe = protocol.get("recipe")
    if recipe == (run.config.get("protocol") or {}).get("recipe"):
        return AS_SEARCHED
    known: dict[str, Recipe | LanguageRecipe] = {**RECIPES, **LANGUAGE_RECIPES}
    named = [name for name in known if known[name].to_json() == recipe]
    return named[0] if named else f"another one of {(recipe or {}).get('epochs', '?')} epochs"


def summary(run: RunData, top: int = 5) -> dict[str, Any]:
    """The run as JSON data: what was asked, what it cost, what was best, what failed.

    ``validations`` are final trainings with new seeds, after the search; the only test figures.
    """
    paid = paid_rows(run)
    memo = [row for row in run.rows if row.source == "memo"]
    failures = failure_groups(paid)
    return {
        "run": run.name,
        "status": run.status,
        "started": run.started,
        "config": run.config,
        "requests": len(run.rows),
        "evaluated": len(paid),
        "memo_hits": len(memo),
        "failures": {group.reason: len(group.rows) for group in failures},
        "failure_details": [group.to_json() for group in failures],
        "child_seconds_paid": sum(row.seconds for row in paid),
        "child_seconds_saved": sum(row.seconds for row in memo),
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
            for rank, row in enumerate(best_rows(run, top), start=1)
        ],
        "validations": [group.to_json() for group in validated(run)],
    }
