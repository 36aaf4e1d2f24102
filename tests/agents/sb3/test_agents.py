"""Stable-Baselines3's algorithms as agents: apart from everybody else, and they learn."""

import random
import tempfile

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

import nas_gym
from nas_agents.random_search import RandomSearch
from nas_agents.sb3.a2c import SB3A2C
from nas_agents.sb3.algorithm import SB3, rollout
from nas_agents.sb3.dqn import SB3DQN
from nas_agents.sb3.episodic_dqn import EpisodicDQN
from nas_agents.sb3.learning import FOREVER, exploration
from nas_agents.sb3.maskable_ppo import SB3MaskablePPO
from nas_agents.sb3.ppo import SB3PPO
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.evaluators.landscapes import BitCount
from nas_gym.registry import make, restorable, spec_of
from nas_gym.sb3 import SB3VecEnv
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run
from nas_gym.testing import BitString, Landscape, LayerChain, tuning_landscape
from nas_gym.testing.agent_suite import run_agent

TUNED = [SB3PPO(), SB3MaskablePPO(), SB3A2C(), SB3DQN()]
EDITING = [
    SB3MaskablePPO(action="edit"),
    SB3DQN(action="edit", start="random", horizon=2, learning_starts=5),
    SB3(action="edit", start="random", algorithm="stable_baselines3:DQN"),
]
EVERY = [*TUNED, SB3(), *EDITING]


# ---------------------------------------------------------------- learning


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(agent, marks=[pytest.mark.slow] if type(agent) in (SB3PPO, SB3A2C) else [])
        for agent in TUNED
    ],
    ids=lambda agent: type(agent).__name__,
)
def test_it_learns_on_landscapes_that_it_was_not_tuned_on(agent):
    """Of 200 evaluations the last 40 are far above random ones; the best is at least as good."""
    space, last, best = NASBench201(), [], []
    for seed in range(3):
        landscape = tuning_landscape(space, seed)
        for each in (agent, RandomSearch()):
            requests = run_agent(each, landscape, space, budget=200, seed=seed)
            last.append(np.mean([landscape.accuracy(tokens) for tokens, _ in requests[-40:]]))
            best.append(landscape.accuracy(max(requests, key=lambda request: request[1])[0]))
    ours, randoms = np.mean(last[::2]), np.mean(last[1::2])
    assert ours - randoms > 0.5 * (0.916 - randoms)
    assert np.mean(best[::2]) > np.mean(best[1::2]) - 0.001  # the noise of one evaluation


def test_a_sequence_of_which_one_prefix_pays_is_found():
    """Tokens of a conditional space, by masks: the deepest chain of the last options."""

    class Deepest(Landscape):
        def accuracy(self, tokens):
            return len(tokens) / self.space.max_length

    space = LayerChain(3)
    requests = run_agent(SB3MaskablePPO(), Deepest(space), space, budget=160)
    lengths = [len(tokens) for tokens, _ in requests]
    assert np.mean(lengths[-40:]) > 0.95 * space.max_length > np.mean(lengths[:40])


@pytest.mark.slow
@pytest.mark.parametrize("agent", [SB3MaskablePPO, SB3DQN], ids=lambda agent: agent.__name__)
def test_it_learns_to_edit(agent):
    """From random strings towards ones; a random walk stays where it began."""
    first, last = [], []
    for seed in range(2):
        edits = agent(action="edit", start="random")
        requests = run_agent(edits, BitCount(noise=0.0), BitString(6), budget=500, seed=seed)
        rewards = [reward for _, reward in requests]
        first.append(np.mean(rewards[:100]))
        last.append(np.mean(rewards[-100:]))
    assert np.mean(last) > np.mean(first) + 0.07


def test_edits_change_one_choice_of_the_best_so_far_and_keep_limits():
    space, limits = NASBench201(), {"parameters": 600_000}
    agent = SB3MaskablePPO(action="edit", horizon=1, batch_size=1)
    result = nas_gym.search(space, "nasbench201", agent, budget=40, limits=limits)
    best = result.answers[0]
    for answer in result.answers[1:]:
        assert answer.evaluation.metrics["parameters"] <= 600_000
        one, other = (a.evaluation.architecture.tokens for a in (best, answer))
        assert sum(map(np.not_equal, one, other)) == 1
        best = max(best, answer, key=lambda a: a.reward)


