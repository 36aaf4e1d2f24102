"""The one door to an evaluator: counts the budget, answers repeats, seeds children, records.

A resumed run is the same search again, whose first requests are answered from its record.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple, TypedDict, Unpack

from annotated_types import Ge, Gt, Interval

from nas_gym.envs.budget import Budget
from nas_gym.envs.children import Children
from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.memo import Memo, known_of, may_answer, recalled
from nas_gym.envs.recorder import Answer, Claim, Recorder
from nas_gym.envs.rewards import Reward, check_reward, reward_as_float
from nas_gym.errors import RunDiverged, TimeUp
from nas_gym.evaluators.evaluation import WHOLE, Evaluation, Evaluator, Job, all_epochs, most_epochs
from nas_gym.evaluators.guard import Guard
from nas_gym.options import check, check_all
from nas_gym.options.counts import Machines, Seed
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import Architecture


class LedgerOptions(TypedDict, total=False):
    """The options of a ledger, which environments take as well; each may be left out.

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
        budget_epochs: Epochs of training, >= 1, after which nothing more may be asked; the batch in
            which they run out is still answered. Of a child that goes on only the new epochs
            count, and a repeat that the memo answers costs none. None, the default, for no limit.
    """

    budget: Annotated[int, Ge(1)] | None
    seed: Seed
    failure_reward: float
    record: Recorder | None
    budget_seconds: Annotated[float, Gt(0)] | None
    simulated_workers: Machines
    budget_epochs: Annotated[int, Ge(1)] | None


class Asked(NamedTuple):
    """A request: an architecture, and how far it is to be trained."""

    architecture: Architecture[Any]
    epochs: int  # 0: to the end


class Ledger:
    """Answers requests for evaluations; trains each architecture at most once.

    Args:
        evaluator: Gives the numbers. A ``stateful`` one is asked every time.
        reward: From an evaluation to what the agent sees.
        options: See ``LedgerOptions``.

    Raises:
        InvalidOption: An option out of range, a reward that needs a metric that the evaluator
            does not give, or a budget of epochs for an evaluator that has none.
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
        self.budget = Budget(
            given.get("budget"),
            given.get("budget_seconds"),
            given.get("budget_epochs"),
            given.get("simulated_workers", 1),
        )
        self.seed: int = given.get("seed", 0)
        self.failure_reward = float(given.get("failure_reward", 0.0))
        self.asked = self.in_part = False  # for anything yet; for children in part
        if self.budget.epochs is not None:
            most_epochs(evaluator)  # or that is refused
        self._end = math.inf  # of time.monotonic(), after which nothing is begun
        self._guard = Guard(evaluator)
        self._lives = getattr(evaluator, "replayed", None) if evaluator.stateful else None
        self._memo = Memo()
        self._children = Children(self.seed, evaluator.stateful)
        self.attach(given.get("record"))

    def attach(self, record: Recorder | None) -> None:
        """Write to ``record`` from now on, after answering again what it has already."""
        self.record = Recorder() if record is None else record
        history = self.record.history()
        self._history, self._to_replay = iter(history), len(history)

    def settle(self) -> None:
        """Let the evaluator find what concerns all children; raise NASGymError if it cannot."""
        self._guard.settle()

    def end_at(self, moment: float) -> None:
        """Begin nothing after ``moment`` of ``time.monotonic()``: a request raises ``TimeUp`` then.

        Children in flight are cut if the evaluator can do that (it has ``end_at`` as well); one
        that is trained in this process is waited for.
        """
        self._end = moment
        if hasattr(self.evaluator, "end_at"):
            self.evaluator.end_at(moment)

    @property
    def remaining(self) -> float:
        """Requests left; ``math.inf`` if only seconds or epochs limit them, or nothing does."""
        return self.budget.remaining

    @property
    def requests(self) -> int:
        """Requests that were answered."""
        return self.budget.requests

    @property
    def clock(self) -> SimulatedClock:
        """Time that the evaluations so far would have taken: ``seconds``, ``busy_seconds``."""
        return self.budget.clock

    @property
    def most_epochs(self) -> int:
        """The epochs of a whole training; raises InvalidOption if the evaluator has no parts."""
        return most_epochs(self.evaluator)

    def request(
        self, architectures: Sequence[Architecture[Any]], epochs: Sequence[int] | None = None
    ) -> list[Answer]:
        """Evaluate a batch, and return one answer per architecture in the order given.

        Args:
            architectures: What is asked for.
            epochs: How far each is to be trained, from 1 to ``most_epochs``; None: to the end.

        Raises:
            InvalidOption: Epochs that a training does not have; nothing is evaluated.
            BudgetExceeded: More architectures than ``remaining``; none of them is evaluated.
            TimeUp: The time is over, maybe in the middle of the batch; see ``end_at``.
            RunDiverged: The record answers another architecture than is asked for here.
        """
        self._check_time()
        self.budget.check(len(architectures))
        asked = self._asked(architectures, epochs)
        self.asked = True
        replayed = self._replay(asked)
        answers = self._answers(asked[len(replayed) :])
        if answers:
            self.record.requested(self.budget.requests + len(replayed), answers)
        everything = replayed + answers
        self.budget.spend([answer.evaluation.seconds for answer in everything])
        return everything

    def _asked(
        self, architectures: Sequence[Architecture[Any]], epochs: Sequence[int] | None
    ) -> list[Asked]:
        """Return what is asked for; whole trainings have 0 epochs, however they are asked for."""
        if epochs is None:
            return [Asked(architecture, 0) for architecture in architectures]
        ends = [self.checked_epochs(end) for end in epochs]
        return [
            Asked(architecture, 0 if end == self.most_epochs else end)
            for architecture, end in zip(architectures, ends, strict=True)
        ]

    def checked_epochs(self, epochs: Any) -> int:
        """Return a number of epochs; raise InvalidOption if a training does not have so many."""
        checked: int = check("epochs", epochs, Annotated[int, Interval(ge=1, le=self.most_epochs)])
        return checked

    def close(self) -> None:
        """Close the evaluator."""
        self.evaluator.close()

    def _replay(self, asked: Sequence[Asked]) -> list[Answer]:
        """Return the first of these answers, as far as the record has them."""
        answers = []
        for number, (architecture, epochs) in enumerate(
            asked[: self._to_replay], self.budget.requests
        ):
            tokens, known = next(self._history)
            self._to_replay -= 1
            if tokens != architecture.tokens:
                raise RunDiverged(number, tokens, architecture.tokens)
            if not may_answer(known, epochs):
                raise RunDiverged(number, tokens, tokens, (known.epochs, epochs))
            if self.evaluator.stateful or self._memo.get(architecture.key, epochs) is None:
                self._lived_through(self._job(architecture, epochs))
            self._memo.keep(architecture.key, epochs, known)
            answers.append(recalled(architecture, known, "replay"))
        if answers:
            self.record.replayed(self.budget.requests, answers)
        return answers

    def _answers(self, asked: Sequence[Asked]) -> list[Answer]:
        if self.evaluator.stateful:
            return self._evaluate(asked)
        new: dict[tuple[str, int], Asked] = {}
        for architecture, epochs in asked:
            if self._memo.get(architecture.key, epochs) is None:  # the first of equals is evaluated
                new.setdefault((architecture.key, epochs), Asked(architecture, epochs))
        fresh = dict(zip(new, self._evaluate(list(new.values())), strict=True))
        for (key, epochs), answer in fresh.items():
            self._memo.keep(key, epochs, known_of(answer))
        return [self._first(each, fresh) for each in asked]

    def _first(self, asked: Asked, fresh: dict[tuple[str, int], Answer]) -> Answer:
        """Return a fresh answer to the first request for it, and the memo's to others."""
        architecture, epochs = asked
        if (architecture.key, epochs) in fresh:
            return fresh.pop((architecture.key, epochs))
        known = self._memo.get(architecture.key, epochs)
        assert known is not None
        return recalled(architecture, known, "memo")

    def _job(self, architecture: Architecture[Any], epochs: int) -> Job:
        """Return the training that answers, whose new epochs are paid for now."""
        seed, fidelity = self._children.next(architecture.key, epochs)
        self.in_part = self.in_part or fidelity != WHOLE
        if whole := all_epochs(self.evaluator):
            self.budget.paid_epochs += (epochs or whole) - fidelity.begun
        return Job(architecture, seed, fidelity)

    def _evaluate(self, asked: Sequence[Asked]) -> list[Answer]:
        """Take answers from whoever has trained these with the same seeds, else evaluate."""
        if not asked:
            return []
        jobs = [self._job(*each) for each in asked]
        answers: dict[int, Answer] = {}
        ours: list[int] = []
        theirs: list[int] = []
        for position, found in enumerate(self.record.claim(jobs)):
            if isinstance(found, Evaluation):
                answers[position] = self._rewarded(self._guard.recorded(found))
                self._lived_through(jobs[position])
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
        for position, evaluation in self._asked_of_evaluator(jobs, positions):
            answers[position] = self._judged(evaluation, jobs[position].seed)
            left -= 1
            if left and not hasattr(self.evaluator, "end_at"):  # which says how many were cut
                self._check_time()

    def _asked_of_evaluator(
        self, jobs: Sequence[Job], positions: Sequence[int]
    ) -> Iterator[tuple[int, Evaluation]]:
        """Yield what the evaluator answers; one that lives through requests gets one at a time."""
        if self._lives is None:
            yield from self._guard.evaluations({p: jobs[p] for p in positions})
            return
        for position in positions:
            yield from self._guard.evaluations({position: jobs[position]})

    def _lived_through(self, job: Job) -> None:
        """Tell an evaluator that keeps state of a request that a record answered."""
        if self._lives is not None:
            self._lives(job.architecture, job.seed)

    def _check_time(self) -> None:
        if self._end < math.inf and time.monotonic() >= self._end:
            raise TimeUp

    def _judged(self, evaluation: Evaluation, seed: int) -> Answer:
        """Return a new evaluation with its reward, recorded."""
        reward = self.failure_reward
        try:
            answer = self._rewarded(evaluation)
            reward = answer.reward
            return answer
        finally:  # even if the reward raises: the child was paid for
            self.record.evaluated(Answer(evaluation, reward), seed)

    def _rewarded(self, evaluation: Evaluation) -> Answer:
        """Return the evaluation with its reward; a failure to the agent if that is not finite."""
        if evaluation.failure is not None:
            return Answer(evaluation, self.failure_reward)
        reward = reward_as_float(self.reward(evaluation))
        if not math.isfinite(reward):
            failed = replace(evaluation, failure=f"error: the reward is {reward}")
            return Answer(failed, self.failure_reward)
        return Answer(evaluation, reward)
