import numpy as np
import pytest

from nas_agents.genetic import Genetic, breed
from nas_gym.agent import without_copies
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.testing import BitString, Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent

SPACE = BitString(40)


def generations(agent, requests):
    """Yield (population, its children), from a finished history; the best first."""
    population = requests[: agent.population_size]
    count = agent.population_size - agent.elite_size
    for start in range(agent.population_size, len(requests), count):
        population = sorted(population, key=lambda member: -member[1])
        children = requests[start : start + count]
        yield population, children
        population = population[: agent.elite_size] + children


def test_children_are_mixed_from_their_parents_generation():
    """Without mutation every bit of a child is one that some member has there."""
    agent = Genetic(10, 2, mutations=0.0)
    requests = run_agent(agent, Landscape(SPACE), SPACE, budget=10 + 5 * 8)
    for population, children in generations(agent, requests):
        pool = [set(bits) for bits in zip(*(tokens for tokens, _ in population), strict=True)]
        for tokens, _ in children:
            assert all(bit in bits for bit, bits in zip(tokens, pool, strict=True))


def test_the_elite_stays_and_is_not_evaluated_again():
    """Children that are always the best one's copies: the population's best never falls."""
    agent = Genetic(6, 200, 0.0, mutations=0.0, elite_size=2)
    requests = run_agent(agent, Landscape(SPACE), SPACE, budget=6 + 4 * 4)
    best = max(requests[:6], key=lambda request: request[1])
    assert requests[6:] == [best] * 16
    worsening = Genetic(6, 1, 1.0, mutations=30.0, elite_size=1)
    tops = [
        population[0][1]
        for population, _ in generations(
            worsening, run_agent(worsening, Landscape(SPACE), SPACE, budget=106)
        )
    ]
    assert tops == sorted(tops)


def test_a_tournament_prefers_the_best():
    def mean_rank(tournament_size):
        agent = Genetic(20, tournament_size, 0.0, 0.0, 0)
        requests = run_agent(agent, Landscape(SPACE), SPACE, budget=420)
        ranks = [
            [reward for _, reward in population].index(reward)
            for population, children in list(generations(agent, requests))[:1]
            for _, reward in children
        ]
        return np.mean(ranks)

    assert mean_rank(1) > 6  # 9.5 expected
    assert mean_rank(5) < 5  # 2.7 expected


def test_children_change_as_many_choices_as_mutations_say():
    rng = np.random.default_rng(0)
    parent = random_tokens(SPACE, rng)
    for mutations in (0.5, 1.0, 4.0):
        changed = [
            np.sum(np.not_equal(parent, breed(SPACE, parent, parent, rng, 0.9, mutations)))
            for _ in range(200)
        ]
        assert np.mean(changed) == pytest.approx(mutations, rel=0.25)


def test_a_space_that_is_used_up():
    assert without_copies(lambda: (1,), 3, [(1,)]) == [(1,)] * 3
    small = LayerChain(1, widths=(8,))
    assert len(run_agent(Genetic(), Landscape(small), small, budget=60)) == 60


def test_the_history_does_not_depend_on_the_batch_size():
    histories = [
        run_agent(Genetic(batch_size=size), Landscape(SPACE), SPACE, budget=75)
        for size in (1, 8, 100)
    ]
    assert histories[0] == histories[1] == histories[2]


@pytest.mark.parametrize(
    "options",
    [
        {"population_size": 1},
        {"tournament_size": 0},
        {"batch_size": 0},
        {"elite_size": 30},
        {"crossover_probability": 1.5},
        {"mutations": -1.0},
    ],
)
def test_options_are_checked(options):
    with pytest.raises(InvalidOption, match=next(iter(options))):
        Genetic(**options)
