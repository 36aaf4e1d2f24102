"""Episodes that begin with a prefix, and states that are taken up again, in every space."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.envs.env import NASEnv
from nas_gym.envs.states import EnvState
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, InvalidTokens
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.plugins import names
from nas_gym.registry import make, spec_of
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import AMOEBANET_CELL, NASNetCell
from nas_gym.testing.spaces import BitString, LayerChain

SPACES = {**{name: name for name in names("space")}, "bits": BitString(5), "chain": LayerChain(3)}
FEW = settings(deadline=None, max_examples=4)


class Bounded(LayerChain):
    """Closes the tokens after which fewer than 2 layers, or a width of 64, would come."""

    def open_tokens(self, prefix: tuple[int, ...]) -> tuple[int, ...]:
        return (1, 2) if not prefix else (0,) if len(prefix) % 3 == 1 else (0, 1)


@cache
def space_of(name: str) -> Any:
    return make("space", SPACES[name])


def single(name: str, **options: Any) -> NASEnv[Any]:
    space = space_of(name)
    return NASEnv(space, Landscape(space), **options)


def vector(name: str, num_envs: int, **options: Any) -> NASVectorEnv[Any]:
    space = space_of(name)
    return NASVectorEnv(space, Landscape(space), num_envs=num_envs, **options)


def step(env: NASEnv[Any], rng: np.random.Generator) -> tuple[Any, ...]:
    return env.step(np.int64(rng.choice(np.flatnonzero(env.action_masks()))))


def walk(env: NASEnv[Any], seed: int, steps: int | None = None) -> list[str]:
    """Take random open tokens, and return all that was seen, as text (NaN is unlike itself)."""
    rng, seen, ended = np.random.default_rng(seed), [], False
    while not ended and steps != len(seen):
        observation, reward, ended, _, info = step(env, rng)
        info["evaluation"].pop("seconds")
        seen.append(f"{observation.tolist()} {reward} {info['tokens']} {info['architecture']}")
    return [*seen, f"{env.np_random.random()}"]


@pytest.mark.few(3)
@pytest.mark.parametrize("name", SPACES)
@FEW
@given(data=st.data())
def test_a_state_is_taken_up_again(name: str, data: st.DataObject) -> None:
    env = single(name)
    env.reset(seed=data.draw(st.integers(0, 9)))
    steps = data.draw(st.integers(0, 5))
    walk(env, 1, steps)
    if env._ended:
        env.reset()
    state = env.clone_state()
    ahead = walk(env, 2)
    env.restore_state(pickle.loads(pickle.dumps(state)))
    assert env.clone_state() == state
    assert walk(env, 2) == ahead
    other = single(name)
    other.reset()
    other.restore_state(state)
    assert walk(other, 2) == ahead


@pytest.mark.few(3)
@pytest.mark.parametrize("name", SPACES)
@FEW
@given(data=st.data())
def test_a_prefix_is_as_if_it_had_been_stepped(name: str, data: st.DataObject) -> None:
    stepped, begun = single(name), single(name)
    stepped.reset(seed=0)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    length = data.draw(st.integers(0, 6))
    tokens: tuple[int, ...] = ()
    while len(tokens) < length:
        _, _, ended, _, info = step(stepped, rng)
        if ended:  # a whole one is none to begin with
            stepped.reset(seed=0, options={"tokens": tokens})
            break
        tokens = tuple(token for token in info["tokens"] if token >= 0)
    observation, info = begun.reset(seed=0, options={"tokens": list(tokens)})
    assert begun.clone_state().tokens == stepped.clone_state().tokens == (tokens,)
    assert observation.tolist()[: len(tokens)] == [token + 1 for token in tokens]
    assert info["action_mask"].tolist() == stepped._mask().tolist()
    assert walk(begun, 3) == walk(stepped, 3)


@pytest.mark.few(8)
@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("begin", ["same", "each"])
def test_a_round_begins_with_prefixes_and_is_taken_up_again(name: str, begin: str) -> None:
    env = vector(name, 3)
    prefixes = [(0,), (1,), (0, 0)] if begin == "each" else (1,)
    observations, _ = env.reset(seed=0, options={"tokens": prefixes})
    expected = prefixes if begin == "each" else [(1,)] * 3
    for observation, prefix in zip(observations.tolist(), expected, strict=True):
        assert observation[: len(prefix)] == [token + 1 for token in prefix]
        assert not any(observation[len(prefix) :])

    def play_on(rng: np.random.Generator) -> list[Any]:
        seen: list[Any] = []
        while not (seen and seen[-1][2].all()):
            actions = [rng.choice(np.flatnonzero(mask)) for mask in env.action_masks()]
            seen.append(env.step(np.array(actions)))
        final = seen[-1][-1]["final_info"]["tokens"]
        for tokens, prefix in zip(final, expected, strict=True):
            assert tokens[: len(prefix)] == prefix
        return [(o.tolist(), r.tolist(), i["action_mask"].tolist()) for o, r, _, _, i in seen]

    state = env.clone_state()
    ahead = play_on(np.random.default_rng(0))
    after = env.clone_state()
    env.restore_state(pickle.loads(pickle.dumps(state)))
    assert env.clone_state() == state
    assert play_on(np.random.default_rng(0)) == ahead
    assert env.clone_state() == after
    assert after.tokens == ((),) * 3  # the next round begins with nothing, as a reset does


@pytest.mark.parametrize("reset", [single, lambda name: vector(name, 2)])
@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ([9], "token 0 is 9, but depth has 3 options"),
        ([0, 0, -1], "expected 0 or more"),
        ("01", "must be a list of integers"),
        ([0.5], "expected an integer"),
        ([0, 1], "complete after 2: give 1 at most"),
        ([0, 1, 0, 0], "complete after 2"),
    ],
)
def test_bad_prefixes_are_refused(reset: Callable[[str], Any], tokens: Any, says: str) -> None:
    env = reset("chain")
    env.reset(options={"tokens": [2]})
    before = env.clone_state()
    with pytest.raises(InvalidTokens, match=says):
        env.reset(options={"tokens": tokens})
    assert env.clone_state().tokens == before.tokens


def test_limits_keep_their_masks_after_a_prefix() -> None:
    space = Bounded(3)
    env: NASEnv[Any] = NASEnv(space, Landscape(space))
    with pytest.raises(InvalidTokens, match="depth breaks a limit: give one of 1, 2"):
        env.reset(options={"tokens": [0]})
    _, info = env.reset(options={"tokens": [1]})
    assert np.flatnonzero(info["action_mask"]).tolist() == [0]


def test_each_episode_wants_its_prefix() -> None:
    with pytest.raises(InvalidOption, match="2 lists of tokens were given: give one list, or 3"):
        vector("bits", 3).reset(options={"tokens": [[0], [1]]})


def test_what_was_asked_is_not_taken_back() -> None:
    env = single("bits", budget=2)
    env.reset(seed=0, options={"tokens": [0, 1, 0, 1]})
    state = env.clone_state()
    rewards = [env.step(np.int64(1))[1]]
    env.restore_state(state)
    assert env.remaining == 1
    rewards.append(env.step(np.int64(1))[1])
    assert rewards[0] == rewards[1]
    assert env.remaining == 0


def test_states_of_others_are_refused() -> None:
    env = single("bits")
    with pytest.raises(ResetNeeded):
        env.clone_state()
    env.reset(seed=0)
    state = env.clone_state()
    for wrong in (None, (0, 1), {"tokens": ()}):
        with pytest.raises(InvalidOption, match="state is"):
            env.restore_state(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="state has 1 episodes, and this environment 2"):
        vector("bits", 2).restore_state(state)
    with pytest.raises(InvalidTokens):
        env.restore_state(EnvState(((7,),), 1, False, state.generator))


@pytest.mark.parametrize(
    ("space", "other"),
    [
        (NASBench201(), AMOEBANET_CELL),
        (NASNetCell(), NASNetCell(blocks=4)),
        (BitString(3), BitString(4)),
    ],
)
def test_a_state_of_another_space_is_refused_though_its_tokens_are_valid(
    space: Any, other: Any
) -> None:
    def made(of: Any, num_envs: int) -> Any:
        if num_envs == 1:
            return NASEnv(of, Landscape(of))
        return NASVectorEnv(of, Landscape(of), num_envs=num_envs)

    for num_envs in (1, 2):
        env, own = made(space, num_envs), made(other, num_envs)
        env.reset(seed=0, options={"tokens": [0]})
        own.reset(seed=0, options={"tokens": [0]})
        state, kept = env.clone_state(), own.clone_state()
        assert state.space == spec_of("space", space)
        with pytest.raises(
            InvalidOption, match=r"^state is of the space \{'name': '.*, and this env"
        ):
            own.restore_state(state)
        assert own.clone_state() == kept
        own.restore_state(replace(state, space=None))  # one of an older version: tokens alone tell
        assert own.clone_state().tokens == state.tokens


def test_limits_leave_the_space_of_a_state_the_same() -> None:
    env: Any = gym.make("NASBench201-v0").unwrapped
    limited: Any = gym.make("NASBench201-v0", limits={"parameters": 150_000}).unwrapped
    env.reset(seed=0, options={"tokens": [1, 1]})
    limited.reset(seed=0)
    limited.restore_state(env.clone_state())
    env.restore_state(limited.clone_state())
    assert limited.clone_state().space == env.clone_state().space == {"name": "nasbench201"}


def test_a_state_that_an_older_version_pickled_is_taken() -> None:
    env = single("bits")
    env.reset(seed=0, options={"tokens": [0, 1]})
    state = env.clone_state()
    old = object.__new__(EnvState)
    old.__dict__.update({k: v for k, v in vars(state).items() if k != "space"})
    env.reset()
    env.restore_state(pickle.loads(pickle.dumps(old)))
    assert env.clone_state() == state


def test_the_limits_of_one_episode_are_part_of_its_state() -> None:
    env: Any = gym.make("NASBench201-v0").unwrapped
    limits = {"limits": {"parameters": 150_000}, "tokens": [1]}
    _, info = env.reset(seed=0, options=limits)
    assert info["action_mask"].tolist() == [1, 1, 1, 0, 1]  # no 3x3 convolution
    kept = pickle.loads(pickle.dumps(env.clone_state()))
    env.reset()
    env.restore_state(kept)
    assert env.clone_state() == kept
    assert env.action_masks().tolist() == [True, True, True, False, True]
    env.reset()
    assert env.action_masks().all()
