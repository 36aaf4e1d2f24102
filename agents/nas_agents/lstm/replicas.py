"""Learning from architectures as they come: Zoph & Le 2016, section 3.2 (asynchronous replicas).

By the time a child is done the policy may have changed. Its architecture keeps the probabilities
with which it was sampled: the ratio to those of now corrects the gradient, as in PPO (Schulman et
al. 2017, equation 7) or, without clipping, by importance weights of at most 1 (Espeholt et al.
2018); and what is older than a few updates is left out.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from nas_agents.lstm.controller import one_thread, sample
from nas_agents.lstm.reinforce_learner import ReinforceLearner
from nas_agents.lstm.vocabulary import Episodes, joined
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Tokens

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv


class _Sampled(NamedTuple):
    """One architecture in flight."""

    episode: Episodes  # without its reward
    log_probabilities: Tensor  # (1, max_length), with which it was sampled
    updates: int  # that the policy had had by then


def learn_as_they_come(
    env: "NASAsyncVectorEnv[Any]", learner: ReinforceLearner, generator: torch.Generator
) -> None:
    """Keep architectures in flight, and learn from those that are done, until the budget is spent.

    A batch is of ``batch_size`` architectures, or of more where so many are in flight that their
    samples would be older than ``max_lag`` updates.
    """
    settings = learner.settings
    size, most = settings.batch_size, settings.max_lag
    if most is not None:
        size = max(size, math.ceil(env.ledger.in_flight / most))
    flying: dict[int, _Sampled] = {}
    batch: list[tuple[_Sampled, float]] = []
    updates = 0
    while env.remaining > 0 or env.waiting:
        count = int(min(env.free, env.remaining))
        if count:
            for sampled, tokens in _sample(env, learner, generator, count, updates):
                flying[env.submit(tokens)] = sampled
        for ticket, played in env.collect():
            sampled = flying.pop(ticket)
            if most is None or updates - sampled.updates <= most:
                batch.append((sampled, played.reward))
        if len(batch) >= size and env.remaining > 0:
            with one_thread():
                learner.update(*_learnt_from(batch))
            batch, updates = [], updates + 1


def _sample(
    env: "NASAsyncVectorEnv[Any]",
    learner: ReinforceLearner,
    generator: torch.Generator,
    count: int,
    updates: int,
) -> list[tuple[_Sampled, Tokens]]:
    """Sample architectures; return them with their tokens."""
    depth = learner.controller.depth_token(env.ledger.requests + env.waiting)
    tokens, opened = sample(learner.controller, count, generator, depth=depth)
    episodes = Episodes(tokens, opened, torch.zeros(count))
    with one_thread(), torch.no_grad():
        log_probabilities, _ = learner.controller.log_probabilities(episodes)
    rows = torch.arange(count)
    return [
        (
            _Sampled(episodes.of(rows[i : i + 1]), log_probabilities[i : i + 1], updates),
            complete(env.choices, tuple(tokens[i].tolist())),
        )
        for i in range(count)
    ]


def _learnt_from(batch: list[tuple[_Sampled, float]]) -> tuple[Episodes, Tensor]:
    """Return a batch's episodes with their rewards, and how they were sampled."""
    episodes = joined([sampled.episode for sampled, _ in batch])
    rewards = torch.tensor([reward for _, reward in batch])
    sampled_with = torch.cat([sampled.log_probabilities for sampled, _ in batch])
    return episodes._replace(rewards=rewards), sampled_with


def complete(choices: ChoiceTable, padded: Tokens) -> Tokens:
    """Return the tokens of an architecture without those after its completion."""
    if choices.static is not None:
        return padded[: len(choices.static)]
    length = next(n for n in range(len(padded) + 1) if choices.after(padded[:n]) is None)
    return padded[:length]
