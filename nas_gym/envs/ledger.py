"""The one door to an evaluator: counts the budget, answers repeats, seeds children, records.

A resumed run is the same search again, whose first requests are answered from its record.
"""

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, TypedDict, Unpack

from annotated_types import Ge, Gt

from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.recorder import Answer, Claim, Known, Recorder
from nas_gym.envs.rewards import Reward, check_reward, reward_as_float
from nas_gym.errors import BudgetExceeded, InvalidOption, RunDiverged, TimeUp
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Job
from nas_gym.evaluators.guard import Guard
from nas_gym.options import check_all
from nas_gym.options.counts import Machines, Seed
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import Architecture

TIMELESS = 10_000  # requests without a second between them, under a budget of seconds


class LedgerOptions(TypedDict, total=False):
    """The options of a ledger, which both environments take as well; each may be left out.

    Args:
        budget: Evaluations that may be asked for, repeats included; one more raises
            ``BudgetExceeded``. None, the default, for no limit.
        seed: The run's seed, in [0, 2**63) (0 by default), from which the children's seeds follow.
            It is not the agent's seed, which ``reset(seed=…)`` takes.
        failure_reward: Reward of a child that failed; 0 by default.
        record: Told of evaluations and requests before a reward is returned; None, the default, to
            keep nothing.
        budget_seconds: Simulated seconds, > 0 (those that evaluations report, repeats counted
            again), after which nothing more may be asked; the batch in which they run out is still
            answered. None, the default, for no limit.
        simulated_workers: Machines, >= 1 (1 by default), that would train a batch at once: see
            ``SimulatedClock``.
    """

    budget: Annotated[int, Ge(1)] | None
    seed: Seed
    failure_reward: float
    record: Recorder | None
    budget_seconds: Annotated[float, Gt(0)] | None
    simulated_workers: Machines


