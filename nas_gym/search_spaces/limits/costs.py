"""The contract of a space that says how the cost of its networks adds up, choice by choice."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Amount = tuple[int, ...]  # of each limited metric, in the order that the space was asked for
State = Any  # hashable


class TooManyStates(Exception):
    """A space has too many different states, or they too many costs, to know what each may cost."""


@dataclass(frozen=True, slots=True)
class End:
    """The state after the last choice of a part; ``exit`` is what other parts need to know."""

    exit: Hashable = None


class CostStep(NamedTuple):
    """The choice that is open in a state: what each option costs, and where it leads to."""

    costs: tuple[Amount, ...]  # one per option, in their order
    states: tuple[State, ...]  # one per option; or a single one, to which all options lead


class CostStates(Protocol):
    """The choices of a space as states, between which costs add up.

    A space has one or more parts, such as two cells, that follow each other. The cost of an
    architecture is the sum of its steps' costs and of ``joint``, which depends on how the parts
    ended. All numbers are integers, and steps may be negative.
    """

    exits: Sequence[Sequence[Hashable]]  # of each part: all exits that it can have

    def start(self, part: int) -> State:
        """Return the state before the first choice of a part."""

    def step(self, state: State) -> CostStep:
        """Return the choice that is open in a state that is no ``End``."""

    def key(self, state: State, least: bool | None) -> Hashable:
        """Return what the costs that can still come depend on: equal for states that are alike.

        ``least`` says that only the cheapest completion is asked for (True), or the dearest
        (False); None: all of them are.
        """

    def joint(self, exits: tuple[Any, ...]) -> Amount:
        """Return what the parts cost together, given how each of them ended."""

    def extreme(self, state: State, least: bool) -> Sequence[int] | None:
        """Return the options among which the cheapest architecture is, or the dearest.

        In every metric at once, after any beginning. None: any of them may be needed.
        """
