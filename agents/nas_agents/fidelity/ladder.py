"""The ledger that an agent sees whose proposals climb a ladder of epochs.

Rewards of different epochs do not compare, so the agent that proposes gets none of them: its reward
is the rank of its proposal among all that were trained as far, in (0, 1), moved up by the rungs
that the proposal climbed.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nas_agents.fidelity.rungs import Rung
from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.recorder import Answer
from nas_gym.search_spaces.architecture import Architecture

STALE = 1_000  # proposals in a row of what was proposed before: the agent has converged


class LadderOver(Exception):
    """The budget is spent, or the agent proposes nothing new, in the middle of a request."""


class Ladder(ABC):
    """A front ledger that trains proposals in part, and some of them further.

    Args:
        ledger: Answers.
        epochs: Of the rungs, fewest first.
        factor: One of so many goes on.
    """

    def __init__(self, ledger: Ledger, epochs: Sequence[int], factor: int) -> None:
        self.ledger = ledger
        self.rungs = [Rung(each) for each in epochs]
        self.factor = factor
        self.requests = 0  # proposals that were answered
        self.architectures: list[Architecture[Any]] = []  # of the trials
        self.reached: list[int] = []  # the rung of each trial
        self._trials: dict[str, int] = {}  # by canonical key
        self._furthest: dict[int, Answer] = {}  # of each trial, on the highest rung it reached
        self._stale = 0

    @property
    def remaining(self) -> float:
        """Requests left in the budget."""
        return self.ledger.remaining

    @property
    def failure_reward(self) -> float:
        """NaN: a child that failed ranks lowest, which is no reward of its own."""
        return math.nan

    @property
    def clock(self) -> SimulatedClock:
        """Time that the evaluations so far would have taken."""
        return self.ledger.clock

    def request(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Train proposals as far as the ladder says, and return one answer for each.

        Raises:
            LadderOver: The budget does not last, or there was nothing new for long.
        """
        trials = self.climb(list(architectures))
        self.requests += len(architectures)
        return [
            Answer(
                replace(self._furthest[trial].evaluation, architecture=proposal),
                self.standing(trial),
            )
            for proposal, trial in zip(architectures, trials, strict=True)
        ]

    @abstractmethod
    def climb(self, proposals: list[Architecture[Any]]) -> list[int]:
        """Train the proposals as far as they are to go, and return the trial of each."""

    def begin(self, proposal: Architecture[Any], rung: int = 0) -> int:
        """Return the trial of a proposal that begins on a rung.

        It is the architecture's if it has one. Where a repeat is another training, one that went
        beyond the rung without a result there is left as it is: a new trial begins.
        """
        trial = self._trials.setdefault(proposal.key, len(self.architectures))
        if (
            self.repeats_are_new
            and trial < len(self.architectures)
            and self.reached[trial] > rung
            and trial not in self.rungs[rung].results
        ):
            trial = self._trials[proposal.key] = len(self.architectures)
        if trial == len(self.architectures):
            self.architectures.append(proposal)
            self.reached.append(-1)
        return trial

    @property
    def repeats_are_new(self) -> bool:
        """Whether the evaluator would train anew, and be paid, for what it was asked before."""
        return self.ledger.evaluator.stateful

    def knows(self, trial: int, rung: int) -> bool:
        """Return whether a trial has a result on a rung, which is not to be asked for again.

        Never where the memo answers repeats. A trial that failed has failed on all higher rungs.
        """
        if not self.repeats_are_new:
            return False
        results, reached = self.rungs[rung].results, self.reached[trial]
        if 0 <= reached < rung and self.rungs[reached].results[trial] == -math.inf:
            self.note(trial, rung, self._furthest[trial])
        return trial in results

    def train(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Train trials up to rungs, as one batch, and note their results.

        Where a repeat is another training, those that are known on their rung are left out.

        Args:
            jobs: Pairs of a trial and a rung.

        Raises:
            LadderOver: The budget does not last for all of them; the first ones are trained.
        """
        asked = len(jobs)
        if self.repeats_are_new:
            jobs = list(dict.fromkeys(job for job in jobs if not self.knows(*job)))
        left = self.ledger.remaining
        if left < len(jobs):
            if left > 0:
                self.train(jobs[: int(left)])
            raise LadderOver
        trials = [self.architectures[trial] for trial, _ in jobs]
        epochs = [self.rungs[rung].epochs for _, rung in jobs]
        paid = self.ledger.budget.paid_epochs
        answers = self.ledger.request(trials, epochs) if jobs else []
        self.tire(asked, self.ledger.budget.paid_epochs > paid)
        for (trial, rung), answer in zip(jobs, answers, strict=True):
            self.note(trial, rung, answer)

    def tire(self, asked: int, paid: bool) -> None:
        """Count what was asked for in a row and cost nothing; raise LadderOver if it is a lot."""
        self._stale = 0 if paid else self._stale + asked
        if self._stale > STALE:
            raise LadderOver

    def note(self, trial: int, rung: int, answer: Answer) -> None:
        """Note the result of a trial on a rung."""
        if trial not in self.rungs[rung].results:
            failed = answer.evaluation.failure is not None
            self.rungs[rung].add(trial, -math.inf if failed else answer.reward)
        if rung >= self.reached[trial]:
            self.reached[trial], self._furthest[trial] = rung, answer

    def standing(self, trial: int) -> float:
        """Return the reward of a proposal: its rung, and its rank there, in (0, 1)."""
        rung = self.reached[trial]
        return (rung + self.rungs[rung].standing(trial)) / len(self.rungs)
