import numpy as np
import pytest
import torch

from nas_agents.lstm.controller import Controller
from nas_agents.lstm.ppo_learner import ActorCritic, PPOLearner, gae
from nas_agents.lstm.reinforce_learner import ReinforceLearner, sample_round
from nas_agents.lstm.vocabulary import Vocabulary
from nas_agents.ppo import PPO, PRESETS
from nas_agents.random_search import RandomSearch
from nas_agents.reinforce import PRESETS as REINFORCE
from nas_agents.reinforce import Reinforce
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitString, Landscape
from nas_gym.testing.agent_suite import run_agent


def sampled(settings, space, episodes):
    generator = torch.Generator().manual_seed(0)
    vocabulary = Vocabulary(ChoiceTable(space), np.random.default_rng(0))
    controller = (ActorCritic if settings.critic else Controller)(settings, vocabulary, generator)
    env = NASVectorEnv(space, Landscape(space), num_envs=episodes)
    env.reset(seed=0)
    return controller, sample_round(env, controller, generator), generator


def test_with_lambda_one_the_advantage_is_the_reward_less_the_value():
    values = torch.tensor([[0.1, 0.4, 0.2], [0.0, -0.3, 0.5]])
    decisions = torch.ones(2, 3, dtype=torch.bool)
    advantages = gae(torch.tensor([1.0, -1.0]), values, decisions, 1.0)
    torch.testing.assert_close(advantages, torch.tensor([[1.0], [-1.0]]) - values)


def test_with_lambda_zero_it_is_the_next_value_less_this_one():
    values = torch.tensor([[0.1, 0.4, 0.2]])
    decisions = torch.ones(1, 3, dtype=torch.bool)
    advantages = gae(torch.tensor([1.0]), values, decisions, 0.0)
    torch.testing.assert_close(advantages, torch.tensor([[0.3, -0.2, 0.8]]))


def test_in_between_it_is_the_papers_sum():
    """A_t is the sum over l of lambda^l (V_{t+l+1} - V_{t+l}), with the reward as the last V."""
    rng = np.random.default_rng(0)
    values, reward, decay = rng.normal(size=7), 0.7, 0.9
    following = [*values[1:], reward]
    expected = [
        sum(decay ** (u - t) * (following[u] - values[u]) for u in range(t, 7)) for t in range(7)
    ]
    found = gae(
        torch.tensor([reward]),
        torch.tensor(values)[None],
        torch.ones(1, 7, dtype=torch.bool),
        decay,
    )
    assert found[0].tolist() == pytest.approx(expected)


def test_a_token_without_an_alternative_is_no_step():
    values = torch.tensor([[0.1, 9.0, 0.4, 0.2, 9.0]])
    decisions = torch.tensor([[True, False, True, True, False]])
    padded = gae(torch.tensor([1.0]), values, decisions, 0.8)
    plain = gae(torch.tensor([1.0]), values[decisions][None], decisions[:, [0, 2, 3]], 0.8)
    torch.testing.assert_close(padded[decisions][None], plain)
    assert padded[~decisions].tolist() == [0, 0]


def test_the_critic_is_fitted_to_the_returns():
    """With rewards that one bit decides, the value before it is no use, after it is."""
    settings = PPO(batch_size=64, minibatch_size=16, critic=True, epochs=30, gae_lambda=1.0)
    controller, episodes, generator = sampled(settings, BitString(2), 64)
    episodes = episodes._replace(rewards=episodes.tokens[:, 0].float())
    PPOLearner(settings, controller, generator).update(episodes)
    with torch.no_grad():
        values = controller.values(controller.outputs(episodes))[:, 1]
    ones = episodes.tokens[:, 0] == 1
    assert float(values[ones].mean() - values[~ones].mean()) > 1.5  # 2 in units of the spread


def test_one_minibatch_without_a_critic_is_reinforce_with_clipping():
    """The same batch, order and epochs: the same policy afterwards."""
    settings = PPO(batch_size=6, minibatch_size=6, hidden_size=8, epochs=3)
    space, results = BitString(8), []
    for learner_of in (
        lambda controller, generator: ReinforceLearner(settings, controller),
        lambda controller, generator: PPOLearner(settings, controller, generator),
    ):
        controller, episodes, generator = sampled(settings, space, 6)
        learner_of(controller, generator).update(episodes)
        with torch.no_grad():
            results.append(controller.log_probabilities(episodes)[0])
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-3)


def test_every_architecture_is_in_one_minibatch_an_epoch():
    settings = PPO(batch_size=10, minibatch_size=4, hidden_size=8, epochs=2)
    seen = []

    class Watching(PPOLearner):
        def clipped(self, episodes, *others):
            seen.append(episodes.rewards.tolist())
            return super().clipped(episodes, *others)

    controller, episodes, generator = sampled(settings, BitString(6), 10)
    Watching(settings, controller, generator).update(episodes)
    assert list(map(len, seen)) == [4, 4, 2, 4, 4, 2]
    assert sorted(reward for part in seen[:3] for reward in part) == sorted(
        episodes.rewards.tolist()
    )
    assert seen[:3] != seen[3:]


def test_the_papers_settings_are_those_of_reinforce():
    ours, theirs = PRESETS["nasnet2017"], REINFORCE["nasnet2017"]
    assert Reinforce(**{name: getattr(ours, name) for name in vars(theirs)}) == theirs
    assert not ours.critic


@pytest.mark.parametrize("critic", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_beats_random_search(critic):
    space = NASNetCell(blocks=2)
    gains = []
    for seed in range(6):
        landscape = Landscape(space, seed, noise=0.005)
        found = [
            max(run_agent(agent, landscape, space, budget=100, seed=seed), key=lambda r: r[1])[0]
            for agent in (RandomSearch(), PPO(critic=critic))
        ]
        gains.append(landscape.accuracy(found[1]) - landscape.accuracy(found[0]))
    assert np.mean(gains) > 0.003


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minibatch_size": 0}, "minibatch_size is 0"),
        ({"clip_range": None, "epochs": 1}, "clip_range is None"),
        ({"gae_lambda": 1.5}, "gae_lambda is 1.5"),
        ({"value_weight": -1.0}, "value_weight is -1.0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InvalidOption, match=message):
        PPO(**options)
