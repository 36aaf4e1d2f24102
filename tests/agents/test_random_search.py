import numpy as np
import pytest

from nas_agents.random_search import RandomSearch
from nas_gym.errors import InvalidOption
from nas_gym.testing import BitCount, BitString, Landscape
from nas_gym.testing.agent_suite import run_agent


@pytest.mark.slow
def test_best_of_1000_on_the_toy_problem():
    """Random search on Real et al.'s 100-bit strings: 0.667 with standard deviation 0.018."""
    space = BitString(100)
    best = [
        max(r for _, r in run_agent(RandomSearch(100), BitCount(), space, budget=1000, seed=seed))
        for seed in range(6)
    ]
    assert np.mean(best) == pytest.approx(0.667, abs=3 * 0.018 / np.sqrt(6))


def test_the_history_does_not_depend_on_the_batch_size():
    space = BitString(10)
    histories = [
        run_agent(RandomSearch(batch_size), Landscape(space), space, budget=25)
        for batch_size in (1, 8, 100)
    ]
    assert histories[0] == histories[1] == histories[2]


def test_options_are_checked():
    with pytest.raises(InvalidOption, match="batch_size is 0"):
        RandomSearch(batch_size=0)