class Ledger:
    """Answers requests for evaluations; trains each architecture at most once.

    Args:
        evaluator: Gives the numbers. A ``stateful`` one is asked every time.
        reward: From an evaluation to what the agent sees.
        options: See ``LedgerOptions``.

    Raises:
        InvalidOption: An option out of range, or a reward that needs a metric that the evaluator
            does not give.
        UnknownName: No such option.
    """

    def __init__(
        self, evaluator: Evaluator, reward: Reward, **options: Unpack[LedgerOptions]
    ) -> None:
        check_part("evaluator", evaluator)
        check_part("reward", reward)
        given = check_all(LedgerOptions, options)
        check_reward(reward, evaluator)
        self.evaluator = evaluator
        self.reward = reward
        self.budget: int | None = given.get("budget")
        self.budget_seconds: float | None = given.get("budget_seconds")
        self.clock = SimulatedClock(given.get("simulated_workers", 1))
        self.seed: int = given.get("seed", 0)
        self.failure_reward = float(given.get("failure_reward", 0.0))
        self.requests = 0
        self._timeless = 0  # requests since the clock last moved
        self._end = math.inf  # of time.monotonic(), after which nothing is begun
        self._guard = Guard(evaluator)
        self._memo: dict[str, Known] = {}  # by canonical key
        self._trainings: dict[str, int] = {}  # key -> how often it was needed anew
        self.attach(given.get("record"))

    def attach(self, record: Recorder | None) -> None:
        """Write to ``record`` from now on, after answering again what it has already."""
        self.record = Recorder() if record is None else record
        history = self.record.history()
        self._history, self._to_replay = iter(history), len(history)

    def end_at(self, moment: float) -> None:
        """Begin nothing after ``moment`` of ``time.monotonic()``: a request raises ``TimeUp`` then.

        Children in flight are cut if the evaluator can do that (it has ``end_at`` as well); one
        that is trained in this process is waited for. What agents see before does not depend on
        the time, so a run that goes on asks for the same again.
        """
        self._end = moment
        if hasattr(self.evaluator, "end_at"):
            self.evaluator.end_at(moment)

    @property
    def remaining(self) -> float:
        """Requests left; ``math.inf`` if only a budget of seconds limits them, or none does."""
        if self.budget_seconds is not None and self.clock.seconds >= self.budget_seconds:
            return 0
        return math.inf if self.budget is None else self.budget - self.requests

    def request(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Evaluate a batch, and return one answer per architecture in the order given.

        Raises:
            BudgetExceeded: More architectures than ``remaining``; none of them is evaluated.
            TimeUp: The time is over, maybe in the middle of the batch; see ``end_at``.
            RunDiverged: The record answers another architecture than is asked for here.
        """
        self._check_time()
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
        """Return the first of these answers, as far as the record has them."""
        answers = []
        for number, architecture in enumerate(architectures[: self._to_replay], self.requests):
            tokens, known = next(self._history)
            self._to_replay -= 1
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
        """Take answers from whoever has trained these with the same seeds, else evaluate."""
        if not architectures:
            return []
        jobs = [Job(a, self._next_seed(a.key)) for a in architectures]
        answers: dict[int, Answer] = {}
        ours: list[int] = []
        theirs: list[int] = []
        for position, found in enumerate(self.record.claim(jobs)):
            if isinstance(found, Evaluation):
                answers[position] = self._rewarded(self._guard.recorded(found))
            else:
                (ours if found is Claim.OURS else theirs).append(position)
        self._train(jobs, ours, answers)
        # Only now: whoever waits holds nothing that others could be waiting for.
        for position in theirs:
            found = self.record.wait(jobs[position], until=self._end)
            self._check_time()
            if isinstance(found, Evaluation):
                answers[position] = self._rewarded(self._guard.recorded(found))
            else:
                self._train(jobs, [position], answers)
        return [answers[position] for position in range(len(jobs))]

    def _train(
        self, jobs: Sequence[Job], positions: Sequence[int], answers: dict[int, Answer]
    ) -> None:
        """Ask the evaluator; its answers arrive in any order, and are recorded as they do."""
        left = len(positions)
        for position, evaluation in self._guard.evaluations({p: jobs[p] for p in positions}):
            reward = self.failure_reward
            try:
                answers[position] = self._rewarded(evaluation)
                reward = answers[position].reward
            finally:  # even if the reward raises: the child was paid for
                self.record.evaluated(Answer(evaluation, reward), jobs[position].seed)
            left -= 1
            if left and not hasattr(self.evaluator, "end_at"):  # which says how many were cut
                self._check_time()

    def _check_time(self) -> None:
        if self._end < math.inf and time.monotonic() >= self._end:
            raise TimeUp

    def _rewarded(self, evaluation: Evaluation) -> Answer:
        """Return the evaluation with its reward; a failure to the agent if that is not finite."""
        if evaluation.failure is not None:
            return Answer(evaluation, self.failure_reward)
        reward = reward_as_float(self.reward(evaluation))
        if not math.isfinite(reward):
            failed = replace(evaluation, failure=f"error: the reward is {reward}")
            return Answer(failed, self.failure_reward)
        return Answer(evaluation, reward)

    def _next_seed(self, key: str) -> int:
        times = self._trainings.get(key, 0)
        self._trainings[key] = times + 1
        return child_seed(self.seed, key, times)


def _recalled(architecture: Architecture[Any], known: Known, source: str) -> Answer:
    """Return a known answer again, as that of an architecture with the same key."""
    evaluation = Evaluation(
        architecture, known.metrics, known.seconds, source, known.failure, known.detail
    )
    return Answer(evaluation, known.reward)


def child_seed(run_seed: int, key: str, times: int) -> int:
    """Return the seed of the ``times``-th new training of an architecture, in [0, 2**31).

    It depends on nothing else, so results are the same for any number of workers.
    """
    digest = hashlib.blake2b(f"{run_seed}:{times}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 33
