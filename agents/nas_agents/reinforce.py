"""REINFORCE: Zoph & Le 2016, section 3; Zoph et al. 2017, appendix A.

The reward of a finished architecture moves the log-probabilities of all tokens that the controller
sampled for it, undiscounted, against a moving average of earlier rewards.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from annotated_types import Ge, Interval
from torch import Tensor

from nas_agents.lstm.controller import (
    Controller,
    LSTMAgent,
    Optimizer,
    one_thread,
    sample,
)
from nas_agents.lstm.vocabulary import Episodes, Vocabulary, joined
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption

MOST = 0.5  # of mean_entropy_weight for a token: more would hide the reward of one or two tokens


@dataclass(frozen=True)
class Reinforce(LSTMAgent):
    """Policy gradient on an LSTM that writes architectures.

    The defaults are for budgets of 50 to 500 children; ``agents/README.md`` says where they come
    from. The papers' settings, for thousands, are in ``PRESETS``.

    Args:
        mean_entropy_weight: Bonus for the entropy averaged over an architecture's tokens (nats),
            >= 0: beside ``entropy_weight``, which is for their sum, so that one setting suits few
            tokens and many. A token gets 0.5 at most.
        baseline_decay: Weight of the past in the moving average of rewards, in [0, 1).
        normalize_advantages: Divide the advantages of a batch by their root mean square, so that
            the scale of the rewards does not matter.
        epochs: Updates on each batch, >= 1.
        clip_range: PPO's clipping of the probability ratio, in (0, 1); None is plain REINFORCE.
    """

    entropy_weight: Annotated[float, Ge(0)] = 0.0
    mean_entropy_weight: Annotated[float, Ge(0)] = 2.5
    baseline_decay: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    normalize_advantages: bool = True
    epochs: Annotated[int, Ge(1)] = 3
    clip_range: Annotated[float, Interval(gt=0, lt=1)] | None = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clip_range is None and self.epochs > 1:
            raise InvalidOption(
                f"epochs is {self.epochs}: give 1, or give clip_range, e.g. 0.2, since from the "
                "second on the samples are not the policy's own"
            )

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Sample rounds of architectures and learn from them until the budget is spent."""
        generator = torch.Generator().manual_seed(int(env.np_random.integers(2**62)))
        controller = Controller(self, Vocabulary(env.choices, env.np_random), generator)
        learn_from_rounds(env, Learner(self, controller), generator)


def learn_from_rounds(
    env: NASVectorEnv[Any], learner: "Learner", generator: torch.Generator
) -> None:
    """Play rounds, and learn from each batch of them, until the budget is spent."""
    env.reset()
    batch: list[Episodes] = []
    waiting = 0
    while env.remaining > 0:
        batch.append(sample_round(env, learner.controller, generator))
        waiting += env.num_envs
        # The episodes of a last, partial round are not all rewarded; nobody learns from it.
        if waiting >= learner.settings.batch_size and env.remaining > 0:
            with one_thread():
                learner.update(joined(batch))
            batch, waiting = [], 0


def sample_round(
    env: NASVectorEnv[Any], controller: Controller, generator: torch.Generator
) -> Episodes:
    """Play one round of episodes with sampled tokens."""
    rewards = np.zeros(env.num_envs)

    def take(tokens: npt.NDArray[np.int64]) -> None:
        rewards[:] = env.step(tokens)[1]

    depth = controller.depth_token(env.ledger.requests)
    tokens, opened = sample(controller, env.num_envs, generator, take, depth=depth)
    return Episodes(tokens, opened, torch.from_numpy(rewards).float())


# ---------------------------------------------------------------- learning


class Learner:
    """Moves the controller along the policy gradient."""

    def __init__(self, settings: Reinforce, controller: Controller) -> None:
        self.settings = settings
        self.controller = controller
        self.optimizer = Optimizer(controller, settings.learning_rate)
        self.baseline: float | None = None  # the first batch's mean stands in for the past

    def update(self, episodes: Episodes) -> None:
        """Learn from a batch, then let its rewards into the baseline."""
        advantages = self.advantages(episodes.rewards)[:, None]
        sampled_with: Tensor | None = None
        for _ in range(self.settings.epochs):
            loss, log_probabilities = self.loss(episodes, advantages, sampled_with)
            if sampled_with is None:
                sampled_with = log_probabilities.detach()
            self.optimizer.minimize(loss)

    def advantages(self, rewards: Tensor) -> Tensor:
        """(episodes,) R - b; then b moves."""
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
        """The scalar whose gradient is Zoph & Le's, with its sign turned; the log-probabilities.

        Args:
            episodes: A batch, or some of it.
            advantages: (episodes, max_length), or (episodes, 1) where all tokens share one.
            sampled_with: The log-probabilities before the batch's first update; None is then.
            outputs: Of the controller's LSTM, where the caller has them already.
        """
        log_probabilities, entropies = self.controller.log_probabilities(episodes, outputs)
        clip = self.settings.clip_range
        if clip is None or sampled_with is None:  # a ratio of 1 has this gradient, too
            gain = log_probabilities * advantages
        else:  # Schulman et al. 2017, equation 7, token by token
            ratio = (log_probabilities - sampled_with).exp()
            clipped = ratio.clamp(1 - clip, 1 + clip)
            gain = torch.minimum(ratio * advantages, clipped * advantages)
        share = min(MOST, self.settings.mean_entropy_weight / entropies.shape[1])
        gain = gain + (self.settings.entropy_weight + share) * entropies
        return -gain.sum(dim=1).mean(), log_probabilities


# Section 4.1: 8 children a controller replica; the baseline's decay is not given, nor is there an
# entropy bonus. (The paper's 100 replicas update asynchronously.)
ZOPH2016 = Reinforce(
    batch_size=8,
    layers=2,
    hidden_size=35,
    initial_range=0.08,
    learning_rate=6e-4,
    baseline_decay=0.95,
    normalize_advantages=False,
    mean_entropy_weight=0.0,
    choice_bias=False,
    epochs=1,
    clip_range=None,
)
PRESETS: dict[str, Reinforce] = {
    "default": Reinforce(),
    "zoph2016": ZOPH2016,
    # Section 4.1: from 6 layers on, 2 more every 1,600 architectures.
    "zoph2016-convnet": replace(ZOPH2016, depth_schedule=(6, 2, 1600)),
    # Section 4.2: one child a replica, but an update waits for the gradients of 10.
    "zoph2016-rnn": replace(ZOPH2016, learning_rate=5e-4, batch_size=10),
    # Zoph et al. 2017, appendix A; PPO's clip range and epochs are not given: the values of
    # Schulman et al. 2017, table 3 and of common practice.
    "nasnet2017": Reinforce(
        batch_size=20,
        layers=1,
        hidden_size=100,
        initial_range=0.1,
        learning_rate=3.5e-4,
        baseline_decay=0.95,
        normalize_advantages=False,
        entropy_weight=1e-5,
        mean_entropy_weight=0.0,
        choice_bias=False,
        epochs=4,
        clip_range=0.2,
    ),
}
