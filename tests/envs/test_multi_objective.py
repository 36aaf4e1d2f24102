"""Vector rewards, and that mo-gymnasium's wrappers work on them."""

import math
import warnings
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import nas_gym
from nas_gym.envs.ids import IDS, MULTI_OBJECTIVE_IDS
from nas_gym.envs.multi_objective import (
    MultiObjectiveAsyncVectorEnv,
    MultiObjectiveEnv,
    MultiObjectiveVectorEnv,
    VectorReward,
)
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing.evaluators import FailingEvaluator

gym.register_envs(nas_gym)
ID = "NASBench201MO-v0"
BEST, SKIPS = (3, 3, 3, 3, 3, 3), (1, 1, 1, 1, 1, 1)  # all 3 x 3 convolutions, and no layer at all


def play(env: gym.Env[Any, Any], tokens: tuple[int, ...]) -> tuple[Any, ...]:
    env.reset(seed=0)
    for token in tokens[:-1]:
        _, reward, *_ = env.step(np.int64(token))
        assert reward.tolist() == [0.0] * len(reward)
    return env.step(np.int64(tokens[-1]))


@cache
def rewards_of(*architectures: tuple[int, ...]) -> list[list[float]]:
    env = gym.make(ID)
    return [play(env, tokens)[1].tolist() for tokens in architectures]


def test_every_token_environment_has_a_twin() -> None:
    assert [name.replace("MO", "") for name in MULTI_OBJECTIVE_IDS] == list(IDS)


def test_the_reward_is_one_number_per_objective() -> None:
    env = gym.make(ID)
    assert (env.unwrapped.reward_dim, env.unwrapped.reward_space.shape) == (3, (3,))
    _, reward, terminated, _, info = play(env, BEST)
    measured = info["evaluation"]
    assert terminated
    assert reward.dtype == np.float64
    assert reward.tolist() == [
        measured["accuracy"],
        -measured["parameters"],
        -measured["latency"],
    ]
    assert env.unwrapped.reward_space.contains(reward)


def test_any_id_takes_objectives_and_the_scalar_one_stays() -> None:
    env = gym.make(
        "NASBench201-v0", objectives=["-multiply_adds", "reward"], disable_env_checker=True
    )
    _, reward, *_, info = play(env, SKIPS)
    assert reward.tolist() == [-info["evaluation"]["multiply_adds"], info["evaluation"]["accuracy"]]
    scalar = gym.make("NASBench201-v0").unwrapped
    assert not hasattr(scalar, "reward_space")


@pytest.mark.parametrize("name", list(MULTI_OBJECTIVE_IDS))
def test_they_are_made_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(name, objectives=("accuracy",), evaluator="landscape")
        env.reset(seed=0)
        env.step(env.action_space.sample())


def test_the_text_cells_are_judged_by_perplexity() -> None:
    env = gym.make("NASRNNCellMO-v0").unwrapped
    assert list(map(str, env.objectives)) == ["-perplexity", "-multiply_adds"]
    assert env.reward_space.high.tolist() == [0, 0]  # 0 at every step but the last


def test_its_specification_makes_it_again() -> None:
    env = gym.make(ID, dataset="cifar100")
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert play(env, BEST)[1].tolist() == play(again, BEST)[1].tolist()


def test_a_round_gives_a_row_per_episode_and_an_unpaid_one_zeros() -> None:
    env = gym.make_vec(ID, num_envs=3, budget=5)
    assert isinstance(env, MultiObjectiveVectorEnv)
    env.reset(seed=0)
    actions = np.array([3, 1, 0])
    single = rewards_of(BEST, SKIPS, (0,) * 6)
    rewards = [env.step(actions)[1] for _ in range(12)]
    assert rewards[4].tolist() == [[0.0] * 3] * 3
    assert rewards[5].tolist() == single
    assert rewards[11].tolist() == [*single[:2], [0.0] * 3]  # truncated: the budget is spent


def test_failures_get_the_worst_of_each() -> None:
    space = NASBench201()
    env = MultiObjectiveEnv(
        space, FailingEvaluator(Landscape(space), rate=1.0), objectives=("accuracy", "reward")
    )
    assert play(env, BEST)[1].tolist() == [0.0, -1e12]
    rewards = VectorReward(("accuracy", "-parameters", "-perplexity"), Landscape(space))
    failed = {"failure": "crashed"}
    fine = {"failure": None, "accuracy": 0.5, "parameters": 7.0, "perplexity": 9.0}
    assert rewards.of(fine, 0.5).tolist() == [0.5, -7, -9]
    assert rewards.of(fine | {"parameters": 3.0}, 0.5).tolist() == [0.5, -3, -9]
    assert rewards.of(failed, 0.0).tolist() == [0, -7, -9]
    assert rewards.of(fine | {"perplexity": math.inf}, 0.0).tolist() == [0, -7, -9]
    own = VectorReward({"accuracy": None, "-parameters": -100}, Landscape(space))
    assert own.of(failed, 0.0).tolist() == [0, -100]
    assert own.space.low.tolist() == [0, -100]


