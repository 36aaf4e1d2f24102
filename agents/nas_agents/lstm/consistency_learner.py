"""Path consistency on all architectures so far, on the LSTM controller."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from nas_agents.lstm.controller import FlatAdam
from nas_agents.lstm.fused_controller import FusedController
from nas_agents.lstm.replay import Replay, search_with_replay
from nas_agents.lstm.vocabulary import Episodes
from nas_gym.search_spaces.grammar import Tokens

if TYPE_CHECKING:
    from nas_agents.path_consistency import PathConsistency
    from nas_gym.envs.vector_env import NASVectorEnv

NORMAL_90 = 1.2816  # the standard normal distribution's 0.9 quantile


def search(settings: "PathConsistency", env: "NASVectorEnv[Any]") -> None:
    """Play random architectures, then what the controller writes as it learns."""
    search_with_replay(
        settings, env, lambda controller, rng: ConsistencyLearner(settings, controller, rng).learn
    )


class ConsistencyLearner:
    """A learner that makes log-probabilities differ as the rewards do."""

    def __init__(
        self, settings: "PathConsistency", controller: FusedController, rng: np.random.Generator
    ) -> None:
        self.settings = settings
        self.controller = controller
        self.rng = rng
        self.optimizer = FlatAdam(controller, settings.learning_rate)

    def learn(self, replay: Replay) -> list[Tokens]:
        """Fit all that was seen, and return what to evaluate again."""
        settings = self.settings
        played = sum(replay.counts)
        progress = min(1.0, played / settings.annealing)
        beta = settings.first_beta + progress * (settings.last_beta - settings.first_beta)
        best = replay.best_first()
        scores = self.scores(replay)
        for _ in range(settings.updates):
            rows = self.minibatch(best)
            episodes = Episodes(*replay.paths(rows), scores[rows])
            self.update(episodes, beta)
        if played < settings.repeats_from:
            return []
        return replay.again(best, settings.repeats, settings.most_repeats)

    def scores(self, replay: Replay) -> Tensor:
        """Return (distinct,) standard scores of the rewards."""
        means = replay.means
        middle, high = np.quantile(means, [0.5, 0.9])
        scores = (means - middle) / max((high - middle) / NORMAL_90, 1e-8)
        return torch.from_numpy(scores.clip(self.settings.lowest_score, 10.0)).float()

    def minibatch(self, best: Sequence[int]) -> Tensor:
        """Draw rows of the replay: all while they are few, else the best and some at random."""
        size = self.settings.minibatch_size
        if len(best) <= size:
            return torch.tensor(best)
        elite = best[: min(self.settings.elite, size)]
        others = self.rng.integers(len(best), size=size - len(elite))
        return torch.from_numpy(np.concatenate([np.array(elite, np.int64), others]))

    def update(self, episodes: Episodes, beta: float) -> None:
        """Lower the variance of log p(x) - beta R(x) over the minibatch, by beta."""

        def slopes(log_probabilities: Tensor) -> Tensor:
            errors = log_probabilities - beta * episodes.rewards
            return (errors - errors.mean()) * (2 / (beta * len(errors)))

        of_entropy = -self.settings.entropy_weight / len(episodes.rewards)
        self.optimizer.gradient.zero_()
        self.controller.differentiate(episodes, slopes, of_entropy)
        self.optimizer.step()
