"""Trials: one search each, of one agent on one data set with one seed, and what is noted."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nas_gym.agent import Agent, Observed, best_average
from nas_gym.benchmark.suite import Spec
from nas_gym.envs.clock import makespan
from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import noise_free
from nas_gym.registry import make, usual_reward
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.moves import enumerate_tokens, space_size

MOST = 1_000_000  # architectures that are looked up one by one


@dataclass(frozen=True)
class Truth:
    """All architectures of a table, each with a number."""

    tokens: npt.NDArray[np.int16]  # (architectures, longest), by number; -1 after the last one
    accuracies: npt.NDArray[np.float64]  # (architectures,) means over seeds, in percent
    numbers: Mapping[Tokens, int]

    @cached_property
    def optimum(self) -> float:
        """The highest mean accuracy, in percent."""
        return float(self.accuracies.max())


def truth_of(space: Any, evaluator: Any) -> Truth | None:
    """Return the truth that a table knows of a space; None if it is no table, or has too many.

    Numbers are those of the table's ``index_of`` (NAS-Bench-201's official index) if it also has a
    ``ranking`` of all architectures; else their order in the space.

    Raises:
        InvalidOption: The table lacks an architecture of the space.
    """
    ranking = getattr(evaluator, "ranking", None)
    index_of = getattr(evaluator, "index_of", None)
    if ranking is not None and index_of is not None:
        known = list(ranking())
        return _truth(known, [int(index_of(tokens)) for tokens, _ in known])
    if not hasattr(evaluator, "mean_accuracy") or space_size(space) > MOST:
        return None
    try:
        known = [(tokens, evaluator.mean_accuracy(tokens)) for tokens in enumerate_tokens(space)]
    except LookupError as error:
        raise InvalidOption(f"the table does not know the whole space: {error}") from error
    return _truth(known, range(len(known)))


def _truth(known: list[tuple[Tokens, float]], numbers: Iterable[int]) -> Truth:
    by_tokens = dict(zip((tuple(tokens) for tokens, _ in known), numbers, strict=True))
    table = np.full((len(known), max(map(len, by_tokens))), -1, np.int16)
    accuracies = np.empty(len(known))
    for (tokens, number), (_, accuracy) in zip(by_tokens.items(), known, strict=True):
        table[number, : len(tokens)] = tokens
        accuracies[number] = 100 * accuracy
    return Truth(table, accuracies, by_tokens)


Prepared = tuple[Any, Any, Truth | None]  # space, evaluator and what is known of them
_KEPT: dict[str, Prepared] = {}


def prepared(space: Mapping[str, Any], evaluator: Mapping[str, Any]) -> Prepared:
    """Return space, evaluator and truth, made once per process: reading a table takes time."""
    key = repr((sorted(space.items()), sorted(evaluator.items())))
    if key not in _KEPT:
        made = make("space", space)
        table = make("evaluator", evaluator, space=made)
        _KEPT[key] = (made, table, truth_of(made, table))
    return _KEPT[key]


def known(space: Mapping[str, Any], evaluator: Mapping[str, Any]) -> Truth:
    """Return the truth that a complete table knows of a space.

    Raises:
        InvalidOption: It is no such table.
    """
    truth = prepared(space, evaluator)[2]
    if truth is None:
        raise InvalidOption(
            f"{evaluator['name']!r} is no table that knows the mean_accuracy of every architecture "
            f"of a space of {MOST:,} at most"
        )
    return truth


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
    """Everything noted, one row per seed."""

    # (seeds, budget) The architecture asked for, as a Truth's number; without a Truth, the number
    # of its first request.
    numbers: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float64]  # (seeds, budget)
    seconds: npt.NDArray[np.float32]  # (seeds, budget) that the training took
    finished: npt.NDArray[np.float32]  # (seeds, budget) when the cluster had the answer, seconds
    recommended: npt.NDArray[np.int32]  # (seeds, checkpoints) in the same numbers
    overhead: npt.NDArray[np.float32]  # (seeds,) CPU seconds of the agent, without the environment
    asked: npt.NDArray[np.str_]  # (seeds, budget) tokens, without a Truth; else (seeds, 0)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join the rows of several."""
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


class _Log(Recorder):
    """Keeps what was asked and answered."""

    def __init__(self, workers: int, noise_free: bool | None) -> None:
        self.observed: list[Observed] = []
        self.seconds: list[float] = []
        self.finished: list[float] = []
        self._workers, self._noise_free = workers, noise_free
        self._clock = 0.0

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Note a batch, which the simulated machines share; the agent waits for all of it."""
        seconds = [answer.evaluation.seconds for answer in answers]
        self._clock += makespan(seconds, self._workers)
        self.seconds += seconds
        self.finished += [self._clock] * len(seconds)
        self.observed += [
            Observed(
                a.evaluation.architecture.tokens, a.reward, a.evaluation.epochs, self._noise_free
            )
            for a in answers
        ]


class _TimedEnv(NASVectorEnv[Any]):
    """An environment that knows the CPU time spent in it: the rest is the agent's."""

    spent = 0.0

    def reset(self, **options: Any) -> Any:
        """Reset as ``NASVectorEnv`` does."""
        return self._timed(super().reset, **options)

    def step(self, actions: npt.NDArray[np.int64]) -> Any:
        """Step as ``NASVectorEnv`` does."""
        return self._timed(super().step, actions)

    def play(self, token_lists: Any, epochs: Any = None) -> Any:
        """Play as ``NASVectorEnv`` does."""
        return self._timed(super().play, token_lists, epochs)

    def _timed(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        begun = time.process_time()
        try:
            return method(*arguments, **options)
        finally:
            self.spent += time.process_time() - begun


def _trial(
    agent: Agent, space: Any, evaluator: Any, truth: Truth | None, seed: int, chunk: Chunk
) -> tuple[Any, ...]:
    """Search once; return one row of each of ``Trials``'s columns."""
    log = _Log(chunk.workers, noise_free(evaluator))
    env = _TimedEnv(
        space, evaluator, num_envs=agent.batch_size, budget=chunk.budget, seed=seed, record=log,
        reward=None if truth is not None else make("reward", usual_reward(space, evaluator)),
    )  # fmt: skip
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
    asked = [each.tokens for each in log.observed]
    numbers = _by_first_request(asked) if truth is None else truth.numbers
    texts = [] if truth is not None else [" ".join(map(str, tokens)) for tokens in asked]
    return (
        np.array([numbers[tokens] for tokens in asked], np.int32),
        np.array([each.reward for each in log.observed]),
        np.array(log.seconds, np.float32),
        np.array(log.finished, np.float32),
        np.array([numbers[tokens] for tokens in chosen], np.int32),
        np.float32(overhead),
        np.array(texts, np.str_),
    )


def _by_first_request(asked: Sequence[Tokens]) -> dict[Tokens, int]:
    numbers: dict[Tokens, int] = {}
    for number, tokens in enumerate(asked):
        numbers.setdefault(tokens, number)
    return numbers


def _by_average(space: Any, observed: Sequence[Observed]) -> Tokens:
    """Recommend for agents that recommend nothing themselves."""
    del space
    return best_average(observed)
