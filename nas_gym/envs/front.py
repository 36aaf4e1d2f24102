"""What may stand before the ledger of an environment, and decide about an agent's requests."""

from collections.abc import Sequence
from typing import Any, Protocol

from nas_gym.envs.clock import SimulatedClock
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
