from collections import Counter, deque

import numpy as np
import pytest

from nas_agents.regularized_evolution import PRESETS, RegularizedEvolution, mutate_once
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import trace
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.genotype import AMOEBANET_OPERATIONS
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitCount, BitString, Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent


def toy(seed):
    """Best noisy accuracy of 1,000 models, and the true value of that model."""
    agent = RegularizedEvolution(100, 10, identity_probability=0.0, batch_size=1)
    requests = run_agent(agent, BitCount(), BitString(100), budget=1000, seed=seed)
    tokens, accuracy = max(requests, key=lambda request: request[1])
    return accuracy, sum(tokens) / 100


@pytest.mark.slow
def test_the_toy_problem_of_the_authors():
    """Real et al.'s notebook: best 0.910 +- 0.022 (200 seeds), its true value 0.893 +- 0.022."""
    seeds = 12
    best, true = np.array([toy(seed) for seed in range(seeds)]).T
    error = 3 * 0.022 / np.sqrt(seeds)
    assert best.mean() == pytest.approx(0.910, abs=error)
    assert true.mean() == pytest.approx(0.893, abs=error)
    assert 0.010 < best.std(ddof=1) < 0.035


def replay(agent, requests):
    """Yield (population, child) at each cycle, from a finished history."""
    population = deque(requests[: agent.population_size], maxlen=agent.population_size)
    for start in range(agent.population_size, len(requests), agent.batch_size):
        children = requests[start : start + agent.batch_size]
        for child in children:
            yield list(population), child
        population.extend(children)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_parents_are_alive(batch_size):
    """Each child is one mutation from a member of the current population: the oldest died."""
    agent = RegularizedEvolution(20, 5, 0.0, batch_size)
    space = BitString(40)
    requests = run_agent(agent, Landscape(space), space, budget=200)
    distances = [
        min(np.sum(np.not_equal(tokens, child)) for tokens, _ in population)
        for population, (child, _) in replay(agent, requests)
    ]
    assert len(distances) == 180
    assert set(distances) <= {0, 1}  # 0: a mutation that undoes an earlier one


def test_a_full_sample_takes_the_best_and_a_sample_of_one_walks():
    space = BitString(40)
    greedy = RegularizedEvolution(10, 500, 1.0, 1)  # identity: the child is its parent
    requests = run_agent(greedy, Landscape(space), space, budget=60)
    for population, child in replay(greedy, requests):
        assert child[1] == max(reward for _, reward in population)
    walk = RegularizedEvolution(10, 1, 1.0, 1)
    parents = [
        sorted((reward for _, reward in population), reverse=True).index(child[1])
        for population, child in replay(walk, run_agent(walk, Landscape(space), space, budget=60))
    ]
    assert max(parents) > 4


@pytest.mark.slow
def test_identity_keeps_the_share_of_the_paper():
    space = BitString(60)
    agent = RegularizedEvolution(10, 2, 0.05, 50)
    requests = run_agent(agent, Landscape(space), space, budget=2010)
    same = [
        any(tokens == child for tokens, _ in population)
        for population, (child, _) in replay(agent, requests)
    ]
    assert np.mean(same) == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
def test_mutations_in_the_papers_space_are_half_hidden_states_half_operations():
    """Every cell, pair and element equally likely; the new option differs."""
    space = NASNetCell(operations=AMOEBANET_OPERATIONS, combines=("add",))
    rng = np.random.default_rng(0)
    parent = random_tokens(space, rng)
    choices = trace(space, parent)[1]
    places = Counter()
    for _ in range(8000):
        child = mutate_once(space, parent, rng)
        (place,) = [i for i, (a, b) in enumerate(zip(parent, child, strict=True)) if a != b]
        places[place] += 1
    assert len(places) == len(parent)
    kinds = Counter()
    for place, count in places.items():
        kinds[choices[place].kind[:5]] += count
        assert count == pytest.approx(200, abs=75)  # 8,000 / 40
    assert kinds["input"] == pytest.approx(4000, abs=250)
    assert kinds["opera"] == pytest.approx(4000, abs=250)


def test_mutation_groups_without_a_second_option_are_passed_over():
    space = NASNetCell(1, ("identity",), ("add",))
    rng = np.random.default_rng(0)
    parent = random_tokens(space, rng)
    assert all(mutate_once(space, parent, rng) != parent for _ in range(50))
    only = LayerChain(1, widths=(8,))
    assert {mutate_once(only, (0, 1), rng) for _ in range(20)} == {(0, 0, 0, 0)}


def test_presets():
    paper = PRESETS["real2018"]
    assert (paper.population_size, paper.sample_size, paper.batch_size) == (100, 25, 1)
    assert paper.identity_probability == 0.05
    for name, sizes in {
        "nasbench101": (100, 10),
        "nasbench201": (10, 3),
        "tabular": (50, 10),
    }.items():
        preset = PRESETS[name]
        assert (preset.population_size, preset.sample_size, preset.batch_size) == (*sizes, 1)
        assert preset.identity_probability == 0


@pytest.mark.parametrize("field", ["population_size", "sample_size", "batch_size"])
def test_options_are_checked(field):
    with pytest.raises(InvalidOption, match=f"{field} is 0"):
        RegularizedEvolution(**{field: 0})
    with pytest.raises(InvalidOption, match="identity_probability"):
        RegularizedEvolution(identity_probability=1.5)
