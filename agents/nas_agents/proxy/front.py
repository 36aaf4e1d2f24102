"""The ledger that an agent sees whose proposals a proxy looks at before they are evaluated."""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.recorder import Answer
from nas_gym.search_spaces.architecture import Architecture

LATEST = 100  # proposals among which one has to be good
PATIENCE = 4  # times as many proposals as one should be evaluated of are passed over in a row

Score = Callable[[Architecture[Any]], float]


class ProxyFront:
    """A front ledger that answers with other architectures, or with no evaluation at all.

    Whether a proposal is evaluated depends on it and on those before it alone, and a budget cuts no
    batch short as long as anything is left of it: so a run with a larger budget begins in the same
    way. All else that is asked of it, the ledger behind it answers.

    Args:
        ledger: Answers.
        score: By a proxy; the higher the better.
        given: Architectures that are evaluated in place of the first that are asked for.
        share: Of the proposals after that, how many are evaluated, in (0, 1].
        before: Scores of random architectures, with which the first proposals are compared.
    """

    def __init__(
        self,
        ledger: Ledger,
        score: Score,
        given: Sequence[Architecture[Any]],
        share: float,
        before: Sequence[float] = (),
    ) -> None:
        self.ledger = ledger
        self.requests = 0  # that were answered
        self._score = score
        self._given = deque(given)
        self._share = share
        self._latest: deque[float] = deque(before, maxlen=LATEST)
        self._begun = False  # whether anything was evaluated, by which others are answered
        self._passed = 0  # proposals since one was evaluated
        self._scores: list[float] = []  # of what was evaluated, ascending
        self._answers: list[tuple[float, int, Answer]] = []  # the same, by reward
        self._any: Answer | None = None  # one that was evaluated, whether it failed or not

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    @property
    def remaining(self) -> float:
        """Requests left; infinity while some are left and many of them take nothing of these."""
        left = self.ledger.remaining
        return left if self._share == 1 or left <= 0 else math.inf

    @property
    def failure_reward(self) -> float:
        """Reward of a child that failed."""
        return self.ledger.failure_reward

    @property
    def clock(self) -> SimulatedClock:
        """Time that the evaluations so far would have taken."""
        return self.ledger.clock

    def request(
        self, architectures: Sequence[Architecture[Any]], epochs: Sequence[int] | None = None
    ) -> list[Answer]:
        """Answer a batch, in the order given; see ``WithProxy``.

        Requests of a part of a training are passed on: who makes them filters himself.
        """
        if epochs is not None:
            answers = self.ledger.request(architectures, epochs)
        elif self.ledger.remaining <= 0:
            answers = self.ledger.request(architectures)  # which says so
        else:
            answers = self._answered(architectures)
        self.requests += len(architectures)
        return answers

    def _answered(self, proposals: Sequence[Architecture[Any]]) -> list[Answer]:
        asked: dict[int, Architecture[Any]] = {}  # by the proposal's place
        scores: dict[int, float] = {}
        for place, proposal in enumerate(proposals):
            if self._given:
                asked[place] = self._given.popleft()
                self._begun = True
            elif self._share == 1:
                asked[place] = proposal
            else:
                scores[place] = self._score(proposal)
                if self._is_good(scores[place]):
                    asked[place] = proposal
        places = list(asked)
        if self._share < 1:
            places = places[: int(min(len(places), self.ledger.remaining))]
        evaluated = self.ledger.request([asked[place] for place in places]) if places else []
        answers = dict(zip(places, evaluated, strict=True))
        if self._share < 1:
            for place, answer in answers.items():
                known = scores.get(place)
                self._note(self._score(asked[place]) if known is None else known, answer)
        for place, proposal in enumerate(proposals):
            if place not in answers:
                known = scores.get(place)
                score = self._score(proposal) if known is None else known
                answers[place] = self._estimate(proposal, score)
        return [answers[place] for place in range(len(proposals))]

    def _is_good(self, score: float) -> bool:
        """Return whether a proposal is evaluated: one at least, once many were passed over."""
        self._latest.append(score)
        least = float(np.quantile(np.array(self._latest), 1 - self._share, method="higher"))
        self._passed += 1
        late = self._passed >= PATIENCE / self._share
        good = score >= least or late or not self._begun
        if good:
            self._passed, self._begun = 0, True
        return good

    def _note(self, score: float, answer: Answer) -> None:
        """Keep what was evaluated, unless it failed."""
        self._any = answer
        if answer.evaluation.failure is None:
            insort(self._scores, score)
            insort(self._answers, (answer.reward, len(self._answers), answer))

    def _estimate(self, proposal: Architecture[Any], score: float) -> Answer:
        """Return the answer to a proposal that is not evaluated.

        Reward and metrics are those of the evaluated one that has the place among the rewards that
        the proposal has among the scores; a failure as long as nothing was evaluated with success.
        """
        below = bisect_left(self._scores, score)
        found = self._answers[min(below, len(self._answers) - 1)][2] if self._answers else self._any
        assert found is not None  # of all proposals the first one is evaluated
        like = found.evaluation
        return Answer(
            replace(like, architecture=proposal, seconds=0.0, source="proxy"), found.reward
        )
