"""ASHA as it was meant (Li et al. 2020): each free worker trains a trial further, or a new one.

The ladders of ``asynchronous`` decide the same, for the places of a batch.
"""

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from nas_agents.fidelity.asynchronous import PromotionLadder, StoppingLadder
from nas_agents.fidelity.ladder import Ladder
from nas_gym.envs.async_ledger import AsyncLedger
from nas_gym.envs.recorder import Answer
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.architecture import Architecture


class FlyingLadder(Ladder):
    """A ladder whose trials are in flight, each on a rung.

    Args:
        ledger: Answers.
        epochs: Of the rungs, fewest first.
        factor: One of so many goes on.
    """

    ledger: AsyncLedger

    def __init__(self, ledger: AsyncLedger, epochs: Sequence[int], factor: int) -> None:
        super().__init__(ledger, epochs, factor)
        self._numbers = count()
        self._flying: dict[int, tuple[int, int]] = {}  # ticket of the ledger: trial and rung
        self._proposed: dict[int, deque[tuple[int, Architecture[Any]]]] = {}  # not answered
        self._answers: deque[tuple[int, Answer]] = deque()  # not handed over
        self._unasked: set[int] = set()  # tickets not handed over, of what was asked for before

    @property
    def waiting(self) -> int:
        """Trials in flight, and answers that were not handed over."""
        return len(self._flying) + len(self._answers)

    @property
    def free(self) -> int:
        """Requests that would be begun at once."""
        return max(0, self.ledger.free - len(self._unasked))

    @property
    def in_flight(self) -> int:
        """Children that are trained at once."""
        return self.ledger.in_flight

    def submit(self, architecture: Architecture[Any], epochs: int | None = None) -> int:
        """Ask for a proposal, which begins on the lowest rung; return the number of its ticket."""
        if epochs is not None:
            raise InvalidOption(
                f"epochs is {epochs}, and this ladder says how far a proposal is trained: leave "
                "them out"
            )
        ticket, trial = next(self._numbers), self.begin(architecture)
        proposals = self._proposed.setdefault(trial, deque())
        proposals.append((ticket, architecture))
        if not self.repeats_are_new or not (len(proposals) > 1 or self.knows(trial, 0)):
            self._fly(trial, 0)
            return ticket
        self._unasked.add(ticket)  # its answer is known, or comes with that of an earlier proposal
        self.tire(1, paid=False)
        if len(proposals) == 1:
            self.go_on(trial, 0)
        return ticket

    def collect(self, count: int = 1, timeout: float | None = None) -> list[tuple[int, Answer]]:
        """Hand over answers to proposals, and train further what is good enough by then.

        Raises:
            LadderOver: There was nothing new for long.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while len(self._answers) < count and self._flying:
            left = None if until is None else max(0.0, until - time.monotonic())
            handed = self.ledger.collect(1, left)
            if not handed:
                break
            ((ticket, answer),) = handed
            trial, rung = self._flying.pop(ticket)
            self.note(trial, rung, answer)
            self.go_on(trial, rung)
        given = [self._answers.popleft() for _ in range(min(count, len(self._answers)))]
        self._unasked.difference_update(ticket for ticket, _ in given)
        return given

    @abstractmethod
    def go_on(self, trial: int, rung: int) -> None:
        """Decide what follows from a result."""

    def _fly(self, trial: int, rung: int) -> None:
        paid = self.ledger.budget.paid_epochs
        ticket = self.ledger.submit(self.architectures[trial], self.rungs[rung].epochs)
        self._flying[ticket] = trial, rung
        self.tire(1, self.ledger.budget.paid_epochs > paid)

    def _answer(self, trial: int) -> None:
        """Answer all proposals of a trial."""
        evaluation = self._furthest[trial].evaluation
        for ticket, proposal in self._proposed.pop(trial, ()):
            self.requests += 1
            answer = Answer(replace(evaluation, architecture=proposal), self.standing(trial))
            self._answers.append((ticket, answer))


class FlyingPromotion(FlyingLadder, PromotionLadder):
    """Algorithm 2: whoever is good enough by now is trained further, before new ones begin."""

    def go_on(self, trial: int, rung: int) -> None:
        """Answer a proposal after its lowest rung; begin the promotions that are due."""
        if rung == 0:
            self._answer(trial)
        while self.ledger.remaining > 0 and (promoted := self.promotion()) is not None:
            self._fly(*promoted)


class FlyingStopping(FlyingLadder, StoppingLadder):
    """Section 3.3: a child is trained on until it is not among the best at a rung."""

    def go_on(self, trial: int, rung: int) -> None:
        """Train on, or answer."""
        above = rung + 1
        climbs = above < len(self.rungs) and self.rungs[rung].goes_on(trial, self.factor)
        if climbs and self.reached[trial] < above and self.ledger.remaining > 0:
            self._fly(trial, above)
        else:
            self._answer(trial)
