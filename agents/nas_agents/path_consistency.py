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
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Interval, Lt

from nas_agents.lstm.agent import LSTMAgent
from nas_gym.agent import Observed
from nas_gym.search_spaces.grammar import SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class PathConsistency(LSTMAgent):
    """A fit of the LSTM's log-probabilities to all rewards seen so far.

    Rewards count in standard scores: 0 is the median of the distinct architectures, and a tenth of
    them lies above 1.28.

    Args:
        updates: Steps of Adam before each batch, >= 1.
        minibatch_size: Architectures of the replay per step, >= 2: some of the best, others random.
        elite: How many of the best of the replay are in every minibatch, >= 0.
        first_beta: Inverse temperature at the start, > 0.
        last_beta: The same from ``annealing`` evaluations on, > 0; it is linear in between.
        annealing: Evaluations until ``last_beta``, >= 1.
        lowest_score: What is worse counts as this bad, < 0.
        random_first: Random architectures before anything is learnt, >= 1.
        exploration: Share of tokens that are uniform over their options instead, in [0, 1].
        distinct: Sample anew what was evaluated before.
        repeats: Best architectures that are evaluated again in each batch, >= 0; none more than
            ``most_repeats`` times.
        repeats_from: Evaluations before the first repeat, >= 0.
        most_repeats: Evaluations of one architecture that ``repeats`` may lead to, >= 1.
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.02
    entropy_weight: Annotated[float, Ge(0)] = 0.0
    updates: Annotated[int, Interval(ge=1, le=10**5)] = 10
    minibatch_size: Annotated[int, Interval(ge=2, le=10**5)] = 32
    elite: Annotated[int, Ge(0)] = 8
    first_beta: Annotated[float, Gt(0)] = 3.0
    last_beta: Annotated[float, Gt(0)] = 5.0
    annealing: Annotated[int, Ge(1)] = 150
    lowest_score: Annotated[float, Lt(0)] = -1.0
    random_first: Annotated[int, Interval(ge=1, le=10**6)] = 16
    exploration: Annotated[float, Interval(ge=0, le=1)] = 0.0
    distinct: bool = True
    repeats: Annotated[int, Ge(0)] = 1
    repeats_from: Annotated[int, Ge(0)] = 150
    most_repeats: Annotated[int, Interval(ge=1, le=10**6)] = 6

    takes_others = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Play random architectures, then fit the LSTM to all rewards and play what it writes."""
        from nas_agents.lstm import consistency_learner  # imports torch

        consistency_learner.search(self, env)

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the highest mean reward less its standard error."""
        from nas_agents.lstm.replay import most_trusted

        return most_trusted(observed)


PRESETS: dict[str, PathConsistency] = {"default": PathConsistency()}
