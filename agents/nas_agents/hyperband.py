"""Hyperband (Li et al. 2018, JMLR 18): brackets of successive halving, from bold to careful."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas_agents.fidelity.brackets import BracketLadder, hyperband_brackets
from nas_agents.fidelity.climbing import Climbing
from nas_agents.fidelity.ladder import Ladder

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class Hyperband(Climbing):
    """Successive halving that begins on the lowest rung, then on the next one, and so on.

    The sizes of the brackets are the paper's, as in Optuna; NePS and DEHB round otherwise.
    """

    def ladder(self, env: "NASVectorEnv[Any]", rungs: Sequence[int]) -> Ladder:
        """Return the ledger that the proposer sees."""
        brackets = hyperband_brackets(len(rungs), self.reduction_factor)
        return BracketLadder(env.ledger, rungs, self.reduction_factor, brackets, env.num_envs)


PRESETS: dict[str, Hyperband] = {"default": Hyperband()}