@pytest.mark.parametrize("objectives", [(), ("accuracy", "-accuracy"), 3, {"accuracy": "low"}])
def test_bad_objectives_are_refused(objectives: Any) -> None:
    with pytest.raises(InvalidOption, match="objective"):
        gym.make(ID, objectives=objectives)


def test_what_the_evaluator_does_not_give_is_refused() -> None:
    with pytest.raises(InvalidOption, match=r"latency.* measures only if it is asked to"):
        gym.make("NASNetCellMO-v0", objectives=("accuracy", "-latency"))
    message = "'watts', but the evaluator gives accuracy, parameters, multiply_adds, latency: "
    with pytest.raises(InvalidOption, match=message):
        gym.make(ID, objectives=("accuracy", "-watts"))
    space = NASBench201()  # this evaluator counts no parameters, which every info has as NaN
    uncounted = MultiObjectiveEnv(space, Landscape(space), objectives=("-parameters",))
    with pytest.raises(InvalidOption, match="'parameters' is not among"):
        play(uncounted, BEST)


def test_episodes_of_their_own_pace_have_vectors_too() -> None:
    """Simulated machines: who is done first does not depend on the time, only on the children."""
    env: Any = gym.make_vec(ID, num_envs=3, in_flight=2, simulated_workers=2, budget=7)
    assert isinstance(env, MultiObjectiveAsyncVectorEnv)
    tokens = {0: 3, 1: 1, 2: 0}  # of each environment, throughout
    expected = rewards_of(BEST, SKIPS, (0,) * 6)
    env.async_reset(seed=0)
    ended = []
    while len(ended) < 7:
        _, rewards, terminated, truncated, infos = env.recv()
        assert rewards.shape == (len(infos["env_id"]), 3)
        for i, number in enumerate(infos["env_id"].tolist()):
            wanted = expected[number] if terminated[i] else [0.0] * 3
            assert rewards[i].tolist() == wanted
            ended += [number] * bool(terminated[i])
        assert not truncated.any()
        left = np.array([n for n in infos["env_id"].tolist() if env.remaining > 0], np.int64)
        env.send([tokens[n] for n in left.tolist()], left)
    assert set(ended) == {0, 1, 2}
    with pytest.raises(InvalidOption, match="exclude each other"):
        gym.make_vec(ID, num_envs=2, in_flight=2, action="edit")


# ---------------------------------------------------------------- mo-gymnasium


@pytest.fixture(scope="module")
def wrappers() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pygame's own imports
        return pytest.importorskip("mo_gymnasium.wrappers")


def test_a_linear_reward_is_a_weighted_sum(wrappers: Any) -> None:
    weights = np.array([1.0, 1e-7, 0.5])
    env = wrappers.LinearReward(gym.make(ID), weight=weights)
    env.reset(seed=0)
    for token in BEST:
        *_, info = step = env.step(np.int64(token))
    assert step[1] == pytest.approx(float(info["vector_reward"] @ weights))
    assert step[1] != 0


def test_statistics_of_episodes_are_vectors(wrappers: Any) -> None:
    env = wrappers.MORecordEpisodeStatistics(gym.make(ID))
    _, reward, *_, info = play(env, BEST)
    np.testing.assert_allclose(info["episode"]["r"], reward, rtol=1e-6)
    assert info["episode"]["l"] == 6


def test_a_normalized_objective_leaves_the_others_alone(wrappers: Any) -> None:
    env = wrappers.MONormalizeReward(gym.make(ID), idx=1)
    for _ in range(3):
        _, reward, *_, info = play(env, BEST)
    measured = info["evaluation"]
    assert reward[[0, 2]].tolist() == [measured["accuracy"], -measured["latency"]]
    assert -100 < reward[1] < 0  # parameters are 1.5 million


def test_many_single_environments_are_one_of_theirs(wrappers: Any) -> None:
    env = wrappers.vector.MOSyncVectorEnv([lambda: gym.make(ID)] * 2)
    env.reset(seed=0)
    for _ in range(6):
        rewards = env.step(np.array([3, 1]))[1]
    np.testing.assert_allclose(rewards, rewards_of(BEST, SKIPS), rtol=1e-6)


def test_their_statistics_fit_our_rounds(wrappers: Any) -> None:
    env = wrappers.vector.MORecordEpisodeStatistics(gym.make_vec(ID, num_envs=2))
    env.reset(seed=0)
    for _ in range(6):
        *_, infos = env.step(np.array([3, 1]))
    np.testing.assert_allclose(infos["episode"]["r"], rewards_of(BEST, SKIPS), rtol=1e-6)
    assert infos["_episode"].tolist() == [True, True]


def test_their_make_makes_ours(wrappers: Any) -> None:
    import mo_gymnasium

    assert play(mo_gymnasium.make("NASBench201-v0", objectives=("accuracy",)), BEST)[1].shape == (
        1,
    )
