"""Data sets of which nobody knows the best architecture: rewards are shown, not regret.

Own evaluators, landscapes and real trainings are such. What they may cost is said before anything
is searched, and nothing is searched without a number of seeds and a budget.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark.outcome import Floats, Outcome
from nas_gym.benchmark.suite import Suite
from nas_gym.benchmark.trials import Trials, Truth, prepared
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.options.durations import time_in_words
from nas_gym.registry import make, usual_reward
from nas_gym.search_spaces.moves import random_tokens

PERCENT = 100.0
LONG = 10.0  # seconds of an evaluation that is not timed twice


def with_rewards(suite: Suite, seeds: int | None, budget: int | None) -> Suite:
    """Return the suite, which shows rewards if the best of its data sets is not known.

    Args:
        suite: The suite.
        seeds: As the user gave them; None if not.
        budget: As the user gave it; None if not.

    Raises:
        InvalidOption: Seeds or budget are not given, or the best of another data set is known.
    """
    unknown = [d.label for d in suite.datasets if prepared(d.space, d.evaluator)[2] is None]
    if not unknown:
        return suite
    if suite.objectives:
        raise InvalidOption(
            f"the benchmark {suite.name!r} is about complete tables, and {unknown[0]!r} is none"
        )
    if len(unknown) < len(suite.datasets):
        raise InvalidOption(
            f"{', '.join(unknown)}: nobody knows the best architecture, while it is known of the "
            "other data sets: compare agents on them in a benchmark of their own"
        )
    if seeds is None or budget is None:
        raise InvalidOption(
            f"{unknown[0]!r} is no table that knows every architecture: say what the searches may "
            "cost with --seeds and --budget, e.g. --seeds 5 --budget 20"
        )
    return replace(suite, rewards=True)


def time_needed(suite: Suite, searches: Mapping[str, int], workers: int) -> str:
    """Return in words how long searches may take, by the time of one evaluation of each data set.

    Args:
        suite: The suite.
        searches: How many are to be done, by the data set's label.
        workers: Processes that share them.

    Raises:
        InvalidOption: An evaluation fails.
    """
    seconds = 0.0
    for dataset in suite.datasets:
        if count := searches.get(dataset.label, 0):
            side_by_side = min(workers, count)
            seconds += (
                count * suite.budget * _timed(dataset.space, dataset.evaluator) / side_by_side
            )
    return f"at most about {time_in_words(max(1, round(seconds)))} without the agents' own time"


def _timed(space: Mapping[str, object], evaluator: Mapping[str, object]) -> float:
    """Return the seconds of an evaluation: of a second one, unless the first takes long."""
    made, judge, _ = prepared(space, evaluator)
    reward = make("reward", usual_reward(made, judge))
    env = NASVectorEnv(made, judge, budget=2, seed=0, reward=reward)
    env.reset(seed=0)
    seconds = 0.0
    while env.remaining and seconds < LONG:
        begun = time.perf_counter()
        (played,) = env.play([random_tokens(made, env.np_random)])
        seconds = time.perf_counter() - begun
        if played.evaluation.failure is not None:
            raise InvalidOption(f"the first evaluation failed: {played.evaluation.failure}")
    return seconds


@dataclass(frozen=True)
class RewardOutcome(Outcome):
    """All runs of one agent on a data set of which nobody knows the best; times 100."""

    checkpoints: tuple[int, ...]
    measure: ClassVar[str] = "reward"

    @property
    def optimum(self) -> float:
        """Nothing is known to be the best."""
        return float("inf")

    @property
    def found(self) -> Floats:
        """(seeds, budget) The highest reward so far."""
        return PERCENT * np.maximum.accumulate(self.trials.rewards, axis=1)

    @property
    def recommended(self) -> Floats:
        """(seeds, checkpoints) Mean reward until then of what the agent recommends."""
        means = np.empty(self.trials.recommended.shape)
        for i, count in enumerate(self.checkpoints):
            same = self.trials.numbers[:, :count] == self.trials.recommended[:, i : i + 1]
            means[:, i] = (self.trials.rewards[:, :count] * same).sum(axis=1) / same.sum(axis=1)
        return PERCENT * means

    def shown(self, values: Floats) -> Floats:
        """Return the rewards themselves."""
        return values


def rewards_of(trials: Trials, checkpoints: tuple[int, ...]) -> RewardOutcome:
    """Return the outcome of trials whose numbers are those of requests."""
    texts, places = np.unique(trials.asked, return_inverse=True)
    numbers: npt.NDArray[np.int32] = places.reshape(trials.asked.shape).astype(np.int32)
    lists = [[int(token) for token in text.split()] for text in texts.tolist()]
    tokens = np.full((len(lists), max(map(len, lists))), -1, np.int16)
    for row, each in zip(tokens, lists, strict=True):
        row[: len(each)] = each
    rows = np.arange(len(numbers))[:, None]
    numbered = replace(trials, numbers=numbers, recommended=numbers[rows, trials.recommended])
    return RewardOutcome(numbered, Truth(tokens, np.full(len(lists), np.nan), {}), checkpoints)
