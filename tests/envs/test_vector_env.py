import copy
import json
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers.vector import (
    FlattenObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    TransformReward,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import nas_gym
from nas_gym.envs.env import NASEnv
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import BudgetExceeded, InvalidOption, InvalidSpace, InvalidTokens
from nas_gym.evaluators.landscapes import BitCount, Landscape
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import BitString, LayerChain

LANDSCAPE = {"name": "landscape", "seed": 3}
gym.register_envs(nas_gym)


def random_round(env: NASVectorEnv[Any], rng: np.random.Generator) -> tuple[Any, ...]:
    space = env.unwrapped.space
    for _ in range(space.max_length):
        result = env.step(rng.integers(space.max_options, size=env.num_envs))
    return result


@pytest.mark.parametrize("space", [NASNetCell(blocks=2), LayerChain()])
def test_stepping_and_playing_are_the_same(space: Any) -> None:
    stepped = NASVectorEnv(space, Landscape(space), num_envs=6)
    played = NASVectorEnv(space, Landscape(space), num_envs=6)
    stepped.reset(seed=0)
    rng = np.random.default_rng(1)
    for _ in range(5):
        _, rewards, terminated, truncated, infos = random_round(stepped, rng)
        assert terminated.all()
        assert not truncated.any()
        final = infos["final_info"]
        answers = played.play(list(final["tokens"]))
        assert [a.reward for a in answers] == rewards.tolist()
        assert [a.tokens for a in answers] == list(final["tokens"])
        assert [a.evaluation.to_info() for a in answers] == list(final["evaluation"])


def test_equal_designs_of_a_round_keep_their_own_tokens(counting: Any) -> None:
    env = NASVectorEnv(NASNetCell(blocks=1), counting, num_envs=2)
    env.reset(seed=0)
    rounds = [(0, 1), (1, 0), (4, 8), (8, 4), (0, 0), (0, 0), (1, 1), (4, 4), (8, 8), (0, 0)]
    for actions in rounds:
        _, rewards, _, _, infos = env.step(np.array(actions))
    assert list(infos["final_info"]["tokens"]) == list(zip(*rounds, strict=True))
    assert rewards[0] == rewards[1]


def test_a_round_reaches_the_evaluator_as_one_batch(counting: Any) -> None:
    env = NASVectorEnv(NASNetCell(), counting, num_envs=5)
    env.reset(seed=0)
    random_round(env, np.random.default_rng(0))
    assert [len(batch) for batch in counting.batches] == [5]


@pytest.mark.parametrize("space", [NASNetCell(blocks=1), LayerChain()])
@settings(max_examples=25, deadline=None)
@given(budget=st.integers(1, 12), num_envs=st.integers(1, 5))
def test_the_last_round_spends_the_budget_exactly(space: Any, budget: int, num_envs: int) -> None:
    env = NASVectorEnv(space, Landscape(space), num_envs=num_envs, budget=budget)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    evaluated = 0
    while env.remaining:
        left = env.remaining
        _, rewards, terminated, truncated, infos = random_round(env, rng)
        evaluated += int(terminated.sum())
        np.testing.assert_array_equal(terminated, np.arange(num_envs) < left)
        np.testing.assert_array_equal(truncated, ~terminated)
        assert not rewards[truncated].any()
        assert all(t is None for t in infos["final_info"]["tokens"][truncated])
    assert evaluated == budget
    with pytest.raises(BudgetExceeded):
        random_round(env, rng)
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(num_envs, np.int64))
    with pytest.raises(BudgetExceeded):
        env.play([random_tokens(space, rng)])


