"""Limits of single episodes, and budgets that a policy sees."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_gym
from nas_gym.envs.wrappers import BudgetInObservation
from nas_gym.errors import InvalidOption, UnknownName

gym.register_envs(nas_gym)
ID = "NASBench201-v0"


@pytest.fixture(scope="module")
def env() -> Any:
    return gym.make(ID).unwrapped


def walk(env: Any, rng: np.random.Generator, info: dict[str, Any]) -> dict[str, Any]:
    ended = False
    while not ended:
        _, _, ended, _, info = env.step(rng.choice(np.flatnonzero(info["action_mask"])))
    return info


def test_each_episode_may_have_limits_of_its_own(env: Any) -> None:
    rng = np.random.default_rng(0)
    whole = gym.make(ID, limits={"parameters": 300_000}).unwrapped
    for _ in range(10):
        _, info = env.reset(options={"limits": {"parameters": 300_000}})
        _, other = whole.reset()
        ended = False
        while not ended:
            assert info["action_mask"].tolist() == other["action_mask"].tolist()
            token = rng.choice(np.flatnonzero(info["action_mask"]))
            _, _, ended, _, info = env.step(token)
            other = whole.step(token)[4]
        assert info["tokens"].count(3) == 0
    sizes = [walk(env, rng, env.reset()[1])["tokens"].count(3) for _ in range(10)]
    assert max(sizes) > 1  # the next ones have none


def test_closed_tokens_fold_within_an_episodes_limits(env: Any) -> None:
    env.reset(options={"limits": {"parameters": 74_000}})
    for _ in range(6):
        info = env.step(3)[4]
    assert set(info["tokens"]) <= {0, 1, 4}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"parameters": 10}, "the fewest possible are"),
        ({"parameters": (10, 400_000)}, "give the most of one metric"),
        ({"parameters": 10**6, "multiply_adds": 10**9}, "give the most of one metric"),
        (3, "give a mapping"),
    ],
)
def test_limits_of_an_episode_are_checked(env: Any, limits: Any, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        env.reset(options={"limits": limits})


def test_a_budget_is_drawn_kept_and_shown() -> None:
    env = BudgetInObservation(gym.make(ID))
    rng = np.random.default_rng(0)
    observation, info = env.reset(seed=3)
    again, _ = env.reset(seed=3)
    assert observation["budget"] == again["budget"]
    span = math.log(env.budgets.most / env.budgets.least)
    shown = []
    for _ in range(60):
        observation, info = env.reset()
        assert env.observation_space.contains(observation)
        shown.append(float(observation["budget"][0]))
        tokens = walk(env, rng, info)["tokens"]
        cost = env.budgets.least + 243_040 * tokens.count(3) + 28_000 * tokens.count(2)
        assert cost <= env.budgets.least * math.exp(span * (shown[-1] + 1) / 2) * (1 + 1e-5)
    assert min(shown) < -0.8
    assert max(shown) > 0.8
    observation, _ = env.reset(options={"limits": {"parameters": env.budgets.most}})
    assert observation["budget"].tolist() == [1.0]


@pytest.mark.slow
def test_it_passes_a_checker_and_trains_with_masks() -> None:
    from sb3_contrib import MaskablePPO
    from stable_baselines3.common.env_checker import check_env

    env = BudgetInObservation(gym.make(ID).unwrapped)
    check_env(env, warn=False)
    MaskablePPO("MultiInputPolicy", env, n_steps=24, batch_size=24, seed=0).learn(48)


def test_what_has_no_budgets_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"those of all .* exclude each other"):
        BudgetInObservation(gym.make(ID, limits={"parameters": 10**6}))
    with pytest.raises(UnknownName, match="watts"):
        BudgetInObservation(gym.make(ID), "watts")
