from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv

import nas_gym  # noqa: F401
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import BudgetExceeded
from nas_gym.evaluators.landscapes import BitCount, Landscape
from nas_gym.sb3 import CLIP, SB3VecEnv, StandardizedVecEnv, StopAtBudget
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import FailingEvaluator
from nas_gym.testing.spaces import BitString, LayerChain


@pytest.mark.parametrize("space", [NASNetCell(blocks=1), LayerChain()])
def test_maskable_ppo_spends_the_budget_exactly(space: object) -> None:
    env = SB3VecEnv(NASVectorEnv(space, Landscape(space), num_envs=4, budget=21))  # type: ignore[arg-type]
    env.seed(0)
    model = MaskablePPO("MlpPolicy", env, n_steps=20, batch_size=40, n_epochs=1, seed=0)
    model.learn(100_000, callback=StopAtBudget())
    assert env.env.remaining == 0
    assert len(model.ep_info_buffer or []) == 0  # no Monitor: infos are ours


@pytest.mark.slow
def test_ppo_learns_through_the_adapter() -> None:
    space = BitString(12)
    env = SB3VecEnv(NASVectorEnv(space, BitCount(noise=0.0), num_envs=8))
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=24,
        batch_size=96,
        n_epochs=6,
        learning_rate=3e-3,
        gamma=1.0,
        seed=0,
    )
    model.learn(8 * 24 * 40)
    env.env.reset(seed=1)
    observations = env.reset()
    rewards = None
    for _ in range(12):
        actions, _ = model.predict(observations, deterministic=False)
        observations, rewards, _, infos = env.step(actions)
    assert rewards is not None
    assert rewards.mean() > 0.8  # uniform tokens: 0.5
    assert infos[0]["evaluation"]["accuracy"] == pytest.approx(rewards[0])
    assert infos[0]["terminal_observation"].shape == (12,)


def test_dummy_vec_env_and_maskable_ppo_work_on_the_single_environment() -> None:
    env = make_vec_env(
        "NASNetCell-v0",
        n_envs=2,
        env_kwargs={
            "evaluator": {"name": "landscape"},
            "space": {"name": "nasnet-cell", "blocks": 1},
        },
    )
    model = MaskablePPO("MlpPolicy", env, n_steps=20, batch_size=40, n_epochs=1, seed=0)
    model.learn(80)
    assert len(model.ep_info_buffer or []) == 8


@pytest.mark.few(1)
@pytest.mark.parametrize("count", [1, 3])
def test_single_environments_stop_at_their_budgets(count: int) -> None:
    options = {"evaluator": {"name": "landscape"}, "budget": 7}
    env = make_vec_env("NASNetCell-v0", n_envs=count, env_kwargs=options)
    model = PPO("MlpPolicy", env, n_steps=80, batch_size=80, n_epochs=1, seed=0)
    model.learn(10_000, callback=StopAtBudget())
    assert set(env.get_attr("remaining")) == {0}
    with pytest.raises(BudgetExceeded, match=r"learn\(…, callback=nas_gym.sb3.StopAtBudget\(\)\)"):
        PPO("MlpPolicy", env, n_steps=80, batch_size=80, n_epochs=1, seed=0).learn(10_000)


def test_the_callback_stops_when_one_of_several_budgets_is_spent() -> None:
    makers = [
        partial(gym.make, "NASNetCell-v0", evaluator={"name": "landscape"}, budget=budget)
        for budget in (9, 3)
    ]
    env = DummyVecEnv(makers)
    model = PPO("MlpPolicy", env, n_steps=80, batch_size=80, n_epochs=1, seed=0)
    model.learn(10_000, callback=StopAtBudget())
    assert env.get_attr("remaining") == [6, 0]


def test_standardized_observations_are_one_hot_tokens_and_the_position() -> None:
    env = StandardizedVecEnv(NASVectorEnv(LayerChain(2), Landscape(LayerChain(2)), num_envs=2))
    length, options = env.env.space.max_length, env.env.space.max_options
    for step in range(length + 1):
        observations = env.reset() if step == 0 else env.step(np.array([1, 0]))[0]
        assert env.observation_space.contains(observations[0])
        step %= length
        tokens = observations[:, : length * options].reshape(2, length, options)
        rounds = env.env._round
        for episode, taken in enumerate(rounds.tokens()):
            expected = np.zeros((length, options))
            expected[range(len(taken)), taken] = 1
            np.testing.assert_array_equal(tokens[episode], expected)
        np.testing.assert_array_equal(
            observations[:, length * options :], [np.eye(length)[step]] * 2
        )


def test_standardized_rewards_are_those_of_numpy() -> None:
    space = NASNetCell(blocks=1)
    plain = SB3VecEnv(NASVectorEnv(space, Landscape(space), num_envs=5, budget=28))
    env = StandardizedVecEnv(NASVectorEnv(space, Landscape(space), num_envs=5, budget=28))
    plain.reset(), env.reset()
    rng, seen = np.random.default_rng(0), []
    for step in range(1, 6 * space.max_length + 1):
        actions = rng.integers(space.max_options, size=5)
        _, rewards, _, _ = plain.step(actions)
        _, scaled, ended, rows = env.step(actions)
        if step % space.max_length:
            assert not scaled.any()
            continue
        evaluated = 5 if step < 6 * space.max_length else 3  # the last round is partial
        seen += rewards[:evaluated].tolist()
        expected = (rewards[:evaluated] - np.mean(seen)) / np.std(seen)
        np.testing.assert_allclose(scaled[:evaluated], np.clip(expected, -CLIP, CLIP), atol=1e-4)
        assert not scaled[evaluated:].any()
        assert ended.all()
        assert rows[0]["terminal_observation"].shape == env.observation_space.shape


def test_failed_children_do_not_drown_the_others() -> None:
    space = NASNetCell(blocks=1)
    failing = FailingEvaluator(Landscape(space), rate=0.5)
    inner = NASVectorEnv(space, failing, num_envs=200, failure_reward=-7.0)
    env = StandardizedVecEnv(inner)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(space.max_length):
        _, scaled, _, rows = env.step(rng.integers(space.max_options, size=200))
    failed = np.array([row["evaluation"]["failure"] is not None for row in rows])
    assert 0.3 < failed.mean() < 0.7
    assert (scaled[failed] == -CLIP).all()
    assert scaled[~failed].std() == pytest.approx(1, abs=0.2)


def test_pictures_are_tiled_as_videos_ask() -> None:
    space = NASNetCell(blocks=1)
    env = SB3VecEnv(NASVectorEnv(space, Landscape(space), num_envs=2, render_mode="rgb_array"))
    env.reset()
    one, other = env.get_images()
    assert one is not None
    assert other is not None
    assert one.shape == other.shape
    assert one.dtype == np.uint8
    tiled = env.render()
    assert tiled is not None
    assert tiled.size >= 2 * one.size
