"""Successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943), again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from nas_agents.fidelity.brackets import Bracket, BracketLadder
from nas_agents.fidelity.climbing import Climbing
from nas_agents.fidelity.ladder import Ladder

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class SuccessiveHalving(Climbing):
    """Rounds of many children, of which the best go on, until few are trained to the end.

    Args:
        trials: Children that begin a round, >= 1; None: as many as leave one at the top, the
            reduction factor to the number of rungs less one.
    """

    trials: Annotated[int, Interval(ge=1, le=10**6)] | None = None

    def ladder(self, env: "NASVectorEnv[Any]", rungs: Sequence[int]) -> Ladder:
        """Return the ledger that the proposer sees."""
        trials = self.reduction_factor ** (len(rungs) - 1) if self.trials is None else self.trials
        return BracketLadder(
            env.ledger, rungs, self.reduction_factor, [Bracket(trials, 0)], env.num_envs
        )


PRESETS: dict[str, SuccessiveHalving] = {"default": SuccessiveHalving()}
