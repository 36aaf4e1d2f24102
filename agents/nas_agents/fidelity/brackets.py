"""Successive halving and Hyperband: brackets, one after the other, whose halves go on together."""

import math
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, NamedTuple

from nas_agents.fidelity.ladder import Ladder
from nas_gym.envs.ledger import Ledger
from nas_gym.search_spaces.architecture import Architecture


class Bracket(NamedTuple):
    """A bracket of successive halving."""

    trials: int  # that begin
    rung: int  # on which they begin


def hyperband_brackets(rungs: int, factor: int) -> list[Bracket]:
    """Return the brackets of one round of Hyperband (Li et al. 2018, algorithm 1).

    With ``s`` from the highest to 0, ``ceil((s_max + 1) * factor ** s / (s + 1))`` trials begin, on
    rung ``s_max - s``, where ``s_max`` is the number of the highest rung.
    """
    highest = rungs - 1
    return [
        Bracket(math.ceil((highest + 1) * factor**s / (s + 1)), highest - s)
        for s in reversed(range(rungs))
    ]


class BracketLadder(Ladder):
    """Fills one bracket after the other with proposals, and lets the best of each go on.

    A bracket that is full is finished before the next proposal: on each rung the best one of
    ``factor`` goes on to the next (Jamieson & Talwalkar 2016).

    Args:
        ledger: Answers.
        epochs: Of the rungs, fewest first.
        factor: One of so many goes on.
        brackets: Repeated without end.
        width: Trials that are trained as one batch, >= 1.
    """

    def __init__(
        self,
        ledger: Ledger,
        epochs: Sequence[int],
        factor: int,
        brackets: Sequence[Bracket],
        width: int,
    ) -> None:
        super().__init__(ledger, epochs, factor)
        self._brackets: Iterator[Bracket] = cycle(brackets)
        self._bracket = next(self._brackets)
        self._members: list[int] = []  # trials of the bracket, in order
        self._width = width

    def climb(self, proposals: list[Architecture[Any]]) -> list[int]:
        """Fill brackets with the proposals, and finish those that are full."""
        trials: list[int] = []
        while len(trials) < len(proposals):
            places = self._bracket.trials - len(self._members)
            batch = proposals[len(trials) : len(trials) + places]
            begun = [self.begin(proposal, self._bracket.rung) for proposal in batch]
            unique = list(dict.fromkeys(begun))
            self.train([(trial, self._bracket.rung) for trial in unique])
            trials += begun
            # One that was in another bracket may be in this one as well, once.
            self._members += [trial for trial in unique if trial not in self._members]
            if len(self._members) == self._bracket.trials:
                self._finish()
        return trials

    def _finish(self) -> None:
        """Let the best of the bracket go on, rung by rung, and begin the next bracket.

        A trial that failed does not; nobody else has its place.
        """
        members, places = self._members, self._bracket.trials
        for number in range(self._bracket.rung, len(self.rungs) - 1):
            results = self.rungs[number].results
            best = sorted(members, key=lambda trial: -results[trial])
            places //= self.factor
            members = [trial for trial in best[:places] if results[trial] > -math.inf]
            for first in range(0, len(members), self._width):
                self.train([(trial, number + 1) for trial in members[first : first + self._width]])
        self._members = []
        self._bracket = next(self._brackets)
