"""Maximum likelihood of the best architectures so far, on the LSTM controller."""

from typing import TYPE_CHECKING, Any

import torch

from nas_agents.lstm.controller import FlatAdam
from nas_agents.lstm.fused_controller import FusedController
from nas_agents.lstm.replay import Replay, search_with_replay
from nas_agents.lstm.vocabulary import Episodes
from nas_gym.search_spaces.grammar import Tokens

if TYPE_CHECKING:
    from nas_agents.priority_queue import PriorityQueue
    from nas_gym.envs.vector_env import NASVectorEnv


def search(settings: "PriorityQueue", env: "NASVectorEnv[Any]") -> None:
    """Play random architectures, then what the controller writes as it learns."""
    search_with_replay(
        settings, env, lambda controller, _: QueueLearner(settings, controller).learn
    )


class QueueLearner:
    """A learner that raises the likelihood of the queue."""

    def __init__(self, settings: "PriorityQueue", controller: FusedController) -> None:
        self.settings = settings
        self.controller = controller
        self.optimizer = FlatAdam(controller, settings.learning_rate)

    def learn(self, replay: Replay) -> list[Tokens]:
        """Train on the best so far, and return which of them to evaluate again."""
        best = replay.best_first()[: self.settings.queue_size]
        ranks = torch.arange(len(best)) / max(1, len(best) - 1)
        weights = (-self.settings.rank_decay * ranks).softmax(0)
        queue = Episodes(*replay.paths(torch.tensor(best)), weights)
        for update in range(self.settings.updates):
            self.optimizer.gradient.zero_()
            self.imitate(queue)
            if update == 0 and self.settings.gradient_weight:
                self.reinforce(replay)
            self.optimizer.step()
        return replay.again(best, self.settings.repeats, self.settings.most_repeats)

    def imitate(self, queue: Episodes) -> None:
        """Add the gradient of the queue's weighted negative log-likelihood, less the entropy's."""
        of_entropy = -self.settings.entropy_weight / len(queue.rewards)
        self.controller.differentiate(queue, lambda _: -queue.rewards, of_entropy)

    def reinforce(self, replay: Replay) -> None:
        """Add ``gradient_weight`` times the gradient of REINFORCE's loss on the newest ones."""
        newest = torch.arange(len(replay.counts))[-self.settings.batch_size :]
        rewards = torch.tensor(replay.means)[newest].float()
        advantages = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-8)
        slopes = -self.settings.gradient_weight / len(newest) * advantages
        episodes = Episodes(*replay.paths(newest), rewards)
        self.controller.differentiate(episodes, lambda _: slopes, 0.0)
