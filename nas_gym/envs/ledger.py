"""The one door to an evaluator: counts the budget, answers repeats, seeds children, records.

A resumed run is the same search again, whose first requests are answered from its record.
"""

import hashlib
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.recorder import Answer, Claim, Known, Record
from nas_gym.envs.rewards import Reward
from nas_gym.errors import BudgetExceeded, InvalidOption, NASGymError, RunDiverged
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Job
from nas_gym.evaluators.failures import failed
from nas_gym.evaluators.metrics import is_test_figure
from nas_gym.search_spaces.architecture import Architecture

TIMELESS = 10_000  # requests without a second between them, under a budget of seconds


class Ledger:
    """Answers requests for evaluations, each architecture trained at most once.

    Args:
        evaluator: Gives the numbers. A ``stateful`` one is asked every time.
        reward: From an evaluation to what the agent sees.
        budget: Requests that may be made, repeats included; None for no limit.
        seed: The run's seed, from which child seeds follow.
        failure_reward: The reward of a child that failed.
        record: Written before a reward is returned; None to keep nothing.
        budget_seconds: Simulated seconds after which nothing more may be asked; None for no limit.
            The batch in which they run out is still answered.
        simulated_workers: Machines of the simulated clock: see ``SimulatedClock``.
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
        budget_seconds: float | None = None,
        simulated_workers: int = 1,
    ) -> None:
        if budget is not None and (not isinstance(budget, int) or budget < 1):
            raise InvalidOption(f"the budget is {budget!r}: give a whole number of 1 or more")
        if not math.isfinite(failure_reward):
            raise InvalidOption(f"failure_reward is {failure_reward}: give a finite number")
        if budget_seconds is not None and not 0 < budget_seconds < math.inf:
            raise InvalidOption(f"budget_seconds is {budget_seconds}: give a number above 0")
        self.evaluator = evaluator
        self.reward = reward
        self.budget = budget
        self.budget_seconds = budget_seconds
        self.clock = SimulatedClock(simulated_workers)
        self._timeless = 0  # requests since the clock last moved
        self.seed = seed
        self.failure_reward = float(failure_reward)
        self.requests = 0
        self._harmless: set[tuple[str, ...]] = set()  # names of metrics that may be seen
        self._memo: dict[str, Known] = {}  # by canonical key
        self._trainings: dict[str, int] = {}  # key -> how often it was needed anew
        self.attach(record)

    def attach(self, record: Record | None) -> None:
        """Write to ``record`` from now on, after answering again what it has already."""
        self.record = Record() if record is None else record
        self._history = deque(self.record.history())

    @property
    def remaining(self) -> float:
        """Requests left; ``math.inf`` without a budget, or while one of seconds alone lasts."""
        if self.budget_seconds is not None and self.clock.seconds >= self.budget_seconds:
            return 0
        return math.inf if self.budget is None else self.budget - self.requests

    def request(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Evaluate a batch; one answer an architecture, in the order given.

        Raises:
            BudgetExceeded: More architectures than ``remaining``; none of them is evaluated.
            RunDiverged: The record answers another architecture than is asked for here.
        """
        if len(architectures) > self.remaining:
            raise BudgetExceeded(self._exceeded(len(architectures)))
        replayed = self._replay(architectures)
        answers = self._answers(architectures[len(replayed) :])
        if answers:
            self.record.requested(self.requests + len(replayed), answers)
        self.requests += len(architectures)
        everything = replayed + answers
        self._pass_time(everything)
        return everything

    def _pass_time(self, answers: Sequence[Answer]) -> None:
        before = self.clock.seconds
        self.clock.add([answer.evaluation.seconds for answer in answers])
        self._timeless = self._timeless + len(answers) if self.clock.seconds == before else 0
        if self.budget_seconds is not None and self._timeless > TIMELESS:
            raise InvalidOption(
                f"the last {self._timeless:,} evaluations took no time, so the budget of "
                f"{self.budget_seconds} seconds never ends: give a budget of evaluations"
            )

    def _exceeded(self, asked: int) -> str:
        if self.remaining == 0 and self.budget_seconds is not None:
            return (
                f"{asked} evaluations were asked for after {self.clock.seconds:.1f} simulated "
                f"seconds, but the budget is {self.budget_seconds}: stop when `remaining` is 0"
            )
        return (
            f"{asked} evaluations were asked for, but only {self.remaining} of "
            f"the budget of {self.budget} are left: stop when `remaining` is 0"
        )

    def close(self) -> None:
        """Close the evaluator."""
        self.evaluator.close()

    def _replay(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """The first of these answers, as far as the record has them."""
        answers = []
        for number, architecture in enumerate(architectures[: len(self._history)], self.requests):
            tokens, known = self._history.popleft()
            if tokens != architecture.tokens:
                raise RunDiverged(number, tokens, architecture.tokens)
            if self.evaluator.stateful or architecture.key not in self._memo:
                self._next_seed(architecture.key)
            self._memo.setdefault(architecture.key, known)
            answers.append(_recalled(architecture, known, "replay"))
        if answers:
            self.record.replayed(self.requests, answers)
        return answers

    def _answers(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        if self.evaluator.stateful:
            return self._evaluate(architectures)
        new: dict[str, Architecture[Any]] = {}
        for architecture in architectures:
            if architecture.key not in self._memo:
                new.setdefault(architecture.key, architecture)  # of equals the first is evaluated
        fresh = dict(zip(new, self._evaluate(list(new.values())), strict=True))
        for key, (evaluation, reward) in fresh.items():
            self._memo[key] = Known(
                evaluation.metrics,
                evaluation.seconds,
                evaluation.failure,
                evaluation.detail,
                reward,
            )
        return [
            fresh.pop(a.key) if a.key in fresh else _recalled(a, self._memo[a.key], "memo")
            for a in architectures
        ]

    def _evaluate(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Answers from whoever has trained these under the same seeds, else from the evaluator."""
        if not architectures:
            return []
        jobs = [Job(a, self._next_seed(a.key)) for a in architectures]
        answers: dict[int, Answer] = {}
        ours: list[int] = []
        theirs: list[int] = []
        for position, found in enumerate(self.record.claim(jobs)):
            if isinstance(found, Evaluation):
                answers[position] = self._rewarded(found)
            else:
                (ours if found is Claim.OURS else theirs).append(position)
        self._train(jobs, ours, answers)
        # Only now: whoever waits holds nothing that others could be waiting for.
        for position in theirs:
            found = self.record.wait(jobs[position])
            if isinstance(found, Evaluation):
                answers[position] = self._rewarded(found)
            else:
                self._train(jobs, [position], answers)
        return [answers[position] for position in range(len(jobs))]

    def _train(
        self, jobs: Sequence[Job], positions: Sequence[int], answers: dict[int, Answer]
    ) -> None:
        """Ask the evaluator; its answers arrive in any order, and are recorded as they do."""
        # Answers are known by their tokens: what is asked twice (under two seeds) is asked in turn.
        waiting: dict[tuple[int, ...], int] = {}
        later = []
        for position in positions:
            tokens = jobs[position].architecture.tokens
            if waiting.setdefault(tokens, position) != position:
                later.append(position)
        if waiting:
            self._train_different(jobs, waiting, answers)
            self._train(jobs, later, answers)

    def _train_different(
        self,
        jobs: Sequence[Job],
        waiting: dict[tuple[int, ...], int],
        answers: dict[int, Answer],
    ) -> None:
        positions = list(waiting.values())
        architectures, seeds = zip(*(jobs[position] for position in positions), strict=True)
        for evaluation in self._evaluations(architectures, seeds):
            if not isinstance(evaluation, Evaluation):
                raise InvalidOption(
                    f"the evaluator gave {evaluation!r}: an evaluator yields Evaluation objects"
                )
            position = waiting.pop(evaluation.architecture.tokens, -1)
            if position < 0:
                raise InvalidOption(
                    f"the evaluator answered {evaluation.architecture.tokens} once more than it "
                    "was asked: an evaluator yields one Evaluation an architecture"
                )
            answers[position] = self._answer(evaluation, jobs[position].seed)
        for position in positions:
            if position not in answers:
                architecture, seed = jobs[position]
                silent = Evaluation(architecture, failure="error: the evaluator gave no answer")
                answers[position] = self._answer(silent, seed)

    def _evaluations(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """The evaluator's answers; where it raises, those without one are asked for one by one.

        One that raises alone has failed, as it would in a worker process.
        """
        answered = set()
        try:
            for evaluation in self.evaluator.evaluate(architectures, seeds):
                if isinstance(evaluation, Evaluation):
                    answered.add(evaluation.architecture.tokens)
                yield evaluation
            return
        except NASGymError:
            raise
        except Exception as error:
            if len(architectures) == 1:
                yield failed(architectures[0], error, 0.0)
                return
        for architecture, seed in zip(architectures, seeds, strict=True):
            if architecture.tokens not in answered:
                yield from self._evaluations([architecture], [seed])

    def _answer(self, evaluation: Evaluation, seed: int) -> Answer:
        """The evaluation with its reward; recorded as the evaluator gave it.

        Raises:
            InvalidOption: The evaluation has a figure of the test part.
        """
        self._check_names(tuple(evaluation.metrics))
        failure = evaluation.failure or _not_finite(evaluation.metrics)
        if failure is not None:
            evaluation = replace(evaluation, metrics={}, failure=failure)
        reward = self.failure_reward
        try:
            answer = self._rewarded(evaluation)
            reward = answer.reward
        finally:  # also where the reward raises: the child was paid for
            self.record.evaluated(Answer(evaluation, reward), seed)
        return answer

    def _check_names(self, names: tuple[str, ...]) -> None:
        if names in self._harmless:
            return
        for name in names:
            if is_test_figure(name):
                raise InvalidOption(
                    f"the evaluator reports {name!r}: no search may see a figure of the test part, "
                    "so leave it out of the metrics, or rename it if it is a validation figure"
                )
        self._harmless.add(names)

    def _rewarded(self, evaluation: Evaluation) -> Answer:
        """The evaluation with its reward; a failure for the agent where that is not finite."""
        if evaluation.failure is not None:
            return Answer(evaluation, self.failure_reward)
        reward = float(self.reward(evaluation))
        if not math.isfinite(reward):
            failed = replace(evaluation, failure=f"error: the reward is {reward}")
            return Answer(failed, self.failure_reward)
        return Answer(evaluation, reward)

    def _next_seed(self, key: str) -> int:
        times = self._trainings.get(key, 0)
        self._trainings[key] = times + 1
        return child_seed(self.seed, key, times)


def _recalled(architecture: Architecture[Any], known: Known, source: str) -> Answer:
    evaluation = Evaluation(
        architecture, known.metrics, known.seconds, source, known.failure, known.detail
    )
    return Answer(evaluation, known.reward)


def child_seed(run_seed: int, key: str, times: int) -> int:
    """The seed of the ``times``-th new training of an architecture, in [0, 2**31).

    Depends on nothing else, so results are the same for any number of workers.
    """
    digest = hashlib.blake2b(f"{run_seed}:{times}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 33


def _not_finite(metrics: Mapping[str, float]) -> str | None:
    """What is wrong with the metrics, if anything is."""
    try:
        if all(map(math.isfinite, metrics.values())):
            return None
    except TypeError:
        pass
    for name, value in metrics.items():
        try:
            finite = math.isfinite(value)
        except TypeError:
            finite = False
        if not finite:
            return f"error: the metric {name} is {value!r}"
    return None
