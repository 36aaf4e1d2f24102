"""Trials: one search each, of one agent on one data set with one seed, and what is noted of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nas_gym.agent import Agent, Observed
from nas_gym.benchmarking.suite import Spec
from nas_gym.benchmarking.truth import Tokens, Truth, prepared
from nas_gym.errors import InvalidOption
from nas_gym.recommending import best_average
from nas_gym.record import Answer, Record
from nas_gym.registry import make
from nas_gym.simulated_clock import makespan
from nas_gym.vector_env import NASVectorEnv

Recommend = Callable[[Any, Sequence[Observed]], Tokens]


@dataclass(frozen=True)
class Chunk:
    """Work that one process does at a time: some seeds of one agent on one data set."""

    agent: Spec
    space: Spec
    evaluator: Spec
    seeds: tuple[int, ...]
    budget: int
    checkpoints: tuple[int, ...]
    workers: int  # machines of the simulated cluster


@dataclass(frozen=True)
class Trials:
    """Everything noted, one row a seed."""

    numbers: npt.NDArray[np.int32]  # (seeds, budget) the architecture asked for, as Truth numbers
    rewards: npt.NDArray[np.float64]  # (seeds, budget)
    seconds: npt.NDArray[np.float32]  # (seeds, budget) that the training took
    finished: npt.NDArray[np.float32]  # (seeds, budget) when the cluster had the answer, seconds
    recommended: npt.NDArray[np.int32]  # (seeds, checkpoints) as Truth numbers
    overhead: npt.NDArray[np.float32]  # (seeds,) CPU seconds of the agent, without the environment

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All rows of several."""
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*map(np.concatenate, columns))


def run_chunk(chunk: Chunk) -> Trials:
    """Search with each of the seeds.

    The seed is the agent's, and all children's follow from it: agents with the same seed get the
    same answer to the n-th request of an architecture.
    """
    agent = make("agent", chunk.agent)
    space, evaluator, truth = prepared(chunk.space, chunk.evaluator)
    rows = [_trial(agent, space, evaluator, truth, seed, chunk) for seed in chunk.seeds]
    return Trials(*map(np.stack, zip(*rows, strict=True)))


class _Log(Record):
    """Keeps what was asked and answered."""

    def __init__(self, workers: int) -> None:
        self.observed: list[Observed] = []
        self.seconds: list[float] = []
        self.finished: list[float] = []
        self._workers = workers
        self._clock = 0.0

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """A batch, which the simulated machines share; the agent waits for all of it."""
        seconds = [answer.evaluation.seconds for answer in answers]
        self._clock += makespan(seconds, self._workers)
        self.seconds += seconds
        self.finished += [self._clock] * len(seconds)
        self.observed += [Observed(a.evaluation.architecture.tokens, a.reward) for a in answers]


class _TimedEnv(NASVectorEnv[Any]):
    """Knows how much CPU time was spent in it, so that the rest is the agent's."""

    spent = 0.0

    def reset(self, **options: Any) -> Any:
        """As ``NASVectorEnv``."""
        return self._timed(super().reset, **options)

    def step(self, actions: npt.NDArray[np.int64]) -> Any:
        """As ``NASVectorEnv``."""
        return self._timed(super().step, actions)

    def play(self, token_lists: Any) -> Any:
        """As ``NASVectorEnv``."""
        return self._timed(super().play, token_lists)

    def _timed(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        begun = time.process_time()
        try:
            return method(*arguments, **options)
        finally:
            self.spent += time.process_time() - begun


def _trial(
    agent: Agent, space: Any, evaluator: Any, truth: Truth, seed: int, chunk: Chunk
) -> tuple[Any, ...]:
    """One row of each of ``Trials``'s columns."""
    log = _Log(chunk.workers)
    env = _TimedEnv(
        space, evaluator, num_envs=agent.batch_size, budget=chunk.budget, seed=seed, record=log
    )
    env.reset(seed=seed)
    env.spent = 0.0
    begun = time.process_time()
    agent.search(env)
    overhead = time.process_time() - begun - env.spent
    if len(log.observed) != chunk.budget:
        raise InvalidOption(
            f"{chunk.agent['name']!r} asked for {len(log.observed)} evaluations and had a budget "
            f"of {chunk.budget}: an agent searches until env.remaining is 0"
        )
    recommend: Recommend = getattr(agent, "recommend", _by_average)
    chosen = [recommend(space, log.observed[:count]) for count in chunk.checkpoints]
    return (
        np.array([truth.numbers[each.tokens] for each in log.observed], np.int32),
        np.array([each.reward for each in log.observed]),
        np.array(log.seconds, np.float32),
        np.array(log.finished, np.float32),
        np.array([truth.numbers[tokens] for tokens in chosen], np.int32),
        np.float32(overhead),
    )


def _by_average(space: Any, observed: Sequence[Observed]) -> Tokens:
    """For agents that recommend nothing themselves."""
    del space
    return best_average(observed)
