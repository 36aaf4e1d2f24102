"""``NASAsyncVectorEnv``: EnvPool's words, whole token lists, and what is refused."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.errors import BudgetExceeded, InvalidOption, InvalidTokens
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.testing import BitCount, BitString, Landscape, LayerChain


def made(**options: Any) -> NASAsyncVectorEnv[Any]:
    env = gym.make_vec("NASBench201-v0", num_envs=4, in_flight=3, **options)
    assert isinstance(env, NASAsyncVectorEnv)
    return env


def play(env: NASAsyncVectorEnv[Any], rng: np.random.Generator, min_ready: int = 1) -> list[Any]:
    """Play random tokens until the budget is spent; return what ended, in its order."""
    env.async_reset(seed=3)
    ended = []
    while env.remaining > 0 or env.waiting:
        observations, rewards, terminated, truncated, infos = env.recv(min_ready)
        assert observations.shape == (len(rewards), env.space.max_length)
        assert observations.dtype == np.int64
        assert infos["action_mask"].shape == (len(rewards), env.space.max_options)
        assert infos["action_mask"].dtype == np.int8
        assert not (terminated & truncated).any()
        assert (rewards[~terminated] == 0).all()
        for i in np.flatnonzero(terminated):
            final = infos["final_info"]
            assert infos["_final_obs"][i]
            assert infos["_final_info"][i]
            tokens = final["tokens"][i]
            assert tuple(infos["final_obs"][i][: len(tokens)] - 1) == tokens
            assert final["evaluation"][i]["accuracy"] > 0
            assert (observations[i] == 0).all()  # a new episode has begun
            ended.append((tokens, rewards[i]))
        actions = [rng.choice(np.flatnonzero(mask)) for mask in infos["action_mask"]]
        env.send(actions, infos["env_id"])
    return ended


@pytest.mark.parametrize("min_ready", [1, 2, 4])
def test_all_of_the_budget_is_spent_and_every_reward_is_the_tables(min_ready: int) -> None:
    env = made(budget=25)
    ended = play(env, np.random.default_rng(0), min_ready)
    assert len(ended) == 25
    check = gym.make_vec("NASBench201-v0", num_envs=1)
    assert [p.reward for p in check.unwrapped.play([t for t, _ in ended])] == [r for _, r in ended]


def test_a_conditional_space_has_episodes_of_different_lengths() -> None:
    space = LayerChain(max_depth=3)
    env = NASAsyncVectorEnv(space, Landscape(space), num_envs=3, budget=20)
    ended = play(env, np.random.default_rng(1))
    assert len(ended) == 20
    assert len({len(tokens) for tokens, _ in ended}) > 1


def test_the_same_seeds_give_the_same_answers() -> None:
    runs = [play(made(budget=20), np.random.default_rng(5)) for _ in range(2)]
    assert runs[0] == runs[1]


def test_token_steps_are_answered_before_children() -> None:
    env = NASAsyncVectorEnv(BitString(2), BitCount(noise=0.0), num_envs=2, budget=9)
    env.async_reset()
    assert env.recv()[4]["env_id"].tolist() == [0, 1]
    env.send([1], [0])
    assert env.recv()[4]["env_id"].tolist() == [0]
    env.send([1, 0], [0, 1])  # 0 is complete
    assert (env.waiting, env.remaining) == (1, 8)
    _, _, terminated, _, infos = env.recv()
    assert infos["env_id"].tolist() == [1]
    assert "final_info" not in infos
    assert not terminated.any()
    _, rewards, terminated, _, infos = env.recv()
    assert (infos["env_id"].tolist(), rewards.tolist(), terminated.tolist()) == ([0], [1.0], [True])
    assert env.remaining == 8


def test_what_is_left_over_when_the_budget_is_spent_is_truncated_last() -> None:
    env = NASAsyncVectorEnv(BitString(1), BitCount(noise=0.0), num_envs=3, budget=2)
    env.async_reset()
    env.recv()
    env.send([1, 0, 1], [0, 1, 2])
    _, rewards, terminated, truncated, infos = env.recv(3)
    assert sorted(infos["env_id"]) == [0, 1, 2]
    assert (terminated.sum(), truncated.sum()) == (2, 1)
    assert infos["env_id"][-1] == 2
    assert infos["final_obs"][-1].tolist() == [2]
    assert not infos["_final_info"][-1]
    assert rewards[-1] == 0
    with pytest.raises(BudgetExceeded, match="the budget is spent"):
        env.send([1], [0])


def test_whole_lists_come_back_with_their_tickets() -> None:
    env = made(budget=12)
    env.reset(seed=1)
    lists = [random_tokens(env.space, env.np_random) for _ in range(12)]
    tickets = [env.submit(tokens) for tokens in lists]
    played = env.collect(5) + env.collect(100)
    assert sorted(ticket for ticket, _ in played) == tickets
    assert all(p.tokens == lists[ticket] for ticket, p in played)
    assert env.collect() == []


def test_rounds_are_played_as_before() -> None:
    env = made(budget=20)
    env.reset(seed=1)
    assert len(env.play([(0, 0, 0, 0, 0, 0), (1, 1, 1, 1, 1, 1)])) == 2
    for _ in range(6):
        rewards = env.step(np.ones(4, np.int64))[1]
    assert (rewards > 0).all()
    env.submit((2, 2, 2, 2, 2, 2))
    with pytest.raises(InvalidOption, match="are in flight: collect their answers"):
        env.play([(3, 3, 3, 3, 3, 3)])


def test_children_of_before_a_reset_are_left_out() -> None:
    env = NASAsyncVectorEnv(BitString(1), BitCount(noise=0.0), num_envs=2, budget=9)
    env.async_reset()
    env.recv()
    env.send([1], [0])
    env.async_reset()
    assert env.recv()[4]["env_id"].tolist() == [0, 1]
    env.send([0, 0], [0, 1])
    _, rewards, _, _, infos = env.recv(2)
    assert (infos["env_id"].tolist(), rewards.tolist()) == ([0, 1], [0.0, 0.0])


@pytest.mark.parametrize(
    ("actions", "env_id", "sentence"),
    [
        ([0], [7], "environment 7 does not wait for an action"),
        ([0], [-1], "environment -1 does not wait"),
        ([0, 0], [1, 1], "give each environment once"),
        ([0], [0, 1], "give 2 integers, one for each environment"),
        ([9], [0], "give 0 to 4"),
        ([-1], [0], "give 0 to 4"),
        ([0.5], [0], "give 1 integers"),
        ([0], [[0]], "give the integers of infos"),
        ([0], ["a"], "give the integers of infos"),
    ],
)
def test_bad_actions_change_nothing(actions: Any, env_id: Any, sentence: str) -> None:
    env = made()
    env.async_reset()
    env.recv()
    with pytest.raises(InvalidTokens, match=sentence):
        env.send(actions, env_id)
    env.send([0, 0, 0, 0], [0, 1, 2, 3])
    assert len(env.recv(4)[1]) == 4


def test_what_was_not_begun_is_not_waited_for() -> None:
    env = made()
    with pytest.raises(ResetNeeded, match="call async_reset"):
        env.recv()
    env.async_reset()
    env.recv()
    with pytest.raises(InvalidOption, match="send\\(\\) actions before recv"):
        env.recv()
    assert env.recv(timeout=0)[0].shape == (0, 6)
    for number in (0, -1, 1.5, True):
        with pytest.raises(InvalidOption, match="min_ready is"):
            env.recv(number)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="timeout is -1: give seconds"):
        env.collect(timeout=-1)
    for _ in range(6):
        env.send([0], [0])
        if env.waiting:
            break
        env.recv()
    with pytest.raises(InvalidOption, match="take their answers with recv"):
        env.collect()


def test_answers_to_lists_are_not_lost_among_episodes() -> None:
    env = NASAsyncVectorEnv(BitString(1), BitCount(noise=0.0), num_envs=2, budget=9)
    ticket = env.submit((1,))
    env.async_reset()
    with pytest.raises(InvalidOption, match="take their answers with collect"):
        env.recv()
    assert [found for found, _ in env.collect()] == [ticket]
    assert env.recv()[4]["env_id"].tolist() == [0, 1]


@pytest.mark.parametrize("tokens", [(0,), (0,) * 7, "abc", (0, 0, 0, 0, 0, 9.5)])
def test_bad_token_lists_cost_nothing(tokens: Any) -> None:
    env = made(budget=3)
    with pytest.raises(InvalidTokens):
        env.submit(tokens)
    assert env.remaining == 3
