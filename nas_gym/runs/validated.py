"""The final trainings of a run's architectures, by architecture and protocol."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.metrics import ACCURACY
from nas_gym.runs.recipe_words import recipe_in_words
from nas_gym.runs.spread import deviation_of, mean_of
from nas_gym.store import Row


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


def validated_of(
    ranked: Sequence[Row], validations: Iterable[Validation], config: Mapping[str, Any]
) -> Iterable[Validated]:
    """Yield final trainings by architecture and protocol, in the order of the search's ranks.

    Of a training that was tried again the last try counts.
    """
    groups: dict[str, dict[str, dict[int, Validation]]] = {}
    for training in validations:
        protocols = groups.setdefault(training.key, {})
        protocols.setdefault(protocol_text(training.protocol), {})[training.seed] = training
    for rank, row in enumerate(ranked if groups else (), start=1):
        for group in groups.pop(row.key, {}).values():
            trainings = tuple(group.values())
            protocol = trainings[0].protocol
            yield Validated(rank, row, protocol, trainings, recipe_in_words(config, protocol))
        if not groups:  # the ranks of a long run are many
            return


def protocol_text(protocol: Mapping[str, Any]) -> str:
    """Return the same text for equal protocols, wherever they were read from."""
    return json.dumps(protocol, sort_keys=True)


def _figures(values: list[float]) -> dict[str, Any]:
    return {"values": values, "mean": mean_of(values), "std": deviation_of(values)}
