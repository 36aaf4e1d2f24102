"""PPO on the LSTM controller: minibatches of each batch, with a critic if asked for."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas_agents.lstm.conditions import Condition, condition_of, size_of
from nas_agents.lstm.controller import Controller
from nas_agents.lstm.reinforce_learner import Learn, ReinforceLearner, learn_from_rounds
from nas_agents.lstm.vocabulary import Episodes, Vocabulary

if TYPE_CHECKING:
    from nas_agents.ppo import PPO
    from nas_gym.envs.vector_env import NASVectorEnv


def search(settings: "PPO", env: "NASVectorEnv[Any]", learn: Learn = learn_from_rounds) -> None:
    """Sample architectures and learn from them until the budget is spent.

    Args:
        settings: Of the agent.
        env: Answers.
        learn: How; from rounds by default.
    """
    generator = torch.Generator().manual_seed(int(env.np_random.integers(2**62)))
    vocabulary = Vocabulary(env.choices, env.np_random)
    condition = condition_of(settings, env)
    made = ActorCritic if settings.critic else Controller
    controller = made(settings, vocabulary, generator, size_of(condition))
    learn(env, PPOLearner(settings, controller, generator, condition), generator)


class ActorCritic(Controller):
    """The controller with a second head: the value of the tokens so far."""

    def __init__(
        self,
        settings: "PPO",
        vocabulary: Vocabulary,
        generator: torch.Generator,
        conditions: int = 0,
    ) -> None:
        super().__init__(settings, vocabulary, generator, conditions)
        # Zeros: the moving average, to which the values are relative, is the first guess.
        self.value = nn.Parameter(torch.zeros(settings.hidden_size))

    def values(self, outputs: Tensor) -> Tensor:
        """Return (episodes, max_length), from the LSTM's outputs."""
        values: Tensor = outputs @ self.value
        return values


class PPOLearner(ReinforceLearner):
    """The learner in minibatches and, if asked to, with a critic."""

    settings: "PPO"

    def __init__(
        self,
        settings: "PPO",
        controller: Controller,
        generator: torch.Generator,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(settings, controller, condition)
        self.generator = generator

    def update(self, episodes: Episodes, sampled_with: Tensor | None = None) -> None:
        """Learn from a batch, then let its rewards into the baseline."""
        earned = self.earned(episodes)[:, None].expand(episodes.tokens.shape)
        with torch.no_grad():
            outputs = self.controller.outputs(episodes)
            if sampled_with is None:
                sampled_with, _ = self.controller.log_probabilities(episodes, outputs)
            advantages, targets = self.credit(episodes, earned, outputs)
        for _ in range(self.settings.epochs):
            order = torch.randperm(len(earned), generator=self.generator)
            for rows in torch.split(order, self.settings.minibatch_size):
                old, weights, values = sampled_with[rows], advantages[rows], targets[rows]
                self.optimizer.minimize(self.clipped(episodes.of(rows), old, weights, values))

    def credit(self, episodes: Episodes, earned: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return each token's advantage, and its value as the critic should have it."""
        if not isinstance(self.controller, ActorCritic):
            return earned, earned
        values = self.controller.values(outputs)
        decisions = episodes.opened.decisions
        advantages = gae(earned[:, 0], values, decisions, self.settings.gae_lambda)
        return advantages, advantages + values

    def clipped(
        self, episodes: Episodes, sampled_with: Tensor, advantages: Tensor, targets: Tensor
    ) -> Tensor:
        """Return a minibatch's loss; all but the first argument are (episodes, max_length)."""
        outputs = self.controller.outputs(episodes)
        loss, _ = self.loss(episodes, advantages, sampled_with, outputs)
        if isinstance(self.controller, ActorCritic):
            errors = (self.controller.values(outputs) - targets).square()
            weight = self.settings.value_weight
            loss = loss + weight * (errors * episodes.opened.decisions).sum(dim=1).mean()
        return loss


def gae(rewards: Tensor, values: Tensor, decisions: Tensor, decay: float) -> Tensor:
    """Estimate generalized advantages (Schulman et al. 2016, equation 16), undiscounted.

    Args:
        rewards: (episodes,), each for the whole episode.
        values: (episodes, max_length), before each token.
        decisions: (episodes, max_length) bool; a token that had no alternative is no step.
        decay: Lambda, in [0, 1].

    Returns:
        (episodes, max_length); 0 if there was nothing to decide.
    """
    following, carried = rewards, torch.zeros_like(rewards)
    advantages = torch.zeros_like(values)
    for step in reversed(range(values.shape[1])):
        decided = decisions[:, step]
        estimate = following - values[:, step] + decay * carried
        carried = torch.where(decided, estimate, carried)
        following = torch.where(decided, values[:, step], following)
        advantages[:, step] = torch.where(decided, estimate, 0.0)
    return advantages
