"""Policies for many wishes at once: what an episode is conditioned on, and what it is worth.

One policy sees, in each episode, a preference among several objectives (Yang et al. 2019, "A
generalized algorithm for multi-objective reinforcement learning and policy adaptation": weights in
the observation, drawn anew), or a budget that exact masks keep. It is learnt from all episodes, and
its advantages are measured against what other children would have been worth under the same wish.
"""

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas_agents.lstm.vocabulary import Drawn, Episodes
from nas_gym.envs.limits import Budgets
from nas_gym.envs.objectives import measured, objectives_of, values_of
from nas_gym.envs.preferences import RECENT, drawn_preferences, ranks_among, worth
from nas_gym.errors import InvalidOption

if TYPE_CHECKING:
    from nas_agents.reinforce import Reinforce
    from nas_gym.envs.vector_env import NASVectorEnv

WIDTH = 0.25  # of the budgets that count as near, of a range of 2


class Condition(Protocol):
    """The wishes of episodes."""

    size: int  # numbers that the policy sees

    def draw(self, episodes: int) -> Drawn:
        """Draw the wishes of a round."""

    def values(self, evaluations: Any, rewards: npt.NDArray[np.float64]) -> Tensor | None:
        """Return what is to be known of a round's children, from their infos and rewards."""

    def advantages(self, episodes: Episodes) -> Tensor:
        """Return (episodes,) what each child is worth under its wish, less a baseline."""


def condition_of(settings: "Reinforce", env: "NASVectorEnv[Any]") -> Condition | None:
    """Return what an agent's policy is conditioned on, if anything."""
    if settings.objectives is not None:
        return Preferences(settings, env.np_random)
    if settings.budgets is not None:
        return DrawnBudgets(settings.budgets, env)
    return None


def size_of(condition: Condition | None) -> int:
    """Return how many numbers a policy sees."""
    return 0 if condition is None else condition.size


class Preferences:
    """Weights of several objectives, uniform among those that sum to 1: Dirichlet(1, …, 1).

    An objective counts by its rank among recent children, from 0 to 1, so that neither its scale
    nor a few outliers matter; a child that failed has 0 in all of them. What a child is worth is
    divided by how far recent ones differ to the same weights: else those that make a large
    difference would be the only ones that are learnt from.

    Args:
        settings: Its ``objectives`` and ``scalarization``.
        rng: Draws.
    """

    def __init__(self, settings: "Reinforce", rng: np.random.Generator) -> None:
        self.objectives = objectives_of(settings.objectives)
        self.size = len(self.objectives)
        self._scalarization = settings.scalarization
        self._rng = rng
        self._recent = torch.empty((0, self.size), dtype=torch.float64)

    def draw(self, episodes: int) -> Drawn:
        """Draw weights, (episodes, objectives)."""
        weights = drawn_preferences(self._rng, self.size, episodes)
        return Drawn(self.seen(torch.from_numpy(weights)))

    def seen(self, weights: Tensor) -> Tensor:
        """Return what the policy sees of weights: those with a mean of 0 and a variance of 1."""
        return ((weights - 1 / self.size) / self._deviation).float()

    @property
    def _deviation(self) -> float:
        return max(1e-12, math.sqrt((self.size - 1) / (self.size + 1))) / self.size

    def values(self, evaluations: Any, rewards: npt.NDArray[np.float64]) -> Tensor:
        """Return (episodes, objectives), larger is better; NaN of a child that failed."""
        values = np.full((len(rewards), self.size), np.nan)
        for i, (evaluation, reward) in enumerate(zip(evaluations, rewards.tolist(), strict=True)):
            if evaluation is not None and evaluation["failure"] is None:
                values[i] = values_of([(measured(evaluation), reward)], self.objectives)[0]
        return torch.from_numpy(values)

    def advantages(self, episodes: Episodes) -> Tensor:
        """Return what each child is worth to its weights, less what recent ones are to the same."""
        assert episodes.conditions is not None
        assert episodes.values is not None
        weights = episodes.conditions.double() * self._deviation + 1 / self.size
        self._recent = _newest(self._recent, episodes.values)
        recent = self._recent.numpy()
        ranks = torch.from_numpy(ranks_among(recent, recent))
        own = self._worth(weights, ranks[-len(weights) :])
        others = self._worth(weights[:, None], ranks[None])  # (episodes, recent)
        spread = others.std(1, correction=0) + 1e-8
        return ((own - _without_own(others, own)) / spread).float()

    def _worth(self, weights: Tensor, ranks: Tensor) -> Tensor:
        """Return the scalarized values, over the last dimension."""
        return torch.from_numpy(worth(weights.numpy(), ranks.numpy(), self._scalarization))


