"""ASHA: children go on as soon as they are good enough (Li et al. 2020, arXiv 1810.05934)."""

from collections import deque
from typing import Any

from nas_agents.fidelity.ladder import Ladder
from nas_gym.search_spaces.architecture import Architecture


class PromotionLadder(Ladder):
    """Trains a proposal on the lowest rung; trials are promoted whenever one may be.

    Each place of a batch does what a free worker does in algorithm 2: it looks for a trial to
    promote, from the top rung down, and begins a new one only if there is none.
    """

    def climb(self, proposals: list[Architecture[Any]]) -> list[int]:
        """Train the proposals on the lowest rung, and promote what may be promoted first."""
        waiting = deque(self.begin(proposal) for proposal in proposals)
        trials = list(waiting)
        while waiting:
            jobs: list[tuple[int, int]] = []
            for _ in range(int(min(len(proposals), max(1, self.remaining)))):
                promotion = self.promotion()
                if promotion is not None:
                    jobs.append(promotion)
                elif waiting:
                    jobs.append((waiting.popleft(), 0))
            self.train(jobs)
        return trials

    def promotion(self) -> tuple[int, int] | None:
        """Return who is promoted next and to which rung, and take note of it."""
        for number in reversed(range(len(self.rungs) - 1)):
            trial = self.rungs[number].promotable(self.factor)
            if trial is not None:
                self.rungs[number].promoted.add(trial)
                return trial, number + 1
        return None


class StoppingLadder(Ladder):
    """Trains each proposal on, from rung to rung, until it is not among the best there."""

    def climb(self, proposals: list[Architecture[Any]]) -> list[int]:
        """Train the proposals, rung by rung, as far as each goes."""
        trials = [self.begin(proposal) for proposal in proposals]
        climbing, rung = list(dict.fromkeys(trials)), 0
        while climbing:
            self.train([(trial, rung) for trial in climbing])
            here = self.rungs[rung]
            rung += 1
            if rung == len(self.rungs):
                break
            climbing = [
                trial
                for trial in climbing
                if self.reached[trial] >= rung or here.goes_on(trial, self.factor)
            ]
        return trials
