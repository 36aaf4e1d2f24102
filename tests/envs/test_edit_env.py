"""Environments of edits: what an action does, what it pays, what is closed, what is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import nas_gym
from nas_gym.envs.edit_env import NASEditEnv
from nas_gym.envs.edit_vector_env import NASEditVectorEnv
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import BudgetExceeded, InvalidOption, InvalidTokens, UnknownKeyword
from nas_gym.evaluators.landscapes import BitCount, Landscape
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.search_spaces.grammar import trace
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import FailingEvaluator
from nas_gym.testing.agent_suite import History
from nas_gym.testing.spaces import BitString, LayerChain

ID = "NASBench201Edit-v0"
STOP = 30
TABLE = NASBench201Table()


def env_of(**options: Any) -> NASEditEnv[Any]:
    return NASEditEnv(NASBench201(), TABLE, **options)


def accuracy(tokens: tuple[int, ...]) -> float:
    found = NASEditEnv(NASBench201(), TABLE, start=tokens)
    return float(found.reset()[1]["evaluation"]["accuracy"])


@pytest.mark.parametrize("reward_form", ["incremental", "plain"])
def test_both_checkers_have_nothing_to_say(reward_form: str) -> None:
    from stable_baselines3.common.env_checker import check_env as sb3_check_env

    made = gym.make(ID, reward_form=reward_form, render_mode="rgb_array")
    check_env(made.unwrapped)
    sb3_check_env(made.unwrapped)


def test_every_id_takes_edits_and_its_spec_makes_it_again() -> None:
    made = gym.make("NASConvNet-v0", action="edit", horizon=3, evaluator="landscape")
    assert isinstance(made.unwrapped, NASEditEnv)
    again = gym.make(EnvSpec.from_json(made.spec.to_json()))  # type: ignore[union-attr]
    assert again.observation_space == made.observation_space
    assert isinstance(gym.make("NASNetCellEdit-v0").unwrapped, NASEditEnv)
    assert isinstance(gym.make_vec(ID, num_envs=2), NASEditVectorEnv)
    assert not isinstance(gym.make("NASBench201-v0").unwrapped, NASEditEnv)


def test_an_action_changes_one_choice() -> None:
    env = env_of(start=(0, 1, 2, 3, 4, 0))
    observation, info = env.reset()
    assert info["tokens"] == (0, 1, 2, 3, 4, 0)
    assert observation.tolist() == [1, 2, 3, 4, 5, 1, 6]
    observation, _, ended, cut, info = env.step(np.int64(2 * 5 + 4))
    assert info["tokens"] == (0, 1, 4, 3, 4, 0)
    assert observation.tolist() == [1, 2, 5, 4, 5, 1, 5]
    assert not ended
    assert not cut
    assert info["evaluation"]["accuracy"] == accuracy((0, 1, 4, 3, 4, 0))


def test_incremental_rewards_sum_up_to_what_was_gained() -> None:
    env = env_of(horizon=9)
    env.action_space.seed(0)
    for seed in range(5):
        _, info = env.reset(seed=seed)
        first, gained, ended = info["evaluation"]["accuracy"], 0.0, False
        while not ended:
            action = env.action_space.sample(env.action_masks().astype(np.int8))
            _, reward, ended, _, info = env.step(action)
            gained += reward
        assert gained == pytest.approx(info["evaluation"]["accuracy"] - first)
    assert env.ledger.requests <= 5 * 10


def test_plain_rewards_come_at_the_end_and_ask_once() -> None:
    env = env_of(reward_form="plain", start=(0,) * 6, budget=2, horizon=2)
    _, info = env.reset()
    assert info["evaluation"]["source"] == ""
    assert env.step(np.int64(3))[1:4] == (0.0, False, False)
    _, reward, ended, _, info = env.step(np.int64(8))
    assert ended
    assert info["tokens"] == (3, 3, 0, 0, 0, 0)
    assert reward == accuracy((3, 3, 0, 0, 0, 0)) == info["evaluation"]["accuracy"]
    env.reset()
    assert env.step(np.int64(3))[1:4] == (0.0, False, False)
    _, reward, ended, _, info = env.step(np.int64(STOP))
    assert ended
    assert reward == accuracy((3, 0, 0, 0, 0, 0))
    assert env.remaining == 0


def test_stopping_costs_nothing_and_pays_nothing() -> None:
    env = env_of(budget=5)
    env.reset(seed=0)
    *_, before = env.step(np.int64(STOP))  # closed before the first edit: folded onto one
    assert before["action_mask"][STOP]
    _, reward, ended, cut, info = env.step(np.int64(STOP))
    assert (reward, ended, cut) == (0.0, True, False)
    assert env.remaining == 3
    assert info["evaluation"] == before["evaluation"]
    with pytest.raises(ResetNeeded):
        env.step(np.int64(0))


@pytest.mark.parametrize("start", ["best", "random", (3,) * 6])
def test_whoever_only_stops_spends_the_budget(start: Any) -> None:
    """Known beginnings cost nothing: an episode without an edit would be for ever the next one."""
    every_edge = 73_306 + 6 * 243_040
    for limits in (None, {"parameters": (every_edge, every_edge)}):  # one architecture
        env = env_of(start=start, budget=20, limits=limits)
        vector = NASEditVectorEnv(
            NASBench201(), TABLE, num_envs=3, start=start, budget=20, limits=limits
        )
        _, info = env.reset(seed=0)
        assert info["action_mask"][STOP] == (limits is not None)
        vector.reset(seed=0)
        for _ in range(60):
            if env.remaining > 0 and any(env.step(np.int64(STOP))[2:4]):
                env.reset()
            if vector.remaining > 0:
                vector.step(np.array([STOP] * 3))
        assert env.remaining == vector.remaining == 0


def test_a_closed_action_stands_for_the_next_open_edit() -> None:
    env = env_of(start=(0, 1, 2, 3, 4, 4), reward_form="plain")
    env.reset()
    mask = env.action_masks()
    assert mask.sum() == 6 * 4
    assert not mask[[0, 6, 12, 18, 24, 29]].any()  # what each choice has already
    assert env.step(np.int64(6))[4]["tokens"] == (0, 2, 2, 3, 4, 4)
    env.reset()
    assert env.step(np.int64(29))[4]["tokens"] == (1, 1, 2, 3, 4, 4)  # round to the first


@pytest.mark.parametrize("seed", range(3))
def test_conditional_spaces_keep_the_other_answers_by_name(seed: int) -> None:
    space = LayerChain(3)
    env = NASEditEnv(space, Landscape(space), horizon=40, reward_form="plain")
    _, info = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        before = answers(space, info["tokens"])
        mask = env.action_masks()
        assert not mask[len(info["tokens"]) * space.max_options : -1].any()
        action = int(rng.choice(np.flatnonzero(mask[:-1])))
        name = list(before)[action // space.max_options]
        _, _, _, _, info = env.step(np.int64(action))
        after = answers(space, info["tokens"])
        assert after[name] != before[name]
        assert all(after[n] == before[n] for n in after if n in before and n != name)
    env.reset(seed=seed)
    for action in rng.integers(env.edits.stop + 1, size=40):  # folded, whatever it is
        if env.step(action)[2]:
            env.reset()


def answers(space: Any, tokens: tuple[int, ...]) -> dict[str, Any]:
    choices = trace(space, tokens)[1]
    return {c.name: c.options[t] for c, t in zip(choices, tokens, strict=True)}


def test_edits_never_break_a_limit_and_all_that_keep_it_are_open() -> None:
    env = env_of(limits={"parameters": (300_000, 400_000)}, horizon=50, reward_form="plain")

    def keeps(tokens: tuple[int, ...]) -> bool:
        parameters = 73_306 + 243_040 * tokens.count(3) + 28_000 * tokens.count(2)
        return 300_000 <= parameters <= 400_000

    _, info = env.reset(seed=0)
    for action in np.random.default_rng(0).integers(STOP, size=49):
        tokens = info["tokens"]
        assert keeps(tokens)
        for place in range(6):
            for token in range(5):
                edited = (*tokens[:place], token, *tokens[place + 1 :])
                open_ = bool(info["action_mask"][5 * place + token])
                assert open_ == (edited != tokens and keeps(edited))
        *_, info = env.step(action)  # folded
    with pytest.raises(InvalidTokens, match="breaks a limit"):
        env.reset(options={"tokens": [3] * 6})


def test_the_best_is_where_the_next_episode_begins_and_is_not_paid_for_again() -> None:
    env = env_of(start="best", horizon=1, budget=30)
    _, info = env.reset(seed=0)
    best = info["evaluation"]["accuracy"]
    rng = np.random.default_rng(0)
    for paid in range(2, 25):
        *_, info = env.step(rng.integers(STOP))
        best = max(best, info["evaluation"]["accuracy"])
        assert env.ledger.requests == paid
        _, info = env.reset()
        assert info["evaluation"]["accuracy"] == best


def test_given_beginnings_are_paid_for_once() -> None:
    env = env_of(start=[0] * 6, budget=4)
    env.reset()
    assert env.reset()[1]["tokens"] == (0,) * 6
    assert env.remaining == 3
    assert env.reset(options={"tokens": (1,) * 6})[1]["tokens"] == (1,) * 6
    assert env.remaining == 2
    for _ in range(2):
        assert env.reset(options={"tokens": (1,) * 6})[1]["evaluation"]["accuracy"] == accuracy(
            (1,) * 6
        )
        assert env.remaining == 2
    vector = NASEditVectorEnv(NASBench201(), TABLE, num_envs=3, budget=9)
    for _ in range(2):
        vector.reset(options={"tokens": (1,) * 6})
        assert vector.remaining == 8


def test_given_beginnings_that_cannot_be_edited_are_paid_for() -> None:
    every_edge = 73_306 + 6 * 243_040
    vector = NASEditVectorEnv(
        NASBench201(), TABLE, num_envs=3, budget=9, limits={"parameters": (every_edge, every_edge)}
    )
    vector.reset(options={"tokens": (3,) * 6})
    assert vector.remaining == 6


@pytest.mark.parametrize("budget", range(1, 12))
@pytest.mark.parametrize("start", ["random", "best", (3,) * 6])
def test_an_episode_at_the_end_of_the_budget_is_truncated(start: Any, budget: int) -> None:
    env = env_of(budget=budget, horizon=3, start=start)
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    cut = False
    while not cut:
        tokens, left = info["tokens"], env.remaining
        _, reward, ended, cut, info = env.step(env.action_space.sample())
        assert not (ended and cut)
        if left == 0:
            assert (cut, reward, info["tokens"]) == (True, 0.0, tokens)
        if ended:
            _, info = env.reset()
    assert env.ledger.requests == budget
    env.reset()
    with pytest.raises(BudgetExceeded):  # not for ever
        env.step(np.int64(1))


@pytest.mark.parametrize("budget", range(1, 12))
def test_a_vector_at_the_end_of_the_budget_is_truncated(budget: int) -> None:
    env = NASEditVectorEnv(NASBench201(), TABLE, num_envs=3, budget=budget, horizon=2)
    env.reset(seed=0)
    env.action_space.seed(0)
    cut = False
    while not cut:  # a budget that ends between two steps raises nothing
        cut = bool(env.step(env.action_space.sample())[3].any())
    assert env.remaining == 0
    with pytest.raises(BudgetExceeded):
        env.step(np.array([1, 1, 1]))


@pytest.mark.slow
def test_masked_ppo_and_dqn_without_masks_spend_the_budget_exactly() -> None:
    from sb3_contrib import MaskablePPO
    from stable_baselines3 import DQN

    from nas_gym.sb3 import SB3VecEnv, StopAtBudget

    for make in (
        lambda env: MaskablePPO("MlpPolicy", env, n_steps=8, batch_size=8, n_epochs=1, seed=0),
        lambda env: DQN("MlpPolicy", env, learning_starts=8, batch_size=8, seed=0),
    ):
        single = gym.make(ID, budget=30)
        vector = NASEditVectorEnv(NASBench201(), TABLE, num_envs=4, budget=30)
        for env in (single, SB3VecEnv(vector)):
            make(env).learn(1000, callback=StopAtBudget())
        assert single.get_wrapper_attr("remaining") == 0
        assert vector.remaining == 0


@pytest.mark.slow
def test_dqn_learns_to_edit() -> None:
    """From zeros to ones: what it does at the end is compared with what it does at first."""
    from stable_baselines3 import DQN

    space = BitString(6)
    env = NASEditEnv(space, BitCount(noise=0.0), horizon=6)
    model = DQN(
        "MlpPolicy", env, learning_rate=3e-3, learning_starts=50, gradient_steps=2, train_freq=1,
        exploration_fraction=0.5, target_update_interval=50, gamma=0.9, seed=0,
    )  # fmt: skip

    def mean_gain() -> float:
        gains = []
        for seed in range(20):
            observation, _ = env.reset(seed=seed)
            gained, ended = 0.0, False
            while not ended:
                action, _ = model.predict(observation, deterministic=True)
                observation, reward, ended, _, _ = env.step(np.int64(action))
                gained += reward
            gains.append(gained)
        return float(np.mean(gains))

    before = mean_gain()
    model.learn(1500)
    assert mean_gain() > max(before, 0.0) + 0.2  # 0.5 is possible: three bits of six are 0


def test_the_budget_cuts_an_episode() -> None:
    env = env_of(budget=3, horizon=5)
    env.reset(seed=0)
    assert env.step(np.int64(1))[2:4] == (False, False)
    assert env.step(np.int64(9))[2:4] == (False, True)
    _, info = env.reset()
    assert info["evaluation"]["source"] == ""
    with pytest.raises(BudgetExceeded):
        env.step(np.int64(1))


def test_a_child_that_fails_is_worth_the_failure_reward() -> None:
    space = LayerChain(2)
    env = NASEditEnv(space, FailingEvaluator(Landscape(space)), failure_reward=-1.0)
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    values = [-1.0 if info["evaluation"]["failure"] else info["evaluation"]["accuracy"]]
    failed = 0
    for _ in range(30):
        _, reward, ended, _, info = env.step(env.action_space.sample())
        failed += info["evaluation"]["failure"] is not None
        values.append(-1.0 if info["evaluation"]["failure"] else info["evaluation"]["accuracy"])
        assert reward == pytest.approx(values[-1] - values[-2])
        if ended:
            _, info = env.reset()
            values = [-1.0 if info["evaluation"]["failure"] else info["evaluation"]["accuracy"]]
    assert failed


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"horizon": 0}, InvalidOption, "horizon is 0: give a whole number from 1 to"),
        ({"start": "worst"}, Exception, "start"),
        ({"start": 3}, InvalidOption, "start is 3: give 'random', 'best', or the tokens"),
        ({"start": [0, 1]}, InvalidTokens, "not complete"),
        ({"reward_form": "shaped"}, Exception, "reward_form"),
        ({"action": "edits"}, Exception, "action"),
        ({"horizont": 3}, UnknownKeyword, "horizon"),
    ],
)
def test_a_wrong_option_gets_one_sentence(options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        gym.make(ID, **options)
    assert isinstance(raised.value, nas_gym.NASGymError)
    with pytest.raises(error, match=words):
        gym.make_vec(ID, **options)


def test_what_edits_do_not_do_is_said() -> None:
    with pytest.raises(InvalidOption, match="exclude each other"):
        gym.make_vec(ID, num_envs=2, in_flight=2)
    with pytest.raises(InvalidOption, match="exclude each other"):
        gym.make(ID, objectives=("accuracy", "-parameters"))
    env = env_of()
    for name in ("epochs", "limits"):
        with pytest.raises(InvalidOption, match=f"has {name}"):
            env.reset(options={name: 3})
    env.reset()
    for action in (-1, 31, True, 1.5):
        with pytest.raises(InvalidTokens):
            env.step(action)  # type: ignore[arg-type]


def test_a_vector_steps_as_its_episodes_would_alone() -> None:
    start = (0, 1, 2, 3, 4, 0)
    vector = gym.make_vec(ID, num_envs=2, start=start, horizon=3)
    single = env_of(start=start, horizon=3)
    observations, infos = vector.reset(seed=0)
    assert (infos["action_mask"] == vector.unwrapped.action_masks()).all()  # type: ignore[attr-defined]
    assert observations.tolist() == [[1, 2, 3, 4, 5, 1, 3]] * 2
    single.reset()
    for actions, ended in (
        ((2, 4), (False, False)),
        ((9, STOP), (False, True)),
        ((14, 8), (True, False)),
    ):
        observations, rewards, terminated, truncated, infos = vector.step(np.array(actions))
        expected = single.step(np.int64(actions[0]))
        assert rewards[0] == expected[1]
        assert terminated.tolist() == list(ended)
        assert not truncated.any()
        if ended[0]:
            assert infos["final_info"]["tokens"][0] == expected[4]["tokens"]
            assert (
                infos["final_info"]["evaluation"][0]["accuracy"]
                == (expected[4]["evaluation"]["accuracy"])
            )
            assert infos["final_obs"][0].tolist() == expected[0].tolist()
            assert infos["final_obs"][1] is None
            assert observations[0].tolist() == [1, 2, 3, 4, 5, 1, 3]


def test_a_vector_asks_in_batches_and_spends_its_budget_exactly() -> None:
    record = History()
    env = NASEditVectorEnv(NASBench201(), TABLE, num_envs=4, budget=21, horizon=2, record=record)
    env.reset(seed=0)
    env.action_space.seed(0)
    cut = 0
    while env.remaining > 0:
        _, rewards, terminated, truncated, _ = env.step(env.action_space.sample())
        assert not (terminated & truncated).any()
        cut += int(truncated.sum())
        assert np.isfinite(rewards).all()
    assert len(record.requests) == 21
    assert cut
    with pytest.raises(BudgetExceeded):
        env.step(np.array([1, 1, 1, 1]))


@dataclass(frozen=True)
class Climber:
    """An agent of edits from the best architecture, behind the environment of a search."""

    batch_size: int = 1

    def search(self, env: NASVectorEnv[Any]) -> None:
        edits = NASEditEnv.over(env, start="best", horizon=1)
        edits.reset(seed=int(env.np_random.integers(2**31)))
        while env.remaining > 0:
            mask = edits.action_masks()
            mask[-1] = False
            edits.step(env.np_random.choice(np.flatnonzero(mask)))
            edits.reset()


def test_an_agent_of_a_search_edits_and_its_run_goes_on(tmp_path: Path) -> None:
    options: dict[str, Any] = {"agent": Climber(), "store": tmp_path / "runs.db", "seed": 3}
    whole = nas_gym.search("nasbench201", "nasbench201", budget=40, run="whole", **options)
    nas_gym.search("nasbench201", "nasbench201", budget=15, run="parts", **options)
    parts = nas_gym.search(
        "nasbench201", "nasbench201", budget=40, run="parts", resume=True, **options
    )
    tokens = [[a.evaluation.architecture.tokens for a in r.answers] for r in (whole, parts)]
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) == 40
    best = whole.answers[0]
    for answer in whole.answers[1:]:
        one, other = (a.evaluation.architecture.tokens for a in (best, answer))
        assert sum(map(np.not_equal, one, other)) == 1
        best = max(best, answer, key=lambda a: a.reward)
