import numpy as np
import pytest

from nas_agents.surrogate.warp import warp_of


def test_bad_rewards_are_merely_bad():
    warp = warp_of(np.array([0.1, 0.1, 0.5, 0.88, 0.89, 0.9, 0.905, 0.91]))
    diverged, poor, good, best = warp(np.array([0.1, 0.5, 0.9, 0.91]))
    assert best - good > poor - diverged > 0
    assert warp_of(np.full(4, 0.3))(np.array([0.3])) == pytest.approx(0.0)
