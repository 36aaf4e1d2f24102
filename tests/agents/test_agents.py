"""Every agent and every preset: the contract, exact budgets, and better than random search."""

import importlib
import math
import subprocess
import sys
from dataclasses import Field, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_agents import AGENTS
from nas_agents.asha import ASHA
from nas_agents.genetic import Genetic
from nas_agents.hyperband import Hyperband
from nas_agents.local_search import LocalSearch
from nas_agents.mo_evolution import MOEvolution
from nas_agents.model_based_reinforce import ModelBasedReinforce
from nas_agents.nsga2 import NSGA2
from nas_agents.path_consistency import PathConsistency
from nas_agents.ppo import PPO
from nas_agents.predictor_evolution import PredictorEvolution
from nas_agents.priority_queue import PriorityQueue
from nas_agents.random_search import RandomSearch
from nas_agents.regularized_evolution import RegularizedEvolution
from nas_agents.reinforce import Reinforce
from nas_agents.sb3.a2c import SB3A2C
from nas_agents.sb3.algorithm import SB3
from nas_agents.sb3.dqn import SB3DQN
from nas_agents.sb3.maskable_ppo import SB3MaskablePPO
from nas_agents.sb3.ppo import SB3PPO
from nas_agents.softmax_reinforce import SoftmaxReinforce
from nas_agents.successive_halving import SuccessiveHalving
from nas_agents.with_proxy import WithProxy
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.testing import BitString, Landscape, LayerChain, tuning_landscape
from nas_gym.testing.agent_suite import AgentSuite, History, landscape, run_agent

MODULES = {name: importlib.import_module(path.partition(":")[0]) for name, path in AGENTS.items()}
CLASSES = {name: getattr(MODULES[name], path.partition(":")[2]) for name, path in AGENTS.items()}
SMALL = {
    "random-search": RandomSearch(batch_size=3),
    "regularized-evolution": RegularizedEvolution(5, 3, batch_size=2),
    "genetic": Genetic(6, 2, elite_size=1, batch_size=4),
    "nsga2": NSGA2(population_size=5, batch_size=3),
    "mo-evolution": MOEvolution(5, 3, batch_size=2),
    "local-search": LocalSearch(starts=2, batch_size=3),
    "softmax-reinforce": SoftmaxReinforce(batch_size=2, entropy_weight=0.1, initial_scale=0.1),
    "reinforce": Reinforce(batch_size=4, hidden_size=8),
    "sb3": SB3("stable_baselines3:A2C", options={"ent_coef": 0.01}, batch_size=3),
    "sb3-a2c": SB3A2C(batch_size=4, net_arch=(8,)),
    "sb3-dqn": SB3DQN(batch_size=4, learning_starts=4, net_arch=(8,)),
    "sb3-maskable-ppo": SB3MaskablePPO(batch_size=3, net_arch=(8,)),
    "sb3-ppo": SB3PPO(batch_size=4, episodes_per_update=6, net_arch=(8,)),
    "predictor-evolution": PredictorEvolution(
        batch_size=3, initial=5, parents=3, children=8, generations=1, randoms=4, points=8
    ),
    "model-based-reinforce": ModelBasedReinforce(
        batch_size=3, initial=5, updates=1, rollouts=8, samples=12, points=8
    ),
    "path-consistency": PathConsistency(
        batch_size=4, hidden_size=8, random_first=4, updates=2, minibatch_size=6, repeats_from=5
    ),
    "ppo": PPO(batch_size=4, minibatch_size=2, hidden_size=8, critic=True),
    "priority-queue": PriorityQueue(
        batch_size=4, hidden_size=8, random_first=4, updates=2, repeats=1
    ),
    "asha": ASHA(proposer="regularized-evolution"),
    "hyperband": Hyperband(reduction_factor=2),
    "successive-halving": SuccessiveHalving(trials=5),
    # These spaces have no networks for images; ``test_with_proxy`` has the rest.
    "with-proxy": WithProxy("genetic", scored=0, first=0),
}


# Of Stable-Baselines3 one stands for the rest: all of them search and end in the same way.
ONE_OF_SB3 = [
    pytest.param(
        name, marks=[pytest.mark.slow] if name.startswith("sb3") and name != "sb3-ppo" else []
    )
    for name in AGENTS
]
SLOWER = {"ppo", "priority-queue", "path-consistency"}  # on the LSTM; reinforce stands for them


