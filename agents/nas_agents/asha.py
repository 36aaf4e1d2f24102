"""ASHA, asynchronous successive halving (Li et al. 2020, arXiv 1810.05934)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nas_agents.fidelity.asynchronous import PromotionLadder, StoppingLadder
from nas_agents.fidelity.climbing import Climbing
from nas_agents.fidelity.in_flight import FlyingPromotion, FlyingStopping
from nas_agents.fidelity.ladder import Ladder, LadderOver
from nas_gym.agent import searches_async

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
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

    @property
    def searches_async(self) -> bool:
        """Whether the proposer can search without waiting for batches."""
        return searches_async(self.made_proposer)

    def search_async(self, env: "NASAsyncVectorEnv[Any]") -> None:
        """Give each free worker what is to be trained further, or a new proposal."""
        kind = FlyingPromotion if self.mode == "promotion" else FlyingStopping
        ladder = kind(env.ledger, self.rungs(env), self.reduction_factor)
        try:
            self.made_proposer.search_async(env.behind(ladder))  # type: ignore[attr-defined]
        except LadderOver:
            return

    def ladder(self, env: "NASVectorEnv[Any]", rungs: Sequence[int]) -> Ladder:
        """Return the ledger that the proposer sees."""
        kind = PromotionLadder if self.mode == "promotion" else StoppingLadder
        return kind(env.ledger, rungs, self.reduction_factor)


PRESETS: dict[str, ASHA] = {"default": ASHA()}
