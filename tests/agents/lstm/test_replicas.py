"""Learning from architectures that were sampled by an older policy."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nas_gym
from nas_agents.lstm import replicas
from nas_agents.lstm.reinforce_learner import ReinforceLearner, sample_round
from nas_agents.lstm.replicas import complete
from nas_agents.reinforce import PRESETS
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.testing import BitString, Landscape, LayerChain
from tests.agents.test_reinforce import controller_of

SPACE = BitString(4)
PLAIN = replace(PRESETS["zoph2016"], initial_range=0.5)


def sampled(agent: Any) -> Any:
    """A controller, and a round of its episodes."""
    env = NASVectorEnv(SPACE, Landscape(SPACE), num_envs=6)
    controller = controller_of(agent, SPACE)
    env.reset(seed=0)
    return controller, sample_round(env, controller, torch.Generator().manual_seed(1))


def gradient(learner: ReinforceLearner, *arguments: Any) -> torch.Tensor:
    learner.optimizer.gradient.zero_()
    learner.loss(*arguments)[0].backward()
    return learner.optimizer.gradient.clone()


def test_what_the_policy_of_now_sampled_is_learnt_from_as_in_rounds() -> None:
    for agent in (PLAIN, replace(PRESETS["default"], epochs=1, initial_range=0.5)):
        controller, episodes = sampled(agent)
        learner = ReinforceLearner(agent, controller)
        advantages = (episodes.rewards - 0.3)[:, None]
        with torch.no_grad():
            now, _ = controller.log_probabilities(episodes)
        plain = gradient(learner, episodes, advantages, None)
        assert plain.abs().sum() > 0
        torch.testing.assert_close(gradient(learner, episodes, advantages, now), plain)


def test_without_clipping_gradients_have_importance_weights_of_at_most_one() -> None:
    """Each architecture's is min(1, pi / pi_old), of all its tokens together."""
    controller, episodes = sampled(PLAIN)
    learner = ReinforceLearner(PLAIN, controller)
    advantages = (episodes.rewards - 0.3)[:, None]
    with torch.no_grad():
        now, _ = controller.log_probabilities(episodes)
    log_ratios = torch.tensor([-2.0, -0.5, 0.0, 0.1, 1.0, 3.0])
    old = now - log_ratios[:, None] / now.shape[1]
    weights = log_ratios.exp().clamp(max=1)[:, None]
    expected = gradient(learner, episodes, advantages * weights, None)
    torch.testing.assert_close(gradient(learner, episodes, advantages, old), expected)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_tokens_after_the_end_are_left_out(seed: int) -> None:
    import numpy as np

    for space in (SPACE, LayerChain(max_depth=4)):
        tokens = random_tokens(space, np.random.default_rng(seed))
        padded = (*tokens, *[0] * (space.max_length - len(tokens)))
        assert complete(ChoiceTable(space), padded) == tokens


@pytest.mark.slow
@pytest.mark.parametrize(
    ("max_lag", "in_flight", "size"), [(4, 8, 8), (4, 64, 16), (2, 64, 32), (None, 64, 8)]
)
def test_nothing_older_than_max_lag_is_learnt_from(
    max_lag: int | None, in_flight: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lags: list[int] = []
    batches: list[int] = []
    learnt_from = replicas._learnt_from

    def watched(batch: Any) -> Any:
        lags.extend(len(batches) - each.updates for each, _ in batch)
        batches.append(len(batch))
        return learnt_from(batch)

    monkeypatch.setattr(replicas, "_learnt_from", watched)
    agent = replace(PRESETS["default"], max_lag=max_lag, hidden_size=4)
    nas_gym.search(
        "nasbench201", {"name": "nasbench201", "seeds": "random"}, agent, budget=400,
        asynchronous=True, in_flight=in_flight, simulated_workers=in_flight,
    )  # fmt: skip
    assert set(batches) == {size}
    assert max(lags) > 0
    assert max_lag is None or max(lags) <= max_lag
    assert sum(batches) > 0.6 * (400 - in_flight)
