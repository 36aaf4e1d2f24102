"""PPO with invalid action masking (Huang & Ontañón 2020, arXiv 2006.14171), of sb3-contrib."""

from dataclasses import dataclass
from typing import ClassVar

from nas_agents.sb3.ppo import SB3PPO


@dataclass(frozen=True)
class SB3MaskablePPO(SB3PPO):
    """``SB3PPO`` whose policy gives no probability to tokens that are not open."""

    algorithm: ClassVar[str] = "sb3_contrib:MaskablePPO"


PRESETS: dict[str, SB3MaskablePPO] = {"default": SB3MaskablePPO()}
