"""Outcomes of searches with several objectives: how much of the true front was found.

What a search has found by then is the front of what it saw, with the accuracies of single
trainings; it is measured by the mean figures of its architectures, as a share of the true front's
hypervolume, in percent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark.outcome import Outcome
from nas_gym.benchmark.suite import DataSet
from nas_gym.benchmark.trials import prepared
from nas_gym.envs.objectives import Floats, objectives_of
from nas_gym.errors import InvalidOption
from nas_gym.runs.true_front import TrueFront, known_to

WHOLE = 100.0  # percent


@dataclass(frozen=True)
class FrontOutcome(Outcome):
    """All runs of one agent on one data set, judged by the fronts that they found."""

    truth_of_fronts: TrueFront
    accuracy: int  # the column of the objective that single trainings tell differently

    @property
    def optimum(self) -> float:
        """The whole of the true front."""
        return WHOLE

    @cached_property
    def found(self) -> Floats:
        """(seeds, budget) Hypervolume in percent of the true front's."""
        tokens = [tuple(t for t in row if t >= 0) for row in self.truth.tokens.tolist()]
        true = self.truth_of_fronts.values_at(tokens)
        rows = zip(self.trials.numbers, self.trials.rewards, strict=True)
        return np.stack([self._shares(true, *row) for row in rows])

    @property
    def by_protocol(self) -> Mapping[str, Floats]:
        """Nothing is recommended."""
        return {"best": self.found}

    def _shares(self, true: Floats, numbers: npt.NDArray[np.int32], accuracies: Floats) -> Floats:
        """Return (budget,) shares of one run, after each request."""
        seen = true[numbers]
        seen[:, self.accuracy] = accuracies
        shares = np.empty(len(numbers))
        front: list[int] = []  # requests
        share = 0.0
        for request, values in enumerate(seen):
            others = seen[front]
            if not (others >= values).all(axis=1).any():
                kept = ~(others <= values).all(axis=1)
                front = [*np.array(front, np.int64)[kept].tolist(), request]
                share = WHOLE * self.truth_of_fronts.share(true[np.unique(numbers[front])])
            shares[request] = share
        return shares


def true_front_of(dataset: DataSet, objectives: tuple[str, ...]) -> TrueFront:
    """Return the true front of a data set, made once per process.

    Raises:
        InvalidOption: Its table does not have one of the metrics, or no accuracy is asked for.
    """
    space, table, _ = prepared(dataset.space, dataset.evaluator)
    return _true_front(space, table, objectives)


@cache
def _true_front(space: Any, table: Any, objectives: tuple[str, ...]) -> TrueFront:
    return TrueFront(known_to(space, table), objectives_of(objectives))


def accuracy_among(objectives: tuple[str, ...]) -> int:
    """Return the place of the accuracy.

    Raises:
        InvalidOption: It is not there.
    """
    names = [str(each) for each in objectives_of(objectives)]
    if "accuracy" not in names:
        raise InvalidOption(
            f"objectives of a benchmark are {', '.join(names)}: give accuracy, and others"
        )
    return names.index("accuracy")
