import numpy as np
import pytest

from nas_agents.separate_budgets import SeparateBudgets
from nas_gym.envs.limits import Budgets
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.registry import restorable
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, Landscape
from nas_gym.testing.agent_suite import run_agent

SPACE = NASBench201()
TABLE = NASBench201Table()
OURS = "nas_agents.separate_budgets:SeparateBudgets"


@pytest.mark.few(1)
@pytest.mark.parametrize("agent", ["ppo", "random-search", "nsga2"])
def test_every_budget_is_kept_by_an_equal_share(agent):
    settings = SeparateBudgets(agent, runs=4)
    cells = [tokens for tokens, _ in run_agent(settings, TABLE, SPACE, budget=42)]
    assert len(cells) == 42
    budgets = Budgets(SPACE, TABLE, "parameters")
    span = budgets.most / budgets.least
    sizes = [budgets.least + 243_040 * c.count(3) + 28_000 * c.count(2) for c in cells]
    for number, part in enumerate(np.split(np.array(sizes), [10, 20, 31]), start=1):
        assert part.max() <= budgets.least * span ** (number / 4) + 1
    assert max(sizes[31:]) > budgets.least * span**0.75
    assert restorable("agent", settings)


def test_fewer_evaluations_than_budgets():
    assert len(run_agent(SeparateBudgets("random-search"), TABLE, SPACE, budget=3)) == 3


def test_what_does_not_fit_is_refused():
    for agent in (OURS, {"name": "ppo", "budgets": "parameters"}):
        with pytest.raises(InvalidOption, match="has budgets itself"):
            SeparateBudgets(agent)
    with pytest.raises(InvalidOption, match="BitString does not say how its cost adds up"):
        run_agent(SeparateBudgets(), Landscape(BitString(4)), BitString(4), budget=8)
    env = NASVectorEnv(SPACE, TABLE)
    with pytest.raises(InvalidOption, match="give budget"):
        SeparateBudgets().search(env)
