"""All runs of one agent on one data set: what was found when, at which cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark.trials import Trials, Truth

Floats = npt.NDArray[np.float64]
HOUR = 3600.0


@dataclass(frozen=True)
class Outcome:
    """All runs of one agent on one data set."""

    trials: Trials
    truth: Truth
    measure: ClassVar[str] = "regret"  # what curves show of it

    def shown(self, values: Floats) -> Floats:
        """Return the regret of what was found."""
        return self.optimum - values

    @property
    def optimum(self) -> float:
        """The most that can be found."""
        return self.truth.optimum

    @property
    def by_protocol(self) -> Mapping[str, Floats]:
        """What was found: after every request, and by what is recommended at each checkpoint."""
        return {"best": self.found, "recommended": self.recommended}

    @cached_property
    def best(self) -> npt.NDArray[np.int32]:
        """(seeds, budget) Architecture with the highest reward so far, the first of equals."""
        rewards = self.trials.rewards
        before = np.maximum.accumulate(rewards, axis=1)
        before = np.pad(before[:, :-1], ((0, 0), (1, 0)), constant_values=-np.inf)
        when = np.where(rewards > before, np.arange(rewards.shape[1]), 0)
        return np.take_along_axis(self.trials.numbers, np.maximum.accumulate(when, axis=1), axis=1)

    @cached_property
    def found(self) -> Floats:
        """(seeds, budget) Mean accuracy in percent of ``best``."""
        return self.truth.accuracies[self.best]

    @cached_property
    def recommended(self) -> Floats:
        """(seeds, checkpoints) Mean accuracy in percent of what the agent recommends."""
        return self.truth.accuracies[self.trials.recommended]

    @cached_property
    def new(self) -> npt.NDArray[np.bool_]:
        """(seeds, budget) Whether an architecture is asked for the first time in its run."""
        numbers = self.trials.numbers
        first = np.zeros(numbers.shape, np.bool_)
        for row, asked in zip(first, numbers, strict=True):
            row[np.unique(asked, return_index=True)[1]] = True
        return first

    def hours(self, cluster: bool) -> Floats:
        """Return (seeds, budget) when each answer was there: on one machine, or on the cluster."""
        if cluster:
            return self.trials.finished.astype(np.float64) / HOUR
        return self.trials.seconds.cumsum(axis=1, dtype=np.float64) / HOUR

    def entropy(self, window: int) -> Floats:
        """Return (seeds, budget) the entropy of the last ``window`` requests' tokens, 1 = uniform.

        It is taken position by position and divided by the logarithm of the number of tokens that
        the position knows; then the mean is over positions that have a choice. Before ``window``
        requests it is that of all so far.
        """
        every = self.truth.tokens
        tokens = every[self.trials.numbers]  # (seeds, budget, positions)
        entropies = []
        for position in range(every.shape[1]):
            options = np.unique(every[:, position])
            if len(options) > 1:
                shares = [windowed(tokens[:, :, position] == o, window) for o in options]
                nats = -sum(s * np.log(np.where(s > 0, s, 1.0)) for s in shares)
                entropies.append(nats / np.log(len(options)))
        return np.asarray(np.mean(entropies, axis=0), np.float64)


def windowed(values: npt.NDArray[Any], window: int) -> Floats:
    """Return (rows, columns) the means of the last ``window`` values of each row.

    They are means of all values if there are fewer so far.
    """
    sums = np.pad(values.cumsum(axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    ends = np.arange(1, values.shape[1] + 1)
    starts = np.maximum(0, ends - window)
    means: Floats = (sums[:, ends] - sums[:, starts]) / (ends - starts)
    return means
