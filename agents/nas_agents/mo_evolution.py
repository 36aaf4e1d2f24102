"""Regularized evolution with several objectives: Real et al. 2018, ranked as in Deb et al. 2002.

The population ages as in Real et al.; a sample's best member is the one that NSGA-II's crowded
comparison prefers: of an earlier front, and within one the least crowded. That is the algorithm of
Syne Tune's ``MORegularizedEvolution`` (Salinas et al. 2022), with crowding distances in place of
its epsilon-net. Nothing is kept for being on the front: what was evaluated is in the record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nas_agents.nsga2 import checked_objectives, ranked
from nas_agents.regularized_evolution import RegularizedEvolution
from nas_gym.envs.objectives import objectives_of

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import Played


@dataclass(frozen=True)
class MOEvolution(RegularizedEvolution):
    """Aging evolution whose parents are those that nothing else beats in every objective.

    Args:
        objectives: As of ``NSGA2``: ``reward`` or names of metrics, a minus before those that
            should be small; None is the reward and, where they are counted, parameters.
    """

    objectives: tuple[str, ...] | str | None = None

    several_by_default: ClassVar[bool] = True  # objectives, if none are given

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "objectives", checked_objectives(self.objectives))

    def merits(self, population: Sequence["Played"]) -> Sequence[Any]:
        """Return, of each member, minus the number of its front and its crowding distance there."""
        wanted = None if self.objectives is None else objectives_of(self.objectives)
        ranks, crowding = ranked(population, wanted, len(population))
        return list(zip((-ranks).tolist(), crowding.tolist(), strict=True))


PRESETS: dict[str, MOEvolution] = {
    "default": MOEvolution(),
    # As regularized-evolution/tabular, for spaces of some ten thousand architectures.
    "tabular": MOEvolution(
        population_size=50, sample_size=10, identity_probability=0.0, batch_size=1
    ),
}