@pytest.mark.parametrize("name", ONE_OF_SB3)
class TestContract(AgentSuite):
    @pytest.fixture
    def agent(self, name):
        return SMALL[name]


@pytest.mark.parametrize("name", AGENTS)
def test_presets_are_of_the_agent(name):
    presets = MODULES[name].PRESETS
    assert presets["default"] == CLASSES[name]()
    assert all(type(preset) is CLASSES[name] for preset in presets.values())


HEAVY = {"gymnasium", "matplotlib", "pandas", "sb3_contrib", "scipy", "stable_baselines3", "torch"}


def newly_imported(*lines: str) -> set[str]:
    """Return the packages that this code imports in a fresh process, after ``nas_gym``."""
    before = "import sys, nas_gym; old = set(sys.modules)"
    after = "print(*{name.partition('.')[0] for name in set(sys.modules) - old})"
    command = [sys.executable, "-c", "\n".join([before, *lines, after])]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_options_and_presets_load_nothing_heavy() -> None:
    """So ``nas-gym list`` need not wait for torch."""
    modules = sorted({path.partition(":")[0] for path in AGENTS.values()})
    assert not HEAVY & newly_imported(f"import {', '.join(modules)}")


@pytest.mark.parametrize("name", ["reinforce", "sb3-maskable-ppo"])
def test_a_wrong_option_is_refused_before_anything_heavy_loads(name: str) -> None:
    module, _, agent = AGENTS[name].partition(":")
    refusal = f"try: {agent}(batch_size=0)\nexcept ValueError: pass"
    assert not HEAVY & newly_imported(f"from {module} import {agent}", refusal)


# What no option takes whose default is of the type.
NEVER: dict[type, list[Any]] = {
    bool: [None, 1, 0.0, "true"],
    int: [None, True, 2.5, 2.0, "3", math.nan, math.inf, -1],
    float: [None, True, "0.5", math.nan, math.inf, -math.inf, 10**400],
    str: [3, True, math.nan],
    tuple: [None, 3, "3", (True,), (0,), (2.5,), ("3",), (math.nan,)],
}
FIELDS = [(name, field) for name in AGENTS for field in fields(CLASSES[name])]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[f"{n}-{f.name}" for n, f in FIELDS])
def test_every_option_is_checked(name: str, field: Field[Any]) -> None:
    agent = CLASSES[name]()
    takes_null = (name, field.name) == ("reinforce", "clip_range") or field.name == "max_lag"
    never = ["3", (3,), True, *([] if field.name in ("max_epochs", "trials") else [3])]
    for value in never if field.default is None else NEVER[type(field.default)]:
        if not (takes_null and value is None):
            with pytest.raises((InvalidOption, UnknownName)) as caught:
                replace(agent, **{field.name: value})
            assert field.name in str(caught.value)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("preset", ["default", "zoph2016", "nasnet2017", "enas2018"])
def test_every_reinforce_preset_searches(preset):
    space = LayerChain(2)
    agent = MODULES["reinforce"].PRESETS[preset]
    assert len(run_agent(agent, Landscape(space), space, budget=50)) == 50


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[pytest.mark.slow] if name.startswith("sb3") or name in SLOWER else []
        )
        for name in AGENTS
    ],
)
@settings(max_examples=15, deadline=None)
@given(
    budget=st.integers(1, 40),
    num_envs=st.integers(1, 12),
    space=st.sampled_from([BitString(3), LayerChain(2)]),
)
def test_every_budget_is_spent_exactly(name, budget, num_envs, space):
    requests = run_agent(SMALL[name], landscape(space), space, budget=budget, num_envs=num_envs)
    assert len(requests) == budget


# ---------------------------------------------------------------- on the papers' spaces


PAPERS_SPACES: dict[str, Any] = {
    "layers": ConvNet(depth=3),
    "layers of any depth": ConvNet(depth=(1, 2, 3), types=("conv", "pool")),
    "tree": RNNCell(base=2),
    "chain": ENASRNNCell(nodes=4),
}
QUICKEST = {"random-search", "regularized-evolution", "genetic", "nsga2", "local-search"}
ON_PAPERS_SPACES = [
    pytest.param(
        agent,
        space,
        marks=[]
        if agent in QUICKEST or (agent, space) == ("reinforce", "layers of any depth")
        else [pytest.mark.slow],
    )
    for agent in AGENTS
    for space in PAPERS_SPACES
]


