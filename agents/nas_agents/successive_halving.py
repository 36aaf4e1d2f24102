"""Successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943), again and again."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from nas_agents.fidelity.brackets import Bracket, BracketLadder
from nas_agents.fidelity.climbing import Climbing
from nas_agents.fidelity.ladder import Ladder
from nas_gym.errors import InvalidOption

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv

_log = logging.getLogger("nas_gym")


@dataclass(frozen=True)
class SuccessiveHalving(Climbing):
    """Rounds of many children, of which the best go on, until few are trained to the end.

    Args:
        trials: Children that begin a round, >= the reduction factor, or none would go on; None: as
            many as leave one at the top, the reduction factor to the number of rungs less one. With
            fewer nobody comes to the top, which a warning says.
    """

    trials: Annotated[int, Interval(ge=1, le=10**6)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trials is not None and self.trials < self.reduction_factor:
            raise InvalidOption(
                f"trials is {self.trials} and reduction_factor is {self.reduction_factor}, so "
                f"nobody would go on: give at least {self.reduction_factor} trials"
            )

    def ladder(self, env: "NASVectorEnv[Any]", rungs: Sequence[int]) -> Ladder:
        """Return the ledger that the proposer sees."""
        enough: int = self.reduction_factor ** (len(rungs) - 1)
        trials = enough if self.trials is None else self.trials
        if trials < enough:
            _log.warning(
                "of %d trials nobody comes to the highest of the rungs of %s epochs: give %d for "
                "one that does, or fewer max_epochs",
                trials, ", ".join(map(str, rungs)), enough,
            )  # fmt: skip
        return BracketLadder(
            env.ledger, rungs, self.reduction_factor, [Bracket(trials, 0)], env.num_envs
        )


PRESETS: dict[str, SuccessiveHalving] = {"default": SuccessiveHalving()}
