"""The ledger that an agent sees whose proposals a proxy looks at before they are evaluated."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nas_gym.envs.ledger import Ledger
from nas_gym.envs.recorder import Answer
from nas_gym.search_spaces.architecture import Architecture

LATEST = 100  # proposals among which one has to be good
PATIENCE = 4  # times as many proposals as one should be evaluated of are passed over in a row

Score = Callable[[Architecture[Any]], float]


class ProxyFront:
    """A front ledger that answers with other architectures, or with no evaluation at all.

    All else that is asked of it, the ledger behind it answers.

    Args:
        ledger: Answers.
        score: By a proxy; the higher the better.
        given: Architectures that are evaluated in place of the first that are asked for.
        share: Of the proposals after that, how many are evaluated, in (0, 1].
    """

    def __init__(
        self, ledger: Ledger, score: Score, given: Sequence[Architecture[Any]], share: float
    ) -> None:
        self.ledger = ledger
        self.requests = 0  # that were answered
        self._score = score
        self._given = deque(given)
        self._share = share
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._passed = 0  # proposals since one was evaluated
        self._scores: list[float] = []  # of what was evaluated, ascending
        self._answers: list[tuple[float, int, Answer]] = []  # the same, by reward
        self._any: Answer  # one that was evaluated, whether it failed or not

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

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
            answers = self._answered(list(architectures))
        self.requests += len(architectures)
        return answers

    def _answered(self, proposals: list[Architecture[Any]]) -> list[Answer]:
        replaced = min(len(self._given), len(proposals))
        asked = {i: self._given.popleft() for i in range(replaced)}
        scores = {} if self._share == 1 else self._scored(proposals[replaced:], replaced)
        chosen = self._chosen(scores) if scores else range(replaced, len(proposals))
        asked |= {i: proposals[i] for i in chosen}
        places = sorted(asked)
        evaluated = self.ledger.request([asked[i] for i in places]) if places else []
        answers = dict(zip(places, evaluated, strict=True))
        if self._share < 1:
            for i, answer in answers.items():
                self._note(scores[i] if i in scores else self._score(asked[i]), answer)
        passed = {i: self._estimate(proposals[i], s) for i, s in scores.items() if i not in answers}
        return [answers[i] if i in answers else passed[i] for i in range(len(proposals))]

    def _scored(self, proposals: Sequence[Architecture[Any]], first: int) -> dict[int, float]:
        return {i: self._score(each) for i, each in enumerate(proposals, first)}

    def _chosen(self, scores: dict[int, float]) -> list[int]:
        """Return the places of the proposals that are evaluated, the best of them first.

        At least one if too many in a row would be passed over otherwise: a search must end.
        """
        self._latest.extend(scores.values())
        least = float(np.quantile(np.array(self._latest), 1 - self._share, method="higher"))
        order = sorted(scores, key=lambda i: -scores[i])  # stable: of equals the first
        chosen = [i for i in order if scores[i] >= least]
        self._passed += len(scores) - len(chosen)
        if chosen or self._passed >= PATIENCE / self._share:
            self._passed = 0
            chosen = chosen or order[:1]
        return chosen[: int(min(len(chosen), self.ledger.remaining))]

    def _note(self, score: float, answer: Answer) -> None:
        """Keep what was evaluated, unless it failed."""
        self._any = answer
        if answer.evaluation.failure is None:
            insort(self._scores, score)
            insort(self._answers, (answer.reward, len(self._answers), answer))

    def _estimate(self, proposal: Architecture[Any], score: float) -> Answer:
        """Return the answer to a proposal that is not evaluated.

        Reward and metrics are those of the evaluated one that has the place among the rewards that
        the proposal has among the scores; a failure as long as all that was evaluated failed.
        """
        below = bisect_left(self._scores, score)
        found = self._answers[min(below, len(self._answers) - 1)][2] if self._answers else self._any
        like = found.evaluation
        return Answer(
            replace(like, architecture=proposal, seconds=0.0, source="proxy"), found.reward
        )
