"""The common part of agents that train children in part: options, and how the search goes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Interval

from nas_agents.fidelity.ladder import Ladder, LadderOver
from nas_agents.fidelity.rungs import rungs_of
from nas_gym.agent import Agent, Observed, agent_of, best_average, modules_of
from nas_gym.errors import InvalidOption
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class Climbing(Options, ABC):
    """The options of agents whose proposals climb a ladder of epochs.

    Args:
        proposer: The agent that proposes architectures: a name, or ``{"name": …}`` with options.
            Its rewards are ranks among the proposals that were trained as far, in (0, 1).
        min_epochs: Epochs below which no rung lies, >= 1.
        max_epochs: Epochs of the highest rung; None: those of a whole training.
        reduction_factor: One of so many goes on to the next rung, which has about as many times the
            epochs; >= 2.
    """

    proposer: str | Mapping[str, Any] = "random-search"
    min_epochs: Annotated[int, Interval(ge=1, le=10**6)] = 1
    max_epochs: Annotated[int, Interval(ge=1, le=10**6)] | None = None
    reduction_factor: Annotated[int, Interval(ge=2, le=1000)] = 3

    trains_in_part: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.made_proposer, Climbing):
            raise InvalidOption(
                f"proposer is {self.proposer!r}, which trains in part itself: give an agent that "
                "only proposes, such as 'random-search' or 'regularized-evolution'"
            )
        if self.max_epochs is not None and self.max_epochs < self.min_epochs:
            raise InvalidOption(
                f"max_epochs is {self.max_epochs} and min_epochs is {self.min_epochs}: give at "
                "least as many"
            )
        refuse_trained_objectives(self.made_proposer)

    @staticmethod
    def imports(options: Mapping[str, Any]) -> Iterable[str]:
        """Return the modules of the user's that a recorded proposer would import."""
        return modules_of(options.get("proposer", Climbing.proposer))

    @property
    def made_proposer(self) -> Agent:
        """The agent that proposes."""
        return agent_of(self.proposer)

    @property
    def batch_size(self) -> int:
        """Architectures that are evaluated at once: as many as the proposer proposes."""
        return self.made_proposer.batch_size

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Let the proposer search, and train what it proposes in part."""
        try:
            self.made_proposer.search(env.behind(self.ladder(env, self.rungs(env))))
        except LadderOver:
            return

    def rungs(self, env: "NASVectorEnv[Any]") -> tuple[int, ...]:
        """Return the epochs of the rungs, fewest first.

        Raises:
            InvalidOption: A whole training has not so many epochs, or they leave one rung, so that
                nothing would be trained in part. (One is left with as many ``min_epochs`` as
                ``max_epochs``, which says so.)
        """
        most = env.most_epochs if self.max_epochs is None else self.max_epochs
        for option in ("min_epochs", "max_epochs"):
            if (getattr(self, option) or 0) > env.most_epochs:
                raise InvalidOption(
                    f"{option} is {getattr(self, option)}, and a whole training has "
                    f"{env.most_epochs} epochs: give at most so many"
                )
        rungs = rungs_of(self.min_epochs, most, self.reduction_factor)
        if len(rungs) == 1 and self.max_epochs != self.min_epochs:
            raise InvalidOption(self._one_rung(most))
        return rungs

    def _one_rung(self, most: int) -> str:
        """Say why no rung lies below ``most`` epochs, and what to do."""
        if most == 1:
            return (
                "a whole training has 1 epoch, so nothing can be trained in part: give the "
                "evaluator more epochs, or take another agent"
            )
        below = most // self.reduction_factor
        least = f"min_epochs of at most {below} or " if below else ""
        return (
            f"min_epochs is {self.min_epochs} and reduction_factor is {self.reduction_factor}, "
            f"which leave no rung below {most} epochs, so nothing would be trained in part: give "
            f"{least}reduction_factor of at most {most // self.min_epochs}"
        )

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the highest average reward among those that were trained furthest."""
        return best_average(observed)

    @abstractmethod
    def ladder(self, env: "NASVectorEnv[Any]", rungs: Sequence[int]) -> Ladder:
        """Return the ledger that the proposer sees."""


def refuse_trained_objectives(proposer: Agent) -> None:
    """Raise InvalidOption if an agent, or one that it asks, has objectives that training changes.

    It would be told them at different epochs, which do not compare. Its reward is a rank among
    those that were trained as far, and what a network costs does not depend on its training.
    """
    asked: Any = proposer
    while asked is not None:
        given = getattr(asked, "objectives", None)
        if isinstance(given, str | tuple | list):
            from nas_gym.envs.objectives import REWARD, objectives_of, untrained_metrics  # numpy

            same = untrained_metrics()
            for objective in objectives_of(given):
                if objective.name not in (REWARD, *same):
                    raise InvalidOption(
                        f"the proposer has the objective {objective.name!r}, and values after "
                        "different epochs do not compare: give objectives that no training "
                        f"changes ({', '.join(same)}), and 'reward', which is a rank among "
                        "those that were trained as far"
                    )
        asked = getattr(asked, "made_agent", None)
