import copy
import json
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FlattenObservation, RecordEpisodeStatistics, TimeLimit

import nas_gym
from nas_gym.envs.env import NASEnv
from nas_gym.envs.wrappers import MaskInObservation
from nas_gym.errors import BudgetExceeded, InvalidOption, InvalidTokens, UnknownName
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasnet_cell.genotype import genotype_from_json
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import LayerChain

ID = "NASNetCell-v0"
LANDSCAPE = {"name": "landscape", "seed": 3}
gym.register_envs(nas_gym)


def play(env: gym.Env[Any, Any], tokens: list[int]) -> tuple[Any, ...]:
    env.reset(seed=0)
    for token in tokens[:-1]:
        _, reward, terminated, truncated, _ = env.step(token)
        assert (reward, terminated, truncated) == (0.0, False, False)
    return env.step(tokens[-1])


@pytest.fixture(params=["static", "conditional"])
def env(request: pytest.FixtureRequest) -> NASEnv[Any]:
    space: Any = NASNetCell() if request.param == "static" else LayerChain()
    return NASEnv(space, Landscape(space))


def test_gymnasium_checker_has_nothing_to_say(env: NASEnv[Any]) -> None:
    check_env(env, skip_render_check=True)  # warnings are errors in this suite


@pytest.mark.parametrize("name", [ID, "NASConvNet-v0", "NASRNNCell-v0"])
def test_the_registered_environments_pass_both_checkers(name: str) -> None:
    from stable_baselines3.common.env_checker import check_env as sb3_check_env

    made = gym.make(name, evaluator=LANDSCAPE, render_mode="rgb_array")
    check_env(made.unwrapped)
    sb3_check_env(made.unwrapped)


@pytest.mark.parametrize(
    "space",
    [
        ConvNet(depth=3),
        ConvNet(depth=(1, 2, 3), types=("conv", "pool")),
        RNNCell(base=2),
        ENASRNNCell(nodes=4),
    ],
    ids=["layers", "layers of any depth", "tree", "chain"],
)
def test_the_papers_other_spaces_pass_both_checkers(space: Any) -> None:
    from stable_baselines3.common.env_checker import check_env as sb3_check_env

    made = NASEnv(space, Landscape(space))
    check_env(made, skip_render_check=True)
    sb3_check_env(made)


def test_an_episode_is_fifty_tokens_and_pays_at_the_end(env: NASEnv[Any]) -> None:
    made = gym.make(ID, evaluator=LANDSCAPE)
    tokens = [0] * 50
    obs, reward, terminated, truncated, info = play(made, tokens)
    assert terminated
    assert not truncated
    assert info["tokens"] == tuple(tokens)
    assert reward == info["evaluation"]["accuracy"] > 0
    assert info["evaluation"]["failure"] is None
    assert genotype_from_json(json.loads(json.dumps(info["architecture"]))) == decode(
        NASNetCell(), tokens
    )
    assert obs.tolist() == [1] * 50


def test_masks_say_what_is_open_and_tokens_beyond_fold(env: NASEnv[Any]) -> None:
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(0)
    terminated, folded = False, []
    while not terminated:
        choice = env._episode.open  # type: ignore[union-attr]
        assert info["action_mask"].dtype == np.int8
        assert info["action_mask"].sum() == len(choice.options)
        np.testing.assert_array_equal(info["action_mask"], env.action_masks())
        action = int(rng.integers(env.action_space.n))  # type: ignore[attr-defined]
        folded.append(action % len(choice.options))
        _, _, terminated, _, info = env.step(np.int64(action))
    assert info["tokens"] == tuple(folded)


def test_spec_round_trips_through_json() -> None:
    made = gym.make(
        ID, space={"name": "nasnet-cell", "blocks": 2}, evaluator=LANDSCAPE, reward="accuracy-cubed"
    )
    again = gym.make(EnvSpec.from_json(made.spec.to_json()))  # type: ignore[union-attr]
    assert again.unwrapped.space == NASNetCell(blocks=2)  # type: ignore[attr-defined]
    tokens = [0] * 20
    assert play(made, tokens)[1] == play(again, tokens)[1]
    assert play(made, tokens)[1] == pytest.approx(
        play(made, tokens)[4]["evaluation"]["accuracy"] ** 3
    )


def test_copies_and_pickles_go_their_own_way(env: NASEnv[Any]) -> None:
    env.reset(seed=0)
    env.step(1)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert twin.step(1)[0].tolist() == copy.deepcopy(env).step(1)[0].tolist()
        twin.step(1)
    assert env._episode.tokens == [1]  # type: ignore[union-attr]


def test_nothing_returned_shares_memory_with_the_environment(env: NASEnv[Any]) -> None:
    obs, info = env.reset(seed=0)
    obs[:] = 99
    info["action_mask"][:] = 0
    obs, _, _, _, info = env.step(0)
    assert obs.max() < 99
    assert info["action_mask"].any()


def test_works_under_wrappers() -> None:
    wrapped = RecordEpisodeStatistics(TimeLimit(gym.make(ID, evaluator=LANDSCAPE), 100))
    _, reward, terminated, _, info = play(wrapped, [2] * 50)
    assert terminated
    assert info["episode"]["r"] == reward
    assert info["episode"]["l"] == 50
    cut = TimeLimit(gym.make(ID, evaluator=LANDSCAPE), 10)
    _, reward, terminated, truncated, _ = play(cut, [2] * 10)
    assert (reward, terminated, truncated) == (0.0, False, True)
    flat = FlattenObservation(gym.make(ID, evaluator=LANDSCAPE))
    assert flat.reset(seed=0)[0].shape == (50 * 14,)


