"""A2C, the synchronous form of A3C (Mnih et al. 2016, arXiv 1602.01783), of Stable-Baselines3."""

from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Interval
from stable_baselines3 import A2C

from nas_agents.sb3.algorithm import learn, rollout
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.options import Options


@dataclass(frozen=True)
class SB3A2C(Options):
    """Policy gradient with a value network, one update a batch of episodes; names as in SB3.

    Args:
        batch_size: Episodes a round, >= 1.
        episodes_per_update: Episodes an update learns from, >= 1; rounded up to whole rounds.
        learning_rate: Of Adam, > 0.
        gae_lambda: Of generalized advantage estimation, in [0, 1]; 1 takes the episode's reward
            less the value of each step.
        ent_coef: Bonus for the policy's entropy (nats a token), >= 0.
        vf_coef: Weight of the value network's loss, >= 0.
        net_arch: Units of each hidden layer, of the policy's and of the value's network.
    """

    batch_size: Annotated[int, Ge(1)] = 8
    episodes_per_update: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.02
    gae_lambda: Annotated[float, Interval(ge=0, le=1)] = 1.0
    ent_coef: Annotated[float, Ge(0)] = 0.05
    vf_coef: Annotated[float, Ge(0)] = 0.5
    net_arch: tuple[Annotated[int, Ge(1)], ...] = (64,)

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Learn from rounds of sampled architectures until the budget is spent."""
        options = {
            "n_steps": rollout(env, self.episodes_per_update),
            "gamma": 1.0,  # the reward comes at the end, and every token has its part in it
            "learning_rate": self.learning_rate,
            "gae_lambda": self.gae_lambda,
            "ent_coef": self.ent_coef,
            "vf_coef": self.vf_coef,
            "normalize_advantage": True,
            "use_rms_prop": False,  # Adam instead
            "policy_kwargs": {"net_arch": list(self.net_arch)},
        }
        learn(env, A2C, "MlpPolicy", options)


PRESETS: dict[str, SB3A2C] = {"default": SB3A2C()}
