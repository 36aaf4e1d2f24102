import pytest
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import nas_gym  # noqa: F401
from nas_gym.sb3 import SB3VecEnv, StopAtBudget
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.testing.landscapes import BitCount, Landscape
from nas_gym.testing.spaces import BitString, LayerChain
from nas_gym.vector_env import NASVectorEnv


@pytest.mark.parametrize("space", [NASNetCell(blocks=1), LayerChain()])
def test_maskable_ppo_spends_the_budget_exactly(space: object) -> None:
    env = SB3VecEnv(NASVectorEnv(space, Landscape(space), num_envs=4, budget=21))  # type: ignore[arg-type]
    env.seed(0)
    model = MaskablePPO("MlpPolicy", env, n_steps=20, batch_size=40, n_epochs=1, seed=0)
    model.learn(100_000, callback=StopAtBudget())
    assert env.env.remaining == 0
    assert len(model.ep_info_buffer or []) == 0  # no Monitor: infos are ours


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