@pytest.mark.parametrize(("agent", "space"), ON_PAPERS_SPACES)
def test_it_spends_its_budget_on_the_papers_spaces(agent: str, space: str) -> None:
    """Also one that no round divides, with other rounds than the agent asks for."""
    searched = PAPERS_SPACES[space]
    for budget, num_envs in [(13, None), (10, 3)]:
        requests = run_agent(
            SMALL[agent], landscape(searched), searched, budget=budget, num_envs=num_envs
        )
        assert len(requests) == budget


@pytest.mark.parametrize("space", PAPERS_SPACES)
@pytest.mark.parametrize(
    "agent",
    [
        "reinforce",
        pytest.param("ppo", marks=pytest.mark.slow),
        pytest.param("sb3-maskable-ppo", marks=pytest.mark.slow),
    ],
)
def test_it_takes_open_options_alone(
    agent: str, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which differ from episode to episode where layers have types."""
    steps = []
    step = NASVectorEnv.step

    def watched(env: NASVectorEnv[Any], actions: Any) -> Any:
        steps.append(bool(env.action_masks()[np.arange(env.num_envs), actions].all()))
        return step(env, actions)

    monkeypatch.setattr(NASVectorEnv, "step", watched)
    run_agent(SMALL[agent], Landscape(PAPERS_SPACES[space]), PAPERS_SPACES[space], budget=16)
    assert len(steps) >= 4 * PAPERS_SPACES[space].max_length
    assert all(steps)


# ---------------------------------------------------------------- learning


@pytest.mark.slow
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


@pytest.fixture(scope="module")
def small_noisy():
    """Landscapes like NAS-Bench-201 that nothing was tuned on, and what random search finds."""
    space = NASBench201()
    landscapes = [tuning_landscape(space, seed) for seed in range(2000, 2012)]
    return landscapes, np.array([true_best(RandomSearch(), each) for each in landscapes])


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["genetic", "nsga2", "local-search", "softmax-reinforce"])
def test_beats_random_search_in_a_small_noisy_space(name, small_noisy):
    """True value of what was found in 300 evaluations, paired by landscape."""
    landscapes, random = small_noisy
    agent = MODULES[name].PRESETS["default"]
    gains = np.array([true_best(agent, each) for each in landscapes]) - random
    assert np.mean(gains > 0) >= 0.75
    assert gains.mean() > 0.002


def true_best(agent, landscape):
    requests = run_agent(agent, landscape, landscape.space, budget=300, seed=landscape.seed)
    return landscape.accuracy(max(requests, key=lambda request: request[1])[0])


def best_of(agent, space, seed, budget):
    landscape = Landscape(space, seed, noise=0.005)
    return max(reward for _, reward in run_agent(agent, landscape, space, budget=budget, seed=seed))


def test_the_package_and_its_tables_load_no_agent() -> None:
    code = (
        "import sys, nas_agents; nas_agents.AGENTS, nas_agents.PRESETS\n"
        "heavy = {'torch', 'numpy', 'stable_baselines3', 'gymnasium'}\n"
        "agents = {path.partition(':')[0] for path in nas_agents.AGENTS.values()}\n"
        "assert not (heavy | agents) & set(sys.modules)\n"
        "assert 'Reinforce' in dir(nas_agents) and nas_agents.Reinforce().batch_size"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "name", sorted(set(SMALL) - {"asha", "hyperband", "successive-halving", "with-proxy"})
)
def test_every_agent_keeps_limits(name: str) -> None:
    agent = SMALL[name]
    record = History()
    env = NASVectorEnv(
        NASBench201(),
        NASBench201Table(),
        num_envs=agent.batch_size,
        budget=24,
        limits={"parameters": (300_000, 400_000)},
        record=record,
    )
    env.reset(seed=0)
    agent.search(env)
    assert len(record.requests) == 24
    for tokens, _ in record.requests:
        parameters = 73_306 + 243_040 * tokens.count(3) + 28_000 * tokens.count(2)
        assert 300_000 <= parameters <= 400_000
    assert len({tokens for tokens, _ in record.requests}) > 3