def test_a_shorter_architecture_waits_for_the_round() -> None:
    space = LayerChain()
    env = NASVectorEnv(space, Landscape(space), num_envs=2)
    env.reset(seed=0)
    for step in range(space.max_length):
        # The first picks depth 1 and a pool: complete after two tokens.
        action = [[0, 2], [1, 0]][step] if step < 2 else [3, 1]
        obs, rewards, terminated, _, infos = env.step(np.array(action))
        if 2 <= step + 1 < space.max_length:
            assert infos["action_mask"][0].tolist() == [1, *[0] * (space.max_options - 1)]
            assert not terminated.any()
            assert not rewards.any()
    assert infos["final_info"]["tokens"][0] == (0, 1)
    assert infos["final_obs"][0].tolist() == [1, 2, *[0] * (space.max_length - 2)]
    assert not obs.any()  # new episodes have begun


@pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point", None])
def test_make_vec_in_every_mode(mode: Any) -> None:
    env = gym.make_vec(
        "NASNetCell-v0",
        num_envs=2,
        vectorization_mode=mode,
        evaluator=LANDSCAPE,
        space={"name": "nasnet-cell", "blocks": 1},
    )
    kind = {"sync": SyncVectorEnv, "async": AsyncVectorEnv}.get(mode, NASVectorEnv)
    assert isinstance(env.unwrapped, kind)
    env.reset(seed=0)
    env.action_space.seed(0)
    rewards = [env.step(env.action_space.sample())[1] for _ in range(10)]
    assert all((r > 0).all() for r in rewards[9:])
    assert not any(r.any() for r in rewards[:9])
    env.close()


def test_episode_statistics() -> None:
    env = gym.make_vec("NASNetCell-v0", num_envs=3, evaluator=LANDSCAPE)
    wrapped = RecordEpisodeStatistics(env)
    wrapped.reset(seed=0)
    for _ in range(50):
        _, rewards, _, _, infos = wrapped.step(np.zeros(3, np.int64))
    np.testing.assert_allclose(infos["episode"]["r"], rewards)


def test_masked_sampling_with_gymnasium() -> None:
    space = LayerChain()
    env = NASVectorEnv(space, Landscape(space), num_envs=4)
    _, infos = env.reset(seed=0)
    for _ in range(space.max_length):
        before = infos["action_mask"]
        actions = env.action_space.sample(mask=tuple(before))
        assert before[np.arange(4), actions].all()
        _, _, _, _, infos = env.step(actions)


def test_a_noisy_evaluator_is_asked_every_time() -> None:
    space = BitString(8)
    env = NASVectorEnv(space, BitCount(), num_envs=2)
    answers = env.play([(0, 1) * 4] * 20)
    assert len({a.reward for a in answers}) > 10
    assert {a.evaluation.source for a in answers} != {"memo"}


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([0] * 49, "not complete"),
        ([0] * 51, "complete after 50"),
        ("0" * 50, "list of integers"),
        ([0.5] * 50, "expected an integer"),
        ([True] * 50, "expected an integer"),
        ([-1] * 50, "0 or more"),
        ([13] * 50, "0 to 12"),
        (7, "list of integers"),
    ],
)
def test_bad_token_lists_are_refused_and_cost_nothing(
    tokens: Any, message: str, counting: Any
) -> None:
    env = NASVectorEnv(NASNetCell(), counting, budget=5)
    with pytest.raises(InvalidTokens, match=message):
        env.play([[0] * 50, tokens])
    assert env.remaining == 5
    assert counting.batches == []


def test_bad_actions_and_sizes_are_refused() -> None:
    env = NASVectorEnv(NASNetCell(), Landscape(NASNetCell()), num_envs=2)
    env.reset(seed=0)
    for actions in ([0], [0, 13], [0, -1], [0.0, 1.0]):
        with pytest.raises(InvalidTokens):
            env.step(np.array(actions))
    with pytest.raises(InvalidOption, match="num_envs is 0"):
        NASVectorEnv(NASNetCell(), Landscape(NASNetCell()), num_envs=0)


