"""The budget of a run: evaluations, simulated seconds, epochs of training."""

import math
import sys
from collections.abc import Sequence

from nas_gym.envs.clock import SimulatedClock
from nas_gym.errors import BudgetExceeded, InvalidOption

TIMELESS = 10_000  # requests that cost nothing, under a budget of seconds or of epochs


def _how_to_stop() -> str:
    """Return what to do, also of a loop that is not the user's own."""
    if "stable_baselines3" not in sys.modules:
        return "stop when `remaining` is 0"
    return (
        "stop when `remaining` is 0; Stable-Baselines3 does with "
        "learn(…, callback=nas_gym.sb3.StopAtBudget())"
    )


class Budget:
    """What a run may ask for, and what it has asked for so far.

    Args:
        evaluations: Requests that may be made, repeats included; None for no limit.
        seconds: On the simulated clock; None for no limit.
        epochs: Of training; None for no limit.
        machines: On the simulated clock.
    """

    def __init__(
        self,
        evaluations: int | None = None,
        seconds: float | None = None,
        epochs: int | None = None,
        machines: int = 1,
    ) -> None:
        self.evaluations, self.seconds, self.epochs = evaluations, seconds, epochs
        self.clock = SimulatedClock(machines)
        self.requests = 0
        self.in_flight = 0  # requests whose answer is not handed over yet
        self.paid_epochs = 0
        self._before: tuple[float, int] = 0.0, 0  # seconds and epochs before the last batch
        self._timeless = 0  # requests since one cost something

    @property
    def remaining(self) -> float:
        """Requests left; ``math.inf`` if only seconds or epochs limit them, or nothing does."""
        if self._time_is_up or self._epochs_are_up:
            return 0
        if self.evaluations is None:
            return math.inf
        return self.evaluations - self.requests - self.in_flight

    def check(self, asked: int) -> None:
        """Raise BudgetExceeded if more is asked for than is left."""
        if asked <= self.remaining:
            return
        if self._epochs_are_up:
            spent = f"after {self.paid_epochs:,} epochs, but the budget is {self.epochs:,}"
        elif self._time_is_up:
            spent = (
                f"after {self.clock.seconds:.1f} simulated seconds, but the budget is "
                f"{self.seconds}"
            )
        else:
            raise BudgetExceeded(
                f"{asked} evaluations were asked for, but only {self.remaining} of "
                f"the budget of {self.evaluations} are left: {_how_to_stop()}"
            )
        raise BudgetExceeded(f"{asked} evaluations were asked for {spent}: {_how_to_stop()}")

    def spend(self, seconds: Sequence[float]) -> None:
        """Count a batch of requests, by the training time of each.

        Raises:
            InvalidOption: Thousands of requests cost nothing, so that the budget never ends.
        """
        self.clock.add(seconds)
        self._count(len(seconds))

    def hand_over(self, done: float) -> None:
        """Count a request that was in flight, at the moment at which its child is done.

        Raises:
            InvalidOption: As ``spend``.
        """
        self.in_flight -= 1
        self.clock.wait(done)
        self._count(1)

    def _count(self, requests: int) -> None:
        self.requests += requests
        now = self.clock.seconds, self.paid_epochs
        moved = [new > old for new, old in zip(now, self._before, strict=True)]
        self._before = now
        limits = [
            (f"{limit} {unit}", cost)
            for limit, unit, cost in (
                (self.seconds, "seconds", moved[0]),
                (self.epochs, "epochs", moved[1]),
            )
            if limit is not None
        ]
        free = bool(limits) and not any(cost for _, cost in limits)
        self._timeless = self._timeless + requests if free else 0
        if self._timeless > TIMELESS:
            raise InvalidOption(
                f"the last {self._timeless:,} evaluations took no time, so the budget of "
                f"{limits[0][0]} never ends: give a budget of evaluations"
            )

    @property
    def _time_is_up(self) -> bool:
        return self.seconds is not None and self.clock.seconds >= self.seconds

    @property
    def _epochs_are_up(self) -> bool:
        return self.epochs is not None and self.paid_epochs >= self.epochs
