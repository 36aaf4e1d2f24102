"""The scale on which a predictor sees rewards."""

from typing import NamedTuple

import numpy as np

from nas_agents.arrays import Floats

OFFSET = 0.3  # below it (times the median regret) differences count in proportion


class Warp(NamedTuple):
    """Rewards on a scale where the good ones are told apart and the bad ones are merely bad.

    It is minus the logarithm of (regret / median regret + ``OFFSET``), standardised: a monotone
    function that does not depend on the rewards' unit or origin.
    """

    top: float  # best mean reward of an architecture
    scale: float  # median regret, > 0
    shift: float
    spread: float  # > 0

    def __call__(self, rewards: Floats) -> Floats:
        """Return the warped rewards; those above ``top`` count as ``top``."""
        return (self._log(rewards) - self.shift) / self.spread

    def slope(self, rewards: Floats) -> Floats:
        """Return the derivative, relative to that at ``top``; in (0, 1]."""
        return OFFSET / (self._regret(rewards) + OFFSET)

    @property
    def unit(self) -> float:
        """Derivative at ``top``: warped reward per reward."""
        return 1.0 / (self.scale * OFFSET * self.spread)

    def _log(self, rewards: Floats) -> Floats:
        return -np.log(self._regret(rewards) + OFFSET)

    def _regret(self, rewards: Floats) -> Floats:
        return np.maximum(self.top - rewards, 0.0) / self.scale


def warp_of(rewards: Floats) -> Warp:
    """Return the warp that fits these mean rewards, (architectures,)."""
    top = float(rewards.max())
    regret = top - rewards
    scale = float(np.median(regret)) or float(regret.mean()) or 1.0
    logs = Warp(top, scale, 0.0, 1.0)(rewards)
    return Warp(top, scale, float(logs.mean()), float(logs.std()) or 1.0)