@pytest.mark.parametrize("space", [NASNetCell(blocks=1), LayerChain()])
def test_a_copy_goes_its_own_way(space: Any) -> None:
    env = NASVectorEnv(space, Landscape(space), num_envs=2)
    env.reset(seed=0)
    env.step(np.array([1, 0]))
    twin = copy.deepcopy(env)
    twin.step(np.array([1, 1]))
    assert (twin.step(np.array([0, 0]))[0] != 0).sum() >= 4
    assert (env.step(np.array([0, 0]))[0] != 0).sum() <= 4


def test_close_closes_the_evaluator(counting: Any) -> None:
    env = NASVectorEnv(NASNetCell(), counting)
    env.close()
    assert counting.closed == 1


class Numbers:
    """A space of two picks from the same options, whatever they are."""

    max_length, max_options = 2, 3

    def __init__(self, options: Any) -> None:
        self.options = options

    def choose(self, pick: Any) -> Any:
        return pick("a", self.options), pick("b", self.options)


@pytest.mark.parametrize(
    ("options", "last"),
    [
        (np.arange(1, 4), 3),
        (tuple(np.arange(1, 4)), 3),
        (np.linspace(0, 1, 3), 1.0),
        (np.array(["x", "y", "z"]), "z"),
        ([np.bool_(False), np.bool_(True)], True),
        ([(1, 2), np.zeros(2)], [0.0, 0.0]),
    ],
)
def test_options_of_numpy_are_recorded_as_pythons(options: Any, last: Any) -> None:
    env = NASVectorEnv(Numbers(options), FailingEvaluator(BitCount(), rate=1.0))
    env.reset(seed=0)
    for _ in range(2):
        infos = env.step(np.array([len(options) - 1]))[-1]
    found = infos["final_info"]["architecture"][0]
    assert json.loads(json.dumps(found)) == [last, last]


@pytest.mark.parametrize("make", [NASVectorEnv, NASEnv])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({1, 2}, "choice a offers its options as a set: give a tuple or a list"),
        ((each for each in (1, 2)), "choice a offers its options as a generator"),
        (np.array([]), "choice a offers no options"),
        ((1, 2j), "a genotype holds 2j, which JSON cannot"),
        ((1, object), "a genotype holds <class 'object'>, which JSON cannot"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_a_child_is_paid_for(
    make: Any, options: Any, said: str
) -> None:
    with pytest.raises(InvalidSpace, match=said):
        make(Numbers(options), FailingEvaluator(BitCount(), rate=1.0))


@pytest.mark.parametrize("make", [NASVectorEnv, NASEnv])
def test_whole_numbers_of_numpy_are_seeds(make: Any) -> None:
    env = make(BitString(3), BitCount())
    env.reset(seed=np.int64(3))
    drawn = env.np_random.random()
    env.reset(seed=3)
    assert env.np_random.random() == drawn


def test_gymnasiums_wrappers_take_what_environments_says() -> None:
    """``docs/guide/environments.md``: those of observations know no ``SAME_STEP``."""
    half = partial(TransformReward, func=lambda rewards: rewards / 2)
    for wrapper in (RecordEpisodeStatistics, NormalizeReward, half):
        env = wrapper(gym.make_vec("NASBench201-v0", num_envs=3))
        env.reset(seed=0)
        for _ in range(2):
            _, rewards, terminated, _, infos = random_round(env, np.random.default_rng(0))
            assert terminated.all()
            assert (rewards > 0).all()
            assert set(infos["final_info"]) >= {"architecture", "evaluation"}
    for wrapper in (NormalizeObservation, FlattenObservation):
        with pytest.raises((ValueError, AssertionError), match="SAME_STEP"):
            wrapper(gym.make_vec("NASBench201-v0", num_envs=3))


@pytest.mark.parametrize("seeds", [[], [1], (1, 2, 3), True, [True, 1]])
def test_seeds_are_whole_numbers_one_for_each_episode(seeds) -> None:
    made = gym.make_vec("NASBench201-v0", num_envs=2)
    with pytest.raises(InvalidOption, match="seed"):
        made.reset(seed=seeds)
