"""PPO (Schulman et al. 2017, arXiv 1707.06347) of Stable-Baselines3, without masks.

A token beyond the open options is folded onto them, so every token is legal; the policy learns
which ones it needs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Gt, Interval

from nas_agents.sb3.algorithm import OnPolicySB3

if TYPE_CHECKING:
    from nas_agents.sb3.learning import Stepped


@dataclass(frozen=True)
class SB3PPO(OnPolicySB3):
    """Clipped policy gradient with a value network.

    Args:
        n_epochs: Updates on each batch of episodes, >= 1; a batch is one minibatch.
        clip_range: Clipping of the probability ratio, > 0.
    """

    n_epochs: Annotated[int, Interval(ge=1, le=10**5)] = 4
    clip_range: Annotated[float, Gt(0)] = 0.2

    algorithm: ClassVar[str] = "stable_baselines3:PPO"

    def arguments(self, env: "Stepped") -> dict[str, Any]:
        """Return the keyword arguments of the algorithm's class."""
        arguments = super().arguments(env)
        return {
            **arguments,
            "batch_size": arguments["n_steps"] * env.num_envs,
            "n_epochs": self.n_epochs,
            "clip_range": self.clip_range,
        }


PRESETS: dict[str, SB3PPO] = {"default": SB3PPO()}