@pytest.mark.slow
def test_a_proxy_stands_before_an_agent_that_edits():
    proposer = {"name": "sb3-dqn", "action": "edit", "batch_size": 4}
    agent = {"name": "with-proxy", "agent": proposer, "proxies": ["parameters"]}
    agent |= {"scored": 30, "first": 5, "share": 0.5}
    result = nas_gym.search("nasbench201", "nasbench201", agent, budget=20)
    assert len(result.answers) == 20


# ---------------------------------------------------------------- apart from everybody else


class Noisy(Landscape):
    """Its children draw from the global generators, as training in this process may."""

    cut_at = 10**9
    children = 0
    threads: set = set()  # noqa: RUF012

    def evaluate(self, architectures, seeds):
        for evaluation in super().evaluate(architectures, seeds):
            Noisy.children += 1
            if Noisy.children == Noisy.cut_at:
                raise KeyboardInterrupt
            self.threads.add(torch.get_num_threads())
            with pytest.raises(ValueError, match="scale"):  # distributions check again
                torch.distributions.Normal(0.0, -1.0)
            random.random(), np.random.random(), torch.rand(3)  # noqa: NPY002
            yield evaluation


@pytest.mark.few(1)
@pytest.mark.parametrize("agent", EVERY, ids=lambda agent: type(agent).__name__)
def test_a_cut_run_goes_on_though_children_draw_from_global_generators(
    agent, tmp_path, monkeypatch
):
    """The replayed half of a resumed run trains no children."""
    space = NASNetCell(blocks=1)
    options = {"agent": agent, "budget": 40, "num_envs": 4, "store": tmp_path / "store.sqlite"}
    monkeypatch.setattr(Noisy, "cut_at", 31)
    monkeypatch.setattr(Noisy, "children", 0)
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        nas_gym.search(space, Noisy(space), run="cut", **options)
    assert torch.get_num_threads() == before
    nas_gym.search(space, Noisy(space), run="cut", resume=True, **options)
    whole = nas_gym.search(space, Landscape(space), agent, budget=40, num_envs=4)
    rows = load_run("cut", options["store"]).rows
    assert [row.tokens for row in rows] == [a.evaluation.architecture.tokens for a in whole.answers]
    assert Noisy.threads == {before}


@pytest.mark.slow
def test_a_run_goes_on_with_a_larger_budget():
    """No schedule depends on the budget."""
    space = BitString(5)
    for agent in EVERY:
        short = run_agent(agent, Landscape(space), space, budget=25)
        assert run_agent(agent, Landscape(space), space, budget=40)[:25] == short


def test_no_file_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    space = BitString(3)
    for agent in EVERY:
        run_agent(agent, Landscape(space), space, budget=20)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- episodes and updates


