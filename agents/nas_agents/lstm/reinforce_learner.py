"""REINFORCE on the LSTM controller: rounds of samples, and the policy gradient of each batch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas_agents.lstm.conditions import Condition, condition_of, size_of
from nas_agents.lstm.controller import Controller, FlatAdam, one_thread, sample
from nas_agents.lstm.vocabulary import Episodes, Vocabulary, joined

if TYPE_CHECKING:
    from nas_agents.reinforce import Reinforce
    from nas_gym.envs.vector_env import NASVectorEnv

MOST = 0.5  # of mean_entropy_weight per token: more would hide the reward of one or two tokens


Learn = Callable[..., None]  # of an environment, a learner and the generator of samples


def search(settings: "Reinforce", env: "NASVectorEnv[Any]", learn: Learn | None = None) -> None:
    """Sample architectures and learn from them until the budget is spent.

    Args:
        settings: Of the agent.
        env: Answers.
        learn: How; from rounds by default.
    """
    generator = torch.Generator().manual_seed(int(env.np_random.integers(2**62)))
    vocabulary = Vocabulary(env.choices, env.np_random)
    condition = condition_of(settings, env)
    controller = Controller(settings, vocabulary, generator, size_of(condition))
    learner = ReinforceLearner(settings, controller, condition)
    (learn or learn_from_rounds)(env, learner, generator)


def learn_from_rounds(
    env: "NASVectorEnv[Any]", learner: "ReinforceLearner", generator: torch.Generator
) -> None:
    """Play rounds, and learn from each batch of them, until the budget is spent."""
    env.reset()
    batch: list[Episodes] = []
    waiting = 0
    while env.remaining > 0:
        batch.append(sample_round(env, learner.controller, generator, learner.condition))
        waiting += env.num_envs
        # The episodes of a last, partial round are not all rewarded; nobody learns from it.
        if waiting >= learner.settings.batch_size and env.remaining > 0:
            with one_thread():
                learner.update(joined(batch))
            batch, waiting = [], 0


def sample_round(
    env: "NASVectorEnv[Any]",
    controller: Controller,
    generator: torch.Generator,
    condition: Condition | None = None,
) -> Episodes:
    """Play one round of episodes with sampled tokens, under conditions if there are some."""
    rewards = np.zeros(env.num_envs)
    infos: dict[str, Any] = {}

    def take(tokens: npt.NDArray[np.int64]) -> None:
        nonlocal infos
        _, rewards[:], _, _, infos = env.step(tokens)

    depth = controller.depth_token(env.ledger.requests)
    drawn = None if condition is None else condition.draw(env.num_envs)
    tokens, opened = sample(controller, env.num_envs, generator, take, depth=depth, drawn=drawn)
    episodes = Episodes(tokens, opened, torch.from_numpy(rewards).float())
    if condition is None or drawn is None:
        return episodes
    values = condition.values(infos["final_info"]["evaluation"], rewards)
    return episodes._replace(conditions=drawn.conditions, values=values)


class ReinforceLearner:
    """A learner that moves the controller along the policy gradient."""

    def __init__(
        self,
        settings: "Reinforce",
        controller: Controller,
        condition: Condition | None = None,
    ) -> None:
        self.settings = settings
        self.condition = condition
        self.controller = controller
        self.optimizer = FlatAdam(controller, settings.learning_rate)
        self.baseline: float | None = None  # the first batch's mean stands in for the past

    def update(self, episodes: Episodes, sampled_with: Tensor | None = None) -> None:
        """Learn from a batch, then let its rewards into the baseline.

        Args:
            episodes: The batch.
            sampled_with: The log-probabilities with which its tokens were sampled, (episodes,
                max_length), if the policy may have changed since.
        """
        advantages = self.earned(episodes)[:, None]
        for _ in range(self.settings.epochs):
            loss, log_probabilities = self.loss(episodes, advantages, sampled_with)
            if sampled_with is None:
                sampled_with = log_probabilities.detach()
            self.optimizer.minimize(loss)

    def earned(self, episodes: Episodes) -> Tensor:
        """Return (episodes,) advantages; then let the batch into what they are measured against."""
        if self.condition is None:
            return self.advantages(episodes.rewards)
        advantages = self.condition.advantages(episodes)
        if self.settings.normalize_advantages:
            advantages = advantages / (advantages.square().mean().sqrt() + 1e-8)
        return advantages

    def advantages(self, rewards: Tensor) -> Tensor:
        """Return (episodes,) R - b; then move b."""
        mean = float(rewards.mean())
        if self.baseline is None:
            self.baseline = mean
        advantages = rewards - self.baseline
        decay = self.settings.baseline_decay
        self.baseline = decay * self.baseline + (1 - decay) * mean
        if self.settings.normalize_advantages:
            advantages = advantages / (advantages.square().mean().sqrt() + 1e-8)
        return advantages

    def loss(
        self,
        episodes: Episodes,
        advantages: Tensor,
        sampled_with: Tensor | None,
        outputs: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the scalar whose gradient is minus Zoph & Le's, and the log-probabilities.

        Args:
            episodes: A batch, or some of it.
            advantages: (episodes, max_length), or (episodes, 1) if all tokens share one.
            sampled_with: The log-probabilities with which the batch was sampled; None: those of
                now.
            outputs: Those of the controller's LSTM, if the caller has them already.
        """
        log_probabilities, entropies = self.controller.log_probabilities(episodes, outputs)
        clip = self.settings.clip_range
        if sampled_with is None:  # a ratio of 1 has this gradient, too
            gain = log_probabilities * advantages
        elif clip is None:  # truncated importance weights, of whole architectures
            ratios = (log_probabilities.detach() - sampled_with).sum(1, keepdim=True).exp()
            gain = log_probabilities * advantages * ratios.clamp(max=1)
        else:  # Schulman et al. 2017, equation 7, token by token
            ratio = (log_probabilities - sampled_with).exp()
            clipped = ratio.clamp(1 - clip, 1 + clip)
            gain = torch.minimum(ratio * advantages, clipped * advantages)
        share = min(MOST, self.settings.mean_entropy_weight / entropies.shape[1])
        gain = gain + (self.settings.entropy_weight + share) * entropies
        return -gain.sum(dim=1).mean(), log_probabilities
