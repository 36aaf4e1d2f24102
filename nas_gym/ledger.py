"""The one door to an evaluator: counts the budget, answers repeats, seeds children, records."""

import hashlib
import math
from collections.abc import Mapping, Sequence
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
    reward: float


class Record(Protocol):
    """Where a run is written down; durable when a call returns."""

    def evaluated(self, answer: Answer, seed: int) -> None:
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
        answers = self._answers(architectures)
        if self.record is not None:
            self.record.requested(self.requests, answers)
        self.requests += len(answers)
        return answers

    def close(self) -> None:
        """Close the evaluator."""
        self.evaluator.close()

    def _answers(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        if self.evaluator.stateful:
            return self._evaluate(architectures)
        new: dict[str, Architecture[Any]] = {}
        for architecture in architectures:
            if architecture.key not in self._memo:
                new.setdefault(architecture.key, architecture)  # of equals the first is evaluated
        answers = self._evaluate(list(new.values()))
        fresh = dict(zip(new, answers, strict=True))
        for key, (evaluation, reward) in fresh.items():
            self._memo[key] = _Known(
                evaluation.metrics, evaluation.seconds, evaluation.failure, reward
            )
        return [fresh.pop(a.key) if a.key in fresh else self._recall(a) for a in architectures]

    def _recall(self, architecture: Architecture[Any]) -> Answer:
        metrics, seconds, failure, reward = self._memo[architecture.key]
        return Answer(Evaluation(architecture, metrics, seconds, "memo", failure), reward)

    def _evaluate(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Ask the evaluator; its answers arrive in any order and are put into the order asked."""
        if not architectures:
            return []
        seeds = [self._next_seed(a.key) for a in architectures]
        waiting: dict[tuple[int, ...], list[int]] = {}
        for position, architecture in enumerate(architectures):
            waiting.setdefault(architecture.tokens, []).append(position)
        answers: dict[int, Answer] = {}
        for evaluation in self.evaluator.evaluate(architectures, seeds):
            if not isinstance(evaluation, Evaluation):
                raise InvalidOption(
                    f"the evaluator gave {evaluation!r}: an evaluator yields Evaluation objects"
                )
            asked = waiting.get(evaluation.architecture.tokens)
            if not asked:
                raise InvalidOption(
                    f"the evaluator answered {evaluation.architecture.tokens} once more than it "
                    "was asked: an evaluator yields one Evaluation an architecture"
                )
            position = asked.pop(0)
            answers[position] = self._answer(evaluation, seeds[position])
        for position, architecture in enumerate(architectures):
            if position not in answers:
                silent = Evaluation(architecture, failure="error: the evaluator gave no answer")
                answers[position] = self._answer(silent, seeds[position])
        return [answers[position] for position in range(len(architectures))]

    def _answer(self, evaluation: Evaluation, seed: int) -> Answer:
        """The evaluation with its reward, recorded; a failure where a number is not finite."""
        failure = evaluation.failure or _not_finite(evaluation.metrics)
        if failure is not None:
            failed = replace(evaluation, metrics={}, failure=failure)
            return self._recorded(Answer(failed, self.failure_reward), seed)
        try:
            reward = float(self.reward(evaluation))
        except Exception:
            self._recorded(Answer(evaluation, self.failure_reward), seed)  # the child was paid for
            raise
        if not math.isfinite(reward):
            failed = replace(evaluation, failure=f"the reward is {reward}")
            return self._recorded(Answer(failed, self.failure_reward), seed)
        return self._recorded(Answer(evaluation, reward), seed)

    def _recorded(self, answer: Answer, seed: int) -> Answer:
        if self.record is not None:
            self.record.evaluated(answer, seed)
        return answer

    def _next_seed(self, key: str) -> int:
        times = self._trainings.get(key, 0)
        self._trainings[key] = times + 1
        return child_seed(self.seed, key, times)


def child_seed(run_seed: int, key: str, times: int) -> int:
    """The seed of the ``times``-th new training of an architecture, in [0, 2**31).

    Depends on nothing else, so results are the same for any number of workers.
    """
    digest = hashlib.blake2b(f"{run_seed}:{times}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 33


def _not_finite(metrics: Mapping[str, float]) -> str | None:
    """What is wrong with the metrics, if anything is."""
    for name, value in metrics.items():
        try:
            finite = math.isfinite(value)
        except TypeError:
            finite = False
        if not finite:
            return f"error: the metric {name} is {value!r}"
    return None
