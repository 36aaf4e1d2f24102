"""The one door to an evaluator: counts the budget, answers repeats, seeds children, records."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from nas_gym.architecture import Architecture
from nas_gym.errors import BudgetExceeded, InvalidOption
from nas_gym.evaluation import Evaluation, Evaluator
from nas_gym.rewards import Reward


class Answer(NamedTuple):
    """What a request got: the evaluation, and the reward that the agent sees."""

    evaluation: Evaluation
    reward: float


class _Known(NamedTuple):
    """What the memo keeps of an evaluation: all but its architecture."""

    metrics: Mapping[str, float]
    seconds: float
    failure: str | None


class Record(Protocol):
    """Where a run is written down; durable when a call returns."""

    def evaluated(self, evaluation: Evaluation, seed: int) -> None:
        """A child has just been evaluated (not: answered from the memo)."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Requests number ``first``, ``first + 1``, … were answered, in this order."""


class Ledger:
    """Answers requests for evaluations, each architecture trained at most once.

    Args:
        evaluator: Gives the numbers. A ``stateful`` one is asked every time.
        reward: From an evaluation to what the agent sees.
        budget: Requests that may be made, repeats included; None for no limit.
        seed: The run's seed, from which child seeds follow.
        failure_reward: The reward of a child that failed.
        record: Written before a reward is returned; None to keep nothing.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        reward: Reward,
        *,
        budget: int | None = None,
        seed: int = 0,
        failure_reward: float = 0.0,
        record: Record | None = None,
    ) -> None:
        if budget is not None and (not isinstance(budget, int) or budget < 1):
            raise InvalidOption(f"the budget is {budget!r}: give a whole number of 1 or more")
        if not math.isfinite(failure_reward):
            raise InvalidOption(f"failure_reward is {failure_reward}: give a finite number")
        self.evaluator = evaluator
        self.reward = reward
        self.budget = budget
        self.seed = seed
        self.failure_reward = float(failure_reward)
        self.record = record
        self.requests = 0
        self._memo: dict[str, _Known] = {}  # by canonical key
        self._trainings: dict[str, int] = {}  # key -> how often it was evaluated anew

    @property
    def remaining(self) -> float:
        """Requests left; ``math.inf`` without a budget."""
        return math.inf if self.budget is None else self.budget - self.requests

    def request(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Evaluate a batch; one answer an architecture, in the order given.

        Raises:
            BudgetExceeded: More architectures than ``remaining``; none of them is evaluated.
        """
        if len(architectures) > self.remaining:
            raise BudgetExceeded(
                f"{len(architectures)} evaluations were asked for, but only {self.remaining} of "
                f"the budget of {self.budget} are left: stop when `remaining` is 0"
            )
        answers = [self._answer(e) for e in self._evaluations(architectures)]
        if self.record is not None:
            self.record.requested(self.requests, answers)
        self.requests += len(answers)
        return answers

    def close(self) -> None:
        """Close the evaluator."""
        self.evaluator.close()

    def _evaluations(self, architectures: Sequence[Architecture[Any]]) -> list[Evaluation]:
        if self.evaluator.stateful:
            return self._evaluate(architectures)
        new = {a.key: a for a in architectures if a.key not in self._memo}
        fresh = {e.architecture.key: e for e in self._evaluate(list(new.values()))}
        for key, evaluation in fresh.items():
            self._memo[key] = _Known(evaluation.metrics, evaluation.seconds, evaluation.failure)
        return [fresh.pop(a.key) if a.key in fresh else self._recall(a) for a in architectures]

    def _recall(self, architecture: Architecture[Any]) -> Evaluation:
        metrics, seconds, failure = self._memo[architecture.key]
        return Evaluation(architecture, metrics, seconds, "memo", failure)

    def _evaluate(self, architectures: Sequence[Architecture[Any]]) -> list[Evaluation]:
        """Ask the evaluator; answers arrive in any order and are put into the order asked."""
        if not architectures:
            return []
        seeds = [self._next_seed(a.key) for a in architectures]
        waiting: dict[tuple[int, ...], list[int]] = {}
        for position, architecture in enumerate(architectures):
            waiting.setdefault(architecture.tokens, []).append(position)
        evaluations: list[Evaluation | None] = [None] * len(architectures)
        for evaluation in self.evaluator.evaluate(architectures, seeds):
            position = waiting[evaluation.architecture.tokens].pop(0)
            evaluations[position] = evaluation
            if self.record is not None:
                self.record.evaluated(evaluation, seeds[position])
        return list(_complete(evaluations, architectures))

    def _next_seed(self, key: str) -> int:
        times = self._trainings.get(key, 0)
        self._trainings[key] = times + 1
        return child_seed(self.seed, key, times)

    def _answer(self, evaluation: Evaluation) -> Answer:
        if evaluation.failure is not None:
            return Answer(evaluation, self.failure_reward)
        reward = float(self.reward(evaluation))
        if not math.isfinite(reward):
            failed = replace(evaluation, failure=f"the reward is {reward}")
            return Answer(failed, self.failure_reward)
        return Answer(evaluation, reward)


def child_seed(run_seed: int, key: str, times: int) -> int:
    """The seed of the ``times``-th new training of an architecture, in [0, 2**31).

    Depends on nothing else, so results are the same for any number of workers.
    """
    digest = hashlib.blake2b(f"{run_seed}:{times}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 33


def _complete(
    evaluations: Sequence[Evaluation | None], architectures: Sequence[Architecture[Any]]
) -> Iterator[Evaluation]:
    """``evaluations``, where one that the evaluator never gave is a failure."""
    for evaluation, architecture in zip(evaluations, architectures, strict=True):
        yield evaluation or Evaluation(architecture, failure="error: the evaluator gave no answer")