class DrawnBudgets:
    """A budget for what a network costs, log-uniform from the smallest network to the largest.

    The policy sees its logarithm, scaled to [-1, 1]; exact masks keep it, so the reward is as ever.
    The baseline is the mean reward of recent children whose budgets were near.

    Args:
        metric: ``"parameters"`` or ``"multiply_adds"``.
        env: Its space says how its cost adds up.

    Raises:
        InvalidOption: It does not.
    """

    size = 1

    def __init__(self, metric: str, env: "NASVectorEnv[Any]") -> None:
        evaluator = getattr(env.ledger, "evaluator", None)
        if evaluator is None:
            raise InvalidOption(
                "budgets need the environment itself: leave out the agent that stands before it"
            )
        self._budgets = Budgets(env.space, evaluator, metric)
        if self._budgets.least >= self._budgets.most:
            raise InvalidOption(
                f"budgets is {metric!r}, of which all networks of this space have "
                f"{self._budgets.least:,}: leave it out"
            )
        self._rng = env.np_random
        self._recent = torch.empty((0, 2), dtype=torch.float64)  # condition, reward

    def draw(self, episodes: int) -> Drawn:
        """Draw budgets."""
        ends = math.log(self._budgets.least), math.log(self._budgets.most)
        logarithms = self._rng.uniform(*ends, episodes)
        seen = 2 * (logarithms - ends[0]) / (ends[1] - ends[0]) - 1
        budgets = np.maximum(np.exp(logarithms), self._budgets.least).astype(np.int64)
        tables = [self._budgets.table(budget) for budget in budgets.tolist()]
        return Drawn(torch.from_numpy(seen).float()[:, None], tables)

    def values(self, evaluations: Any, rewards: npt.NDArray[np.float64]) -> None:
        """Return nothing: the reward is all."""

    def advantages(self, episodes: Episodes) -> Tensor:
        """Return rewards less the mean reward of recent children with budgets like theirs."""
        assert episodes.conditions is not None
        own, rewards = episodes.conditions[:, 0].double(), episodes.rewards.double()
        self._recent = _newest(self._recent, torch.stack([own, rewards], 1))
        others = self._recent[None, :, 1].expand(len(own), -1)
        near = torch.exp(-(((own[:, None] - self._recent[:, 0]) / WIDTH) ** 2) / 2)
        return (rewards - _without_own(others, rewards, near)).float()


def _without_own(others: Tensor, own: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return (episodes,) means of (episodes, recent), without the child's own.

    The batch is the last of what is recent. What a child is measured against must not depend on it,
    or the gradient would be biased.
    """
    weights = torch.ones_like(others) if weights is None else weights.clone()
    count = others.shape[1]
    weights[torch.arange(len(own)), torch.arange(count - len(own), count)] = 0
    total = weights.sum(1)
    means = (weights * others).sum(1) / total.clamp(min=1e-12)
    return torch.where(total > 1e-6, means, own)


def _newest(before: Tensor, batch: Tensor) -> Tensor:
    """Return the last ``RECENT`` rows, or as many as the batch has."""
    return torch.cat([before, batch])[-max(RECENT, len(batch)) :]
