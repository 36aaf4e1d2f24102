"""Priority-queue training: Abolafia et al. 2018 (arXiv 1801.03526), on the LSTM controller.

The controller is trained to write the K best distinct architectures seen so far, by maximum
likelihood; what it writes then resembles and recombines them, and the better of it enters the
queue. A relation is self-imitation learning (Oh et al. 2018, arXiv 1806.05635), which imitates what
did better than expected; here it is what did best. No advantage and no baseline is needed, and each
good architecture is learnt from many times: that is what makes it fit for few evaluations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Interval

from nas_agents.lstm.controller import LSTMAgent, Optimizer
from nas_agents.lstm.fused_controller import FusedController
from nas_agents.lstm.replay import Replay, most_trusted, search_with_replay
from nas_agents.lstm.vocabulary import Episodes, Vocabulary
from nas_gym.agent import Observed
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.moves import Tokens


@dataclass(frozen=True)
class PriorityQueue(LSTMAgent):
    """Trains the LSTM on the best architectures so far.

    Args:
        queue_size: K, >= 1.
        rank_decay: The worst of the queue weighs ``exp(-rank_decay)`` of the best, in between it
            falls geometrically, >= 0; 0 weighs all alike, as in the paper.
        updates: Steps of Adam before each batch, >= 1.
        gradient_weight: Adds the policy gradient of the last batch, against its mean reward in
            units of its spread, to the first update of each batch, >= 0: the paper's hybrid.
        random_first: Random architectures before anything is learnt, >= 1.
        exploration: How often a token is uniform over its options instead, in [0, 1].
        distinct: Sample anew what was evaluated before.
        repeats: Best architectures that are evaluated again in each batch, >= 0, so that the queue
            holds means rather than lucky draws; none more than ``most_repeats`` times.
        most_repeats: Evaluations of one architecture that ``repeats`` may lead to, >= 1.
    """

    batch_size: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.02
    entropy_weight: Annotated[float, Ge(0)] = 0.05
    queue_size: Annotated[int, Ge(1)] = 8
    rank_decay: Annotated[float, Ge(0)] = 3.0
    updates: Annotated[int, Ge(1)] = 8
    gradient_weight: Annotated[float, Ge(0)] = 0.0
    random_first: Annotated[int, Ge(1)] = 32
    exploration: Annotated[float, Interval(ge=0, le=1)] = 0.1
    distinct: bool = True
    repeats: Annotated[int, Ge(0)] = 0
    most_repeats: Annotated[int, Ge(1)] = 5

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Play random architectures, then train on the best and play what the LSTM writes."""
        generator = torch.Generator().manual_seed(int(env.np_random.integers(2**62)))
        controller = FusedController(self, Vocabulary(env.choices, env.np_random), generator)
        learner = QueueLearner(self, controller)
        search_with_replay(
            env,
            controller,
            generator,
            learner.learn,
            random_first=self.random_first,
            distinct=self.distinct,
            exploration=self.exploration,
        )

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """The highest mean reward less its standard error."""
        return most_trusted(observed)


class QueueLearner:
    """Raises the likelihood of what is in the queue."""

    def __init__(self, settings: PriorityQueue, controller: FusedController) -> None:
        self.settings = settings
        self.controller = controller
        self.optimizer = Optimizer(controller, settings.learning_rate)

    def learn(self, replay: Replay) -> list[Tokens]:
        """Train on the best so far; returns which of them to evaluate again."""
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
        """Of the negative log-likelihood of the queue, weighted, less the bonus for entropy."""
        of_entropy = -self.settings.entropy_weight / len(queue.rewards)
        self.controller.differentiate(queue, lambda _: -queue.rewards, of_entropy)

    def reinforce(self, replay: Replay) -> None:
        """Of REINFORCE's loss on the newest architectures, times ``gradient_weight``."""
        newest = torch.arange(len(replay.counts))[-self.settings.batch_size :]
        rewards = torch.tensor(replay.means)[newest].float()
        advantages = (rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-8)
        slopes = -self.settings.gradient_weight / len(newest) * advantages
        episodes = Episodes(*replay.paths(newest), rewards)
        self.controller.differentiate(episodes, lambda _: slopes, 0.0)


PRESETS: dict[str, PriorityQueue] = {
    "default": PriorityQueue(),
    # The paper's algorithm without what was added here; its rates are not taken over.
    "plain": PriorityQueue(
        choice_bias=False,
        queue_size=10,
        rank_decay=0.0,
        updates=1,
        exploration=0.0,
        distinct=False,
    ),
}
