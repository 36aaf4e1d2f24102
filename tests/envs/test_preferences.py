"""Preferences in the observation, and rewards by them."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import rankdata

import nas_gym
from nas_gym.envs.multi_objective import MultiObjectiveEnv
from nas_gym.envs.preferences import PreferenceInObservation, drawn_preferences, ranks_among
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing.evaluators import FailingEvaluator

gym.register_envs(nas_gym)
ID = "NASBench201MO-v0"


def walk(env: Any, rng: np.random.Generator, info: dict[str, Any]) -> tuple[Any, ...]:
    ended = False
    while not ended:
        token = rng.choice(np.flatnonzero(info["action_mask"]))
        observation, reward, ended, _, info = step = env.step(token)
        assert env.observation_space.contains(observation)
        assert ended or reward == 0.0
    return step


@pytest.mark.parametrize("scalarization", ["linear", "chebyshev"])
def test_a_child_is_worth_what_the_weights_make_of_its_ranks(scalarization: Any) -> None:
    env = PreferenceInObservation(gym.make(ID), scalarization)
    rng, vectors = np.random.default_rng(0), []
    for number in range(12):
        observation, info = env.reset(seed=3 if number == 0 else None)
        weights = observation["preference"]
        assert weights.sum() == pytest.approx(1, abs=1e-6)
        last, reward, *_, info = walk(env, rng, info)
        assert last["preference"].tolist() == weights.tolist()
        assert type(reward) is float
        vectors.append(info["vector_reward"])
        columns = np.array(vectors).T
        ranks = np.array([(rankdata(each)[-1] - 0.5) / len(each) for each in columns])
        own = info["reward_weights"]
        expected = own @ ranks if scalarization == "linear" else -max(own * (1 - ranks))
        assert reward == pytest.approx(expected)


def test_what_was_measured_ranks_above_what_failed() -> None:
    alone = np.full((10, 1), np.nan)
    alone[4] = 0.3
    ranks = ranks_among(alone, alone)[:, 0]
    assert ranks.tolist() == [0.0] * 4 + [0.95] + [0.0] * 5  # mid-rank of the best of ten
    some = np.array([[1.0], [np.nan], [3.0], [2.0]])
    assert ranks_among(some, some)[:, 0].tolist() == [0.375, 0.0, 0.875, 0.625]
    assert ranks_among(some[:1], np.full((3, 1), np.nan)).tolist() == [[1.0]]


def test_preferences_are_uniform_and_follow_the_seed() -> None:
    many = drawn_preferences(np.random.default_rng(0), 3, 4000)
    np.testing.assert_allclose(many.sum(1), 1)
    assert abs((many[:, 0] > 0.5).mean() - 0.25) < 0.03  # Dirichlet(1, 1, 1)
    env = PreferenceInObservation(gym.make(ID))
    shown = [env.reset(seed=seed)[0]["preference"].tolist() for seed in (5, 5, 6)]
    assert shown[0] == shown[1] != shown[2]


def test_an_episode_may_be_given_its_preference_and_rewards_as_they_are() -> None:
    env = PreferenceInObservation(gym.make(ID, objectives=("accuracy", "-latency")), ranks=False)
    observation, info = env.reset(options={"preference": [3, 1]})
    assert observation["preference"].tolist() == [0.75, 0.25]
    _, reward, *_, info = walk(env, np.random.default_rng(0), info)
    assert reward == pytest.approx(
        0.75 * info["vector_reward"][0] + 0.25 * info["vector_reward"][1]
    )


def test_a_child_that_failed_has_the_lowest_rank_in_all() -> None:
    space = NASBench201()
    failing = FailingEvaluator(Landscape(space), rate=1.0)
    env = PreferenceInObservation(
        MultiObjectiveEnv(space, failing, objectives=("accuracy", "reward"))
    )
    _, info = env.reset(seed=0)
    assert walk(env, np.random.default_rng(0), info)[1] == 0.0


@pytest.mark.parametrize(
    "preference", [[1], [1, 2], [-1, 1, 1], [0, 0, 0], [1, math.nan, 1], "much", [math.inf, 1, 1]]
)
def test_what_is_no_preference_is_refused(preference: Any) -> None:
    env = PreferenceInObservation(gym.make(ID))
    with pytest.raises(InvalidOption, match="give 3 numbers >= 0"):
        env.reset(options={"preference": preference})


def test_one_objective_and_unknown_words_are_refused() -> None:
    with pytest.raises(InvalidOption, match="make it with objectives="):
        PreferenceInObservation(gym.make("NASBench201-v0"))
    with pytest.raises((InvalidOption, UnknownName), match="scalarization"):
        PreferenceInObservation(gym.make(ID), "quadratic")  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="ranks"):
        PreferenceInObservation(gym.make(ID), ranks=3)  # type: ignore[arg-type]


@pytest.mark.slow
def test_it_passes_a_checker_and_trains_with_masks_behind_other_wrappers() -> None:
    from mo_gymnasium.wrappers import MORecordEpisodeStatistics
    from sb3_contrib import MaskablePPO
    from stable_baselines3.common.env_checker import check_env

    env = PreferenceInObservation(MORecordEpisodeStatistics(gym.make(ID)))
    check_env(env, warn=False)
    MaskablePPO("MultiInputPolicy", env, n_steps=24, batch_size=24, seed=0).learn(48)
