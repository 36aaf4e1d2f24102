"""What stands before the ledger: its environment, and who decides about an agent's requests."""

from collections.abc import Sequence
from typing import Any, Protocol

from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.recorder import Answer
from nas_gym.search_spaces.architecture import Architecture


class FrontLedger(Protocol):
    """The part of a ledger that an environment needs."""

    @property
    def remaining(self) -> float:
        """Requests left."""

    @property
    def requests(self) -> int:
        """Requests that were answered."""

    @property
    def failure_reward(self) -> float:
        """Reward of a child that failed; NaN if it is none of its own."""

    @property
    def clock(self) -> SimulatedClock:
        """Time that the evaluations so far would have taken."""

    def request(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Answer a batch, in the order given."""


class AsksLedger:
    """An environment whose evaluations a ledger answers."""

    ledger: Ledger

    @property
    def remaining(self) -> float:
        """Evaluations left in the budget; ``math.inf`` without one."""
        return self.ledger.remaining

    @property
    def clock(self) -> SimulatedClock:
        """Time that the evaluations so far would have taken: ``seconds``, ``busy_seconds``."""
        return self.ledger.clock
