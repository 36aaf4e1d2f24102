"""A2C, the synchronous form of A3C (Mnih et al. 2016, arXiv 1602.01783), of Stable-Baselines3."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Gt

from nas_agents.sb3.algorithm import OnPolicySB3

if TYPE_CHECKING:
    from nas_agents.sb3.learning import Stepped


@dataclass(frozen=True)
class SB3A2C(OnPolicySB3):
    """Policy gradient with a value network, one update per batch of episodes."""

    learning_rate: Annotated[float, Gt(0)] = 0.02

    algorithm: ClassVar[str] = "stable_baselines3:A2C"

    def arguments(self, env: "Stepped") -> dict[str, Any]:
        """Return the keyword arguments of the algorithm's class."""
        ours = {"normalize_advantage": True, "use_rms_prop": False}  # Adam instead
        return {**super().arguments(env), **ours}


PRESETS: dict[str, SB3A2C] = {"default": SB3A2C()}
