"""Every agent and every preset: the contract, exact budgets, and better than random search."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_agents import AGENTS
from nas_agents.path_consistency import PathConsistency
from nas_agents.ppo import PPO
from nas_agents.priority_queue import PriorityQueue
from nas_agents.random_search import RandomSearch
from nas_agents.regularized_evolution import RegularizedEvolution
from nas_agents.reinforce import Reinforce
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.testing import BitString, Landscape, LayerChain
from nas_gym.testing.agent_suite import AgentSuite, run_agent

MODULES = {name: importlib.import_module(path.partition(":")[0]) for name, path in AGENTS.items()}
CLASSES = {name: getattr(MODULES[name], path.partition(":")[2]) for name, path in AGENTS.items()}
SMALL = {
    "random-search": RandomSearch(batch_size=3),
    "regularized-evolution": RegularizedEvolution(5, 3, batch_size=2),
    "reinforce": Reinforce(batch_size=4, hidden_size=8),
    "path-consistency": PathConsistency(
        batch_size=4, hidden_size=8, random_first=4, updates=2, minibatch_size=6, repeats_from=5
    ),
    "ppo": PPO(batch_size=4, minibatch_size=2, hidden_size=8, critic=True),
    "priority-queue": PriorityQueue(
        batch_size=4, hidden_size=8, random_first=4, updates=2, repeats=1
    ),
}


@pytest.mark.parametrize("name", AGENTS)
class TestContract(AgentSuite):
    @pytest.fixture
    def agent(self, name):
        return SMALL[name]


@pytest.mark.parametrize("name", AGENTS)
def test_presets_are_of_the_agent(name):
    presets = MODULES[name].PRESETS
    assert presets["default"] == CLASSES[name]()
    assert all(type(preset) is CLASSES[name] for preset in presets.values())


@pytest.mark.parametrize("preset", ["default", "zoph2016", "nasnet2017"])
def test_every_reinforce_preset_searches(preset):
    space = LayerChain(2)
    agent = MODULES["reinforce"].PRESETS[preset]
    assert len(run_agent(agent, Landscape(space), space, budget=50)) == 50


@pytest.mark.parametrize("name", AGENTS)
@settings(max_examples=15, deadline=None)
@given(
    budget=st.integers(1, 40),
    num_envs=st.integers(1, 12),
    space=st.sampled_from([BitString(3), LayerChain(2)]),
)
def test_every_budget_is_spent_exactly(name, budget, num_envs, space):
    requests = run_agent(SMALL[name], Landscape(space), space, budget=budget, num_envs=num_envs)
    assert len(requests) == budget


@pytest.mark.parametrize("agent", [RegularizedEvolution(), Reinforce()], ids=["re", "reinforce"])
@pytest.mark.parametrize("blocks", [2, 5])
def test_beats_random_search_within_100_evaluations(agent, blocks):
    """Best of 100 on ten landscapes that no default was tuned on, paired by seed."""
    space = NASNetCell(blocks=blocks)
    gains = np.array(
        [
            best_of(agent, space, seed, budget=100) - best_of(RandomSearch(), space, seed, 100)
            for seed in range(10)
        ]
    )
    assert gains.mean() > 2 * gains.std(ddof=1) / np.sqrt(len(gains))
    assert gains.mean() > 0.004


def best_of(agent, space, seed, budget):
    landscape = Landscape(space, seed, noise=0.005)
    return max(reward for _, reward in run_agent(agent, landscape, space, budget=budget, seed=seed))
