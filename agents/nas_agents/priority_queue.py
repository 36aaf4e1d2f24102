"""Priority-queue training: Abolafia et al. 2018 (arXiv 1801.03526), on the LSTM controller.

The controller is trained to write the K best distinct architectures seen so far, by maximum
likelihood; what it writes then resembles and recombines them, and the better of it enters the
queue. A relation is self-imitation learning (Oh et al. 2018, arXiv 1806.05635), which imitates what
did better than expected; here it is what did best. No advantage and no baseline is needed, and each
good architecture is learnt from many times: that is what makes it fit for few evaluations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Interval

from nas_agents.lstm.agent import LSTMAgent
from nas_gym.agent import Observed
from nas_gym.search_spaces.grammar import SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class PriorityQueue(LSTMAgent):
    """Maximum likelihood of the best architectures so far, on the LSTM.

    Args:
        queue_size: K, >= 1.
        rank_decay: The worst of the queue weighs ``exp(-rank_decay)`` of the best, and in between
            weights fall geometrically, >= 0; 0 weighs all alike, as in the paper.
        updates: Steps of Adam before each batch, >= 1.
        gradient_weight: Adds the policy gradient of the last batch, against its mean reward in
            units of its spread, to the first update of each batch, >= 0: the paper's hybrid.
        random_first: Random architectures before anything is learnt, >= 1.
        exploration: Share of tokens that are uniform over their options instead, in [0, 1].
        distinct: Sample anew what was evaluated before.
        repeats: Best architectures that are evaluated again in each batch, >= 0, so that the queue
            holds means rather than lucky draws; none more than ``most_repeats`` times.
        most_repeats: Evaluations of one architecture that ``repeats`` may lead to, >= 1.
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.02
    entropy_weight: Annotated[float, Ge(0)] = 0.05
    queue_size: Annotated[int, Interval(ge=1, le=10**6)] = 8
    rank_decay: Annotated[float, Ge(0)] = 3.0
    updates: Annotated[int, Interval(ge=1, le=10**5)] = 8
    gradient_weight: Annotated[float, Ge(0)] = 0.0
    random_first: Annotated[int, Interval(ge=1, le=10**6)] = 32
    exploration: Annotated[float, Interval(ge=0, le=1)] = 0.1
    distinct: bool = True
    repeats: Annotated[int, Ge(0)] = 0
    most_repeats: Annotated[int, Interval(ge=1, le=10**6)] = 5

    takes_others = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Play random architectures, then train on the best and play what the LSTM writes."""
        from nas_agents.lstm import queue_learner  # imports torch

        queue_learner.search(self, env)

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the highest mean reward less its standard error."""
        from nas_agents.lstm.replay import most_trusted

        return most_trusted(observed)


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
