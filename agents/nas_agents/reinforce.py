"""REINFORCE: Zoph & Le 2016, section 3; Zoph et al. 2017, appendix A.

The reward of a finished architecture moves the log-probabilities of all tokens that the controller
sampled for it, undiscounted, against a moving average of earlier rewards.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Interval

from nas_agents.lstm.agent import LSTMAgent
from nas_gym.errors import InvalidOption

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class Reinforce(LSTMAgent):
    """Policy gradient on an LSTM that writes architectures.

    The defaults are for budgets of 50 to 500 children; ``docs/agents/reinforce.md`` says where
    they come from. The papers' settings, for thousands, are in ``PRESETS``.

    Args:
        mean_entropy_weight: Bonus for the entropy averaged over an architecture's tokens (nats),
            >= 0: beside ``entropy_weight``, which is for their sum, so that one setting suits few
            tokens and many. It is 0.5 per token at most.
        baseline_decay: Weight of the past in the moving average of rewards, in [0, 1).
        normalize_advantages: Divide the advantages of a batch by their root mean square, so that
            the scale of the rewards does not matter.
        epochs: Updates on each batch, >= 1.
        clip_range: PPO's clipping of the probability ratio, in (0, 1); None is plain REINFORCE.
        max_lag: Where children are not waited for: updates, >= 1, that the policy may have had
            since an architecture was sampled, for it to be learnt from. Batches are larger if that
            many are in flight. None for no limit, as the paper's replicas.
        objectives: Several, as of ``NSGA2``: the policy then sees preferences, one weight for each,
            drawn for each episode (``nas_agents.lstm.conditions``). None: the reward alone.
        scalarization: What a preference makes of several objectives, each by its rank among recent
            children: their weighted sum, or the worst weighted distance to the best (Chebyshev).
        budgets: ``"parameters"`` or ``"multiply_adds"``: the policy then sees a budget for it,
            drawn for each episode, which exact masks keep. None: no budgets.
    """

    entropy_weight: Annotated[float, Ge(0)] = 0.0
    mean_entropy_weight: Annotated[float, Ge(0)] = 2.5
    baseline_decay: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    normalize_advantages: bool = True
    epochs: Annotated[int, Interval(ge=1, le=10**5)] = 3
    clip_range: Annotated[float, Interval(gt=0, lt=1)] | None = 0.2
    max_lag: Annotated[int, Interval(ge=1, le=10**6)] | None = 4
    objectives: tuple[str, ...] | str | None = None
    scalarization: Literal["linear", "chebyshev"] = "linear"
    budgets: Literal["parameters", "multiply_adds"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clip_range is None and self.epochs > 1:
            raise InvalidOption(
                f"epochs is {self.epochs}: give 1, or give clip_range, e.g. 0.2, since from the "
                "second on the samples are not the policy's own"
            )
        if self.objectives is not None:
            from nas_agents.nsga2 import checked_objectives  # numpy, which a refusal needs not

            object.__setattr__(self, "objectives", checked_objectives(self.objectives))
        if self.objectives is not None and self.budgets is not None:
            raise InvalidOption(
                "objectives and budgets exclude each other: a policy sees preferences, or a budget"
            )

    @property
    def searches_async(self) -> bool:
        """Whether it need not wait for rounds: only without preferences and budgets."""
        return self.objectives is None and self.budgets is None

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Sample rounds of architectures and learn from them until the budget is spent."""
        from nas_agents.lstm import reinforce_learner  # imports torch

        reinforce_learner.search(self, env)

    def search_async(self, env: "NASAsyncVectorEnv[Any]") -> None:
        """Keep architectures in flight, and learn from them as they come."""
        from nas_agents.lstm import reinforce_learner, replicas  # imports torch

        reinforce_learner.search(self, env, replicas.learn_as_they_come)


# Section 4.1: 8 children per controller replica; the baseline's decay is not given, and there is no
# entropy bonus. The paper's 100 replicas update asynchronously, and nothing is too old for them.
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
    max_lag=None,
)
PRESETS: dict[str, Reinforce] = {
    "default": Reinforce(),
    "zoph2016": ZOPH2016,
    # Section 4.1: from 6 layers on, 2 more every 1,600 architectures.
    "zoph2016-convnet": replace(ZOPH2016, depth_schedule=(6, 2, 1600)),
    # Section 4.2: one child per replica, but an update waits for the gradients of 10.
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
    # Pham et al. 2018, the micro search of the authors' code (for shared weights in turn with the
    # agent: the evaluator weight-sharing): 64 units, Adam at 0.0035, logits 1.10 tanh(u), entropy
    # 1e-4, 10 architectures an update. Their LSTM has no biases, their entropy is in the reward,
    # and their average starts at zero; the paper itself has 100 units and 3.5e-4.
    "enas2018": Reinforce(
        batch_size=10,
        layers=1,
        hidden_size=64,
        initial_range=0.1,
        learning_rate=3.5e-3,
        baseline_decay=0.99,
        normalize_advantages=False,
        entropy_weight=1e-4,
        mean_entropy_weight=0.0,
        choice_bias=False,
        tanh_constant=1.1,
        epochs=1,
        clip_range=None,
    ),
}