@pytest.mark.parametrize("num_envs", [1, 3, 8])
def test_updates_are_on_whole_rounds(num_envs, monkeypatch):
    """Six episodes an update of 20: two rounds of three, one of eight; the last is not learnt."""
    sizes = []
    monkeypatch.setattr(PPO, "train", lambda self: sizes.append(self.rollout_buffer.rewards.shape))
    space = BitString(4)
    run_agent(SB3PPO(episodes_per_update=6), Landscape(space), space, budget=20, num_envs=num_envs)
    rounds = -(-6 // num_envs)
    assert set(sizes) == {(4 * rounds, num_envs)}
    assert len(sizes) == (20 - 1) // (rounds * num_envs)


def test_numbers_of_steps_are_told_in_episodes():
    env = NASVectorEnv(BitString(5), Landscape(BitString(5)), num_envs=4)
    assert rollout(env, 8) == 10
    assert rollout(env, 9) == 15
    assert exploration(env, 30) * FOREVER == pytest.approx(150)
    one = NASVectorEnv(BitString(1), Landscape(BitString(1)), num_envs=1)
    assert rollout(one, 1) == 2  # SB3 standardizes the advantages of two and more


def test_steps_of_edits_are_evaluations():
    space = BitString(5)
    env = NASVectorEnv(space, Landscape(space), num_envs=4)
    edits = SB3DQN(action="edit", horizon=3).stepped(env)
    assert rollout(edits, 8) == 6
    assert exploration(edits, 30) * FOREVER == pytest.approx(30)
    arguments = SB3DQN(learning_starts=7, replay=50).arguments(edits)
    assert (arguments["learning_starts"], arguments["buffer_size"]) == (7, 50)
    assert (arguments["train_freq"], arguments["n_steps"]) == (1, 3)


def test_dqn_explores_in_each_episode_on_its_own():
    env = SB3VecEnv(NASVectorEnv(BitString(30), Landscape(BitString(30)), num_envs=2000))
    model = EpisodicDQN("MlpPolicy", env, buffer_size=2000, device="cpu", seed=0)
    observations = env.reset()
    greedy, _ = model.predict(observations, deterministic=True)
    assert len(set(greedy.tolist())) == 1
    model.exploration_rate = 0.4
    tokens, _ = model.predict(observations)
    assert np.mean(tokens != greedy) == pytest.approx(0.2, abs=0.03)


# ---------------------------------------------------------------- by class


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "part",
    [
        {"algorithm": "stable_baselines3:A2C", "options": {"normalize_advantage": True}},
        {"algorithm": "stable_baselines3:DQN", "options": {"learning_starts": 10}},
        {"algorithm": "sb3_contrib:QRDQN", "options": {"learning_starts": 10}},
        {
            "algorithm": "sb3_contrib:RecurrentPPO",
            "policy": "MlpLstmPolicy",
            "options": {"policy_kwargs": {"lstm_hidden_size": 8, "n_lstm_layers": 1}},
        },
        {
            "algorithm": "stable_baselines3:PPO",
            "policy": "stable_baselines3.common.policies:ActorCriticPolicy",
            "options": {
                "policy_kwargs": {"activation_fn": "torch.nn:ReLU", "net_arch": [8]},
                "n_epochs": 2,
            },
            "episodes_per_update": 4,
        },
    ],
    ids=["a2c", "dqn", "qrdqn", "recurrent-ppo", "ppo"],
)
def test_any_algorithm_by_its_class(part):
    agent = make("agent", {"name": "sb3", **part})
    assert restorable("agent", agent)
    assert make("agent", spec_of("agent", agent)) == agent
    assert hash(make("agent", spec_of("agent", agent))) == hash(agent)
    space = LayerChain(2)
    assert len(run_agent(agent, Landscape(space), space, budget=27)) == 27


def test_the_tuned_agents_are_made_from_json():
    for name in ("sb3-ppo", "sb3-maskable-ppo", "sb3-a2c", "sb3-dqn"):
        agent = make("agent", {"name": name, "net_arch": [32, 16]})
        assert agent.net_arch == (32, 16)
        assert spec_of("agent", agent) == {"name": name, "net_arch": [32, 16]}
        assert restorable("agent", agent)


@pytest.mark.parametrize(
    ("agent", "options", "message"),
    [
        (SB3PPO, {"n_epochs": 0}, "n_epochs is 0"),
        (SB3PPO, {"clip_range": 0.0}, "clip_range is 0.0"),
        (SB3MaskablePPO, {"gae_lambda": 1.5}, "gae_lambda is 1.5"),
        (SB3A2C, {"ent_coef": -1.0}, "ent_coef is -1.0"),
        (SB3A2C, {"gae_lambda": -0.5}, "gae_lambda is -0.5"),
        (SB3DQN, {"explored_tokens": 0.0}, "explored_tokens is 0.0"),
        (SB3PPO, {"net_arch": (0,)}, "net_arch is"),
        (SB3, {"algorithm": "stable_baselines3:common"}, "give an SB3 algorithm by its class"),
        (SB3, {"options": {"seed": 3}}, "decides 'seed' itself"),
        (SB3, {"options": "[1, 2]"}, "keyword arguments as JSON"),
        (SB3, {"options": {"learning_rate": object()}}, "keyword arguments as JSON"),
        (SB3, {"batch_size": 0}, "batch_size is 0"),
        (SB3PPO, {"horizon": 0}, "horizon is 0"),
        (SB3DQN, {"start": 3}, "start is 3"),
    ],
)
def test_options_are_checked(agent, options, message):
    with pytest.raises(InvalidOption, match=message):
        agent(**options)


def test_unknown_names_are_told():
    with pytest.raises(UnknownName, match="did you mean 'learning_rate'"):
        SB3(options={"learning_rat": 0.1})
    for path in ("stable_baselines3:PPPO", "no_such_module:PPO", "PPO"):
        with pytest.raises(UnknownName, match="write it as module:Class"):
            SB3(algorithm=path)