def test_the_mask_can_be_put_into_the_observation() -> None:
    made = MaskInObservation(gym.make(ID, evaluator=LANDSCAPE))
    observation, info = made.reset(seed=0)
    assert made.observation_space.contains(observation)
    np.testing.assert_array_equal(observation["action_mask"], info["action_mask"])
    observation, _, _, _, info = made.step(1)
    np.testing.assert_array_equal(observation["action_mask"], info["action_mask"])
    assert observation["observations"][0] == 2
    flat = MaskInObservation(gym.make(ID, evaluator=LANDSCAPE), flatten=True)
    flat.reset(seed=0)
    observation, *_ = flat.step(1)
    assert flat.observation_space.contains(observation)
    assert observation["observations"].dtype == np.float32
    assert observation["observations"].reshape(50, 14).argmax(1).tolist() == [2, *[0] * 49]


def test_an_action_outside_the_space_is_refused(env: NASEnv[Any]) -> None:
    env.reset(seed=0)
    for action in (-1, env.space.max_options):
        with pytest.raises(InvalidTokens, match="give 0 to"):
            env.step(action)  # type: ignore[arg-type]


def test_stepping_without_reset_is_refused(env: NASEnv[Any]) -> None:
    with pytest.raises(ResetNeeded):
        env.step(0)  # type: ignore[arg-type]


def test_the_budget_is_kept() -> None:
    made = gym.make(ID, evaluator=LANDSCAPE, budget=2)
    for _ in range(2):
        play(made, [0] * 50)
    with pytest.raises(BudgetExceeded, match="budget of 2"):
        play(made, [1] * 50)


def test_bad_parts_get_one_clear_sentence() -> None:
    with pytest.raises(UnknownName, match="did you mean 'nasnet-cell'"):
        gym.make(ID, space="nasnet-cel")
    with pytest.raises(UnknownName, match="did you mean 'blocks'"):
        gym.make(ID, space={"name": "nasnet-cell", "block": 4})
    with pytest.raises(UnknownName, match="did you mean 'training'"):
        gym.make(ID, evaluator="trainin")
    with pytest.raises(UnknownName, match="did you mean 'seed'"):
        gym.make(ID, evaluator=LANDSCAPE, sed=1)
    with pytest.raises(InvalidOption, match="budget is 0"):
        gym.make(ID, evaluator=LANDSCAPE, budget=0)
    with pytest.raises(UnknownName, match="render_mode"):
        NASEnv(NASNetCell(), Landscape(NASNetCell()), render_mode="humans")


def test_rendering() -> None:
    for mode in ("ansi", "rgb_array"):
        made = gym.make(ID, evaluator=LANDSCAPE, render_mode=mode)
        made.reset(seed=0)
        frames = [made.render()]
        for token in [1] * 50:
            made.step(token)
        frames.append(made.render())
        if mode == "ansi":
            assert all(isinstance(frame, str) for frame in frames)
            assert "sep" in frames[1] or "conv" in frames[1]  # type: ignore[operator]
        else:
            first, last = np.asarray(frames[0]), np.asarray(frames[1])
            assert last.dtype == np.uint8
            assert last.ndim == 3
            assert last.shape[2] == 3
            assert first.shape == last.shape
            assert (first != last).any()


def test_the_folder_exports_its_public_names() -> None:
    from nas_gym import envs

    assert set(envs.__all__) <= set(dir(envs))
    assert [getattr(envs, name).__name__ for name in envs.__all__] == envs.__all__
    with pytest.raises(AttributeError, match="has no attribute 'NASEnvironment'"):
        _ = envs.NASEnvironment


@pytest.mark.parametrize("space", [NASNetCell(blocks=1), ConvNet(depth=2), RNNCell(base=2)])
def test_infos_keep_their_keys_and_types(space: Any) -> None:
    failing = FailingEvaluator(Landscape(space), rate=0.5)
    env, rng = NASEnv(space, failing), np.random.default_rng(0)
    shapes = []
    for _ in range(6):
        _, info = env.reset(seed=0)
        ended = False
        while not ended:
            shapes.append(_shape(info))
            assert type(info["architecture"]) is dict
            _, _, ended, _, info = env.step(np.int64(rng.integers(space.max_options)))
        shapes.append(_shape(info))
    assert all(shape == shapes[-1] for shape in shapes)


def _shape(info: dict[str, Any]) -> dict[str, Any]:
    numbers = {n: type(v) for n, v in info["evaluation"].items() if n not in ("failure", "detail")}
    return {**dict.fromkeys(info), "evaluation": (list(info["evaluation"]), numbers)}


def test_an_unknown_keyword_is_a_type_error_as_others_expect() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'") as raised:
        gym.make(ID, frameskip=1)
    assert isinstance(raised.value, UnknownName)


@pytest.mark.parametrize("kind", [int, np.int32, np.uint8, np.array, torch.tensor])
def test_whole_numbers_of_any_library_are_actions_and_seeds(kind) -> None:
    made = gym.make("NASBench201-v0")
    made.reset(seed=kind(3))
    assert made.unwrapped.np_random_seed == 3
    assert made.step(kind(3))[0][0] == 4


@pytest.mark.few(8)
@pytest.mark.parametrize(
    "value", [True, False, np.True_, np.array(True), torch.tensor(True), 1.0, np.float32(1), "1",
              torch.tensor(1.0), np.array([1, 2]), torch.tensor([1, 2])],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("bare", [True, False])
def test_what_is_no_whole_number_is_neither_action_nor_seed(value, bare) -> None:
    made = gym.make("NASBench201-v0")
    made = made.unwrapped if bare else made
    made.reset()
    with pytest.raises(InvalidTokens, match="not an integer"):
        made.step(value)
    with pytest.raises((InvalidOption, gym.error.Error), match=r"seed is|Seed must be"):
        made.reset(seed=value)
