"""Path consistency on a replay of everything: Nachum et al. 2017 (arXiv 1702.08892).

Who wants reward plus entropy, weighed by an inverse temperature beta, has one best policy: p(x)
proportional to exp(beta R(x)). For a whole episode with its one reward at the end the paper's
consistency between values and policy reads log p(x) = beta R(x) - log Z, and its error can be
squared on any episodes, whoever chose them: every architecture evaluated so far is learnt from
again and again, the bad ones, too. That is also the trajectory balance of generative flow networks
(Malkin et al. 2022, arXiv 2201.13259); log Z is the mean over the minibatch, as in VarGrad (Richter
et al. 2020, arXiv 2010.10436).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Gt, Interval, Lt
from torch import Tensor

from nas_agents.lstm.controller import LSTMAgent, Optimizer
from nas_agents.lstm.fused_controller import FusedController
from nas_agents.lstm.replay import Replay, most_trusted, search_with_replay
from nas_agents.lstm.vocabulary import Episodes, Vocabulary
from nas_gym.agent import Observed
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.moves import Tokens

NORMAL_90 = 1.2816  # the standard normal distribution's 0.9 quantile


@dataclass(frozen=True)
class PathConsistency(LSTMAgent):
    """Fits the LSTM's log-probabilities to all rewards seen so far.

    Rewards count in standard scores: 0 is the median of the distinct architectures, and a tenth of
    them lies above 1.28.

    Args:
        updates: Steps of Adam before each batch, >= 1.
        minibatch_size: Architectures of the replay a step, >= 2: some of the best, and random ones.
        elite: The best of the replay are in every minibatch, so many of them, >= 0.
        first_beta: Inverse temperature at the start, > 0.
        last_beta: And from ``annealing`` evaluations on, > 0; linear in between.
        annealing: Evaluations, >= 1.
        lowest_score: What is worse counts as this bad, < 0.
        random_first: Random architectures before anything is learnt, >= 1.
        exploration: How often a token is uniform over its options instead, in [0, 1].
        distinct: Sample anew what was evaluated before.
        repeats: Best architectures that are evaluated again in each batch, >= 0; none more than
            ``most_repeats`` times.
        repeats_from: Evaluations before the first repeat, >= 0.
        most_repeats: Evaluations of one architecture that ``repeats`` may lead to, >= 1.
    """

    batch_size: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.02
    entropy_weight: Annotated[float, Ge(0)] = 0.0
    updates: Annotated[int, Ge(1)] = 10
    minibatch_size: Annotated[int, Ge(2)] = 32
    elite: Annotated[int, Ge(0)] = 8
    first_beta: Annotated[float, Gt(0)] = 3.0
    last_beta: Annotated[float, Gt(0)] = 5.0
    annealing: Annotated[int, Ge(1)] = 150
    lowest_score: Annotated[float, Lt(0)] = -1.0
    random_first: Annotated[int, Ge(1)] = 16
    exploration: Annotated[float, Interval(ge=0, le=1)] = 0.0
    distinct: bool = True
    repeats: Annotated[int, Ge(0)] = 1
    repeats_from: Annotated[int, Ge(0)] = 150
    most_repeats: Annotated[int, Ge(1)] = 6

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Play random architectures, then fit the LSTM to all rewards and play what it writes."""
        generator = torch.Generator().manual_seed(int(env.np_random.integers(2**62)))
        controller = FusedController(self, Vocabulary(env.choices, env.np_random), generator)
        learner = ConsistencyLearner(self, controller, env.np_random)
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


class ConsistencyLearner:
    """Makes log-probabilities differ as the rewards do."""

    def __init__(
        self, settings: PathConsistency, controller: FusedController, rng: np.random.Generator
    ) -> None:
        self.settings = settings
        self.controller = controller
        self.rng = rng
        self.optimizer = Optimizer(controller, settings.learning_rate)

    def learn(self, replay: Replay) -> list[Tokens]:
        """Fit all that was seen; returns what to evaluate again."""
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
        """(distinct,) standard scores of the rewards."""
        means = replay.means
        middle, high = np.quantile(means, [0.5, 0.9])
        scores = (means - middle) / max((high - middle) / NORMAL_90, 1e-8)
        return torch.from_numpy(scores.clip(self.settings.lowest_score, 10.0)).float()

    def minibatch(self, best: Sequence[int]) -> Tensor:
        """Rows of the replay: all while they are few, else the best and some at random."""
        size = self.settings.minibatch_size
        if len(best) <= size:
            return torch.tensor(best)
        elite = best[: min(self.settings.elite, size)]
        others = self.rng.integers(len(best), size=size - len(elite))
        return torch.tensor([*elite, *others])

    def update(self, episodes: Episodes, beta: float) -> None:
        """Lower the variance of log p(x) - beta R(x) over the minibatch, by beta."""

        def slopes(log_probabilities: Tensor) -> Tensor:
            errors = log_probabilities - beta * episodes.rewards
            return (errors - errors.mean()) * (2 / (beta * len(errors)))

        of_entropy = -self.settings.entropy_weight / len(episodes.rewards)
        self.optimizer.gradient.zero_()
        self.controller.differentiate(episodes, slopes, of_entropy)
        self.optimizer.step()


PRESETS: dict[str, PathConsistency] = {"default": PathConsistency()}
