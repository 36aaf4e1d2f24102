"""ASHA, asynchronous successive halving (Li et al. 2020, arXiv 1810.05934)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nas_agents.fidelity.asynchronous import PromotionLadder, StoppingLadder
from nas_agents.fidelity.climbing import Climbing
from nas_agents.fidelity.ladder import Ladder

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class ASHA(Climbing):
    """Successive halving that waits for nobody: who is good enough by now goes on.

    Args:
        mode: ``"promotion"`` (algorithm 2): everybody begins on the lowest rung and waits there to
            be promoted, which comes before a new beginning. ``"stopping"`` (section 3.3): a child
            is trained on until it is not among the best at a rung.
    """

    mode: Literal["promotion", "stopping"] = "promotion"

    def ladder(self, env: "NASVectorEnv[Any]", rungs: Sequence[int]) -> Ladder:
        """Return the ledger that the proposer sees."""
        kind = PromotionLadder if self.mode == "promotion" else StoppingLadder
        return kind(env.ledger, rungs, self.reduction_factor)


PRESETS: dict[str, ASHA] = {"default": ASHA()}
