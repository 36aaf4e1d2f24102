"""PPO: Schulman et al. 2017, on the LSTM controller, as Zoph et al. 2017 (appendix A) search.

Several passes over each batch of architectures, in minibatches; the clipped ratio of probabilities
keeps them near the policy that sampled the batch. What a token's advantage is measured against is
the moving average of rewards, as in the paper of NASNet, or a critic, as in the paper of PPO.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Interval

from nas_agents.reinforce import PRESETS as REINFORCE
from nas_agents.reinforce import Reinforce

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class PPO(Reinforce):
    """Proximal policy optimization of the LSTM; without a critic, ``Reinforce`` in minibatches.

    Args:
        minibatch_size: Architectures per update, >= 1; the batch is shuffled for each epoch. More
            than ``batch_size`` make no difference.
        critic: Give every token a value to be measured against, learnt with the policy.
        gae_lambda: Of the generalized advantage estimates with a critic, in [0, 1]; 1 is the
            reward less the value, 0 the next value less this one.
        value_weight: Weight of the critic's squared error in the loss, >= 0.
    """

    minibatch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8
    critic: bool = False
    gae_lambda: Annotated[float, Interval(ge=0, le=1)] = 0.95
    value_weight: Annotated[float, Ge(0)] = 0.5
    clip_range: Annotated[float, Interval(gt=0, lt=1)] = 0.2  # not None: PPO clips

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Sample rounds of architectures and learn from them until the budget is spent."""
        from nas_agents.lstm import ppo_learner  # imports torch

        ppo_learner.search(self, env)

    def search_async(self, env: "NASAsyncVectorEnv[Any]") -> None:
        """Keep architectures in flight, and learn from them as they come."""
        from nas_agents.lstm import ppo_learner, replicas  # imports torch

        ppo_learner.search(self, env, replicas.learn_as_they_come)


PRESETS: dict[str, PPO] = {
    "default": PPO(),
    "critic": PPO(critic=True),  # as Schulman et al. 2017, with generalized advantage estimates
    # Zoph et al. 2017, appendix A. PPO's clip range and epochs are not given: the values of
    # Schulman et al. 2017, table 3 and of common practice.
    "nasnet2017": PPO(**asdict(REINFORCE["nasnet2017"]), minibatch_size=20),
}
