"""PPO (Schulman et al. 2017, arXiv 1707.06347) of Stable-Baselines3, without masks.

A token beyond the open options is folded onto them, so every token is legal; the policy learns
which ones it needs.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Interval
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from nas_agents.sb3.algorithm import learn, rollout
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.options import Options


@dataclass(frozen=True)
class SB3PPO(Options):
    """Clipped policy gradient with a value network; names as in SB3.

    Args:
        batch_size: Episodes a round, >= 1.
        episodes_per_update: Episodes an update learns from, >= 1; rounded up to whole rounds.
        learning_rate: Of Adam, > 0.
        n_epochs: Updates on each batch of episodes, >= 1; a batch is one minibatch.
        clip_range: Of the probability ratio, > 0.
        gae_lambda: Of generalized advantage estimation, in [0, 1]; 1 takes the episode's reward
            less the value of each step.
        ent_coef: Bonus for the policy's entropy (nats a token), >= 0.
        vf_coef: Weight of the value network's loss, >= 0.
        net_arch: Units of each hidden layer, of the policy's and of the value's network.
    """

    batch_size: Annotated[int, Ge(1)] = 8
    episodes_per_update: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.01
    n_epochs: Annotated[int, Ge(1)] = 4
    clip_range: Annotated[float, Gt(0)] = 0.2
    gae_lambda: Annotated[float, Interval(ge=0, le=1)] = 1.0
    ent_coef: Annotated[float, Ge(0)] = 0.05
    vf_coef: Annotated[float, Ge(0)] = 0.5
    net_arch: tuple[Annotated[int, Ge(1)], ...] = (64,)

    algorithm: ClassVar[type[BaseAlgorithm]] = PPO

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Learn from rounds of sampled architectures until the budget is spent."""
        n_steps = rollout(env, self.episodes_per_update)
        options = {
            "n_steps": n_steps,
            "batch_size": n_steps * env.num_envs,
            "gamma": 1.0,  # the reward comes at the end, and every token has its part in it
            "learning_rate": self.learning_rate,
            "n_epochs": self.n_epochs,
            "clip_range": self.clip_range,
            "gae_lambda": self.gae_lambda,
            "ent_coef": self.ent_coef,
            "vf_coef": self.vf_coef,
            "policy_kwargs": {"net_arch": list(self.net_arch)},
        }
        learn(env, self.algorithm, "MlpPolicy", options)


PRESETS: dict[str, SB3PPO] = {"default": SB3PPO()}
