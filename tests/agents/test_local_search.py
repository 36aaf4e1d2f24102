import numpy as np
import pytest

from nas_agents.local_search import PRESETS, LocalSearch
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.moves import enumerate_tokens, neighbours
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitString, Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent

SPACE = BitString(8)


def distance(one, other):
    return int(np.sum(np.not_equal(one, other)))


def local_maxima(landscape):
    rng = np.random.default_rng(0)
    return {
        tokens
        for tokens in enumerate_tokens(SPACE)
        if landscape.accuracy(tokens)
        > max(landscape.accuracy(other) for other in neighbours(SPACE, tokens, rng))
    }


def climbs(requests, starts):
    """Follow a history in the space of bits: where each climb ended, and that each step is right.

    Valid for a batch size of 1 and moves after all neighbours.
    """
    known, ends, position = set(), [], 0
    while position < len(requests):
        seen = requests[position : position + starts]
        position += len(seen)
        known |= {tokens for tokens, _ in seen}
        here = max(seen, key=lambda request: request[1])
        while True:
            around = {t for t in enumerate_tokens(SPACE) if distance(t, here[0]) == 1} - known
            seen = requests[position : position + len(around)]
            position += len(seen)
            if len(seen) < len(around):
                return ends  # the budget ended within a step
            assert {tokens for tokens, _ in seen} == around
            known |= around
            best = max(seen, key=lambda request: request[1], default=here)
            if best[1] <= here[1]:
                ends.append(here[0])
                break
            here = best
    return ends


@pytest.mark.parametrize("starts", [1, 4])
def test_it_takes_the_steepest_step_and_restarts_at_a_maximum(starts):
    for seed in range(3):
        landscape = Landscape(SPACE, seed)
        agent = LocalSearch(starts, first_improvement=False, batch_size=1)
        requests = run_agent(agent, landscape, SPACE, budget=60, seed=seed)
        ends = climbs(requests, starts)
        assert ends
        # Without noise the first climb, which left nothing out, ends at a maximum.
        assert ends[0] in local_maxima(landscape)


def test_first_improvement_moves_at_once():
    space = BitString(60)
    agent = LocalSearch(1, first_improvement=True, batch_size=1)
    requests = run_agent(agent, Landscape(space), space, budget=60)
    here = requests[0]
    moves = 0
    for request in requests[1:]:
        assert distance(request[0], here[0]) == 1
        if request[1] > here[1]:
            here = request
            moves += 1
    assert moves > 10


@pytest.mark.parametrize("first_improvement", [False, True])
@pytest.mark.parametrize("space", [BitString(9), LayerChain(3), NASNetCell()], ids=repr)
def test_nothing_is_evaluated_twice(space, first_improvement):
    agent = LocalSearch(3, first_improvement, batch_size=4)
    landscape = Landscape(space, noise=0.01, fresh_noise=True)
    requests = run_agent(agent, landscape, space, budget=150)
    assert len({tokens for tokens, _ in requests}) == 150


def test_a_space_that_is_used_up_is_searched_on():
    space = LayerChain(1)
    requests = run_agent(LocalSearch(), Landscape(space), space, budget=40)
    assert len(requests) == 40
    assert len({tokens for tokens, _ in requests}) == 5


def test_with_all_neighbours_the_history_does_not_depend_on_the_batch_size():
    histories = [
        run_agent(LocalSearch(5, False, size), Landscape(SPACE), SPACE, budget=70)
        for size in (1, 8, 100)
    ]
    assert histories[0] == histories[1] == histories[2]


def test_presets():
    assert PRESETS["white2020"] == LocalSearch(1, first_improvement=False, batch_size=1)


@pytest.mark.parametrize("field", ["starts", "batch_size"])
def test_options_are_checked(field):
    with pytest.raises(InvalidOption, match=f"{field} is 0"):
        LocalSearch(**{field: 0})
