"""One search after the other, each within another budget: what one policy for all is measured by.

The yardstick of a policy that sees budgets (``reinforce`` and ``ppo`` with ``budgets``): separate
searches with the same number of evaluations in all, as one would run for a few target sizes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval

from nas_gym.agent import Agent, agent_of, modules_of
from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.front import FrontLedger
from nas_gym.envs.limits import Budgets
from nas_gym.envs.recorder import Answer
from nas_gym.errors import InvalidOption
from nas_gym.options import Options
from nas_gym.search_spaces.architecture import Architecture

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class SeparateBudgets(Options):
    """Another agent, run afresh within each of several budgets, with an equal share of evaluations.

    Args:
        agent: The agent that searches: a name, or ``{"name": …}`` with options.
        metric: What budgets are for.
        runs: Budgets, >= 1: evenly spaced in their logarithm, the largest one that of the largest
            network.

    Raises:
        InvalidOption: The agent has budgets itself.
    """

    agent: str | Mapping[str, Any] = "ppo"
    metric: Literal["parameters", "multiply_adds"] = "parameters"
    runs: Annotated[int, Interval(ge=1, le=10**4)] = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.made_agent, SeparateBudgets) or getattr(
            self.made_agent, "budgets", None
        ):
            raise InvalidOption(
                f"agent is {self.agent!r}, which has budgets itself: give one that has none"
            )

    @staticmethod
    def imports(options: Mapping[str, Any]) -> Iterable[str]:
        """Return the modules of the user's that a recorded agent would import."""
        return modules_of(options.get("agent", SeparateBudgets.agent))

    @property
    def made_agent(self) -> Agent:
        """The agent that searches."""
        return agent_of(self.agent)

    @property
    def batch_size(self) -> int:
        """Architectures that are asked for at once: as many as the agent does."""
        return self.made_agent.batch_size

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Search within one budget after the other, the smallest first.

        Raises:
            InvalidOption: The space does not say how its cost adds up, or there is no number of
                evaluations to share.
        """
        evaluator = getattr(env.ledger, "evaluator", None)
        if evaluator is None or env.remaining == float("inf"):
            raise InvalidOption(
                "separate budgets share a number of evaluations, of the environment itself: give "
                "budget, and no agent that stands before it"
            )
        budgets = Budgets(env.space, evaluator, self.metric)
        for number in range(1, self.runs + 1):
            share = int(env.remaining) // (self.runs + 1 - number)
            bound = budgets.least * (budgets.most / budgets.least) ** (number / self.runs)
            if share:
                front = Share(env.ledger, share)
                space = budgets.space(max(budgets.least, round(bound)))
                self.made_agent.search(env.behind(front, space))


class Share:
    """A front ledger with a part of another one's requests."""

    def __init__(self, ledger: FrontLedger, most: int) -> None:
        self._ledger, self._most = ledger, most
        self.requests = 0  # that were answered

    @property
    def remaining(self) -> float:
        """Requests left of the share."""
        return min(self._most - self.requests, self._ledger.remaining)

    @property
    def failure_reward(self) -> float:
        """Reward of a child that failed."""
        return self._ledger.failure_reward

    @property
    def clock(self) -> SimulatedClock:
        """Time that the evaluations so far would have taken."""
        return self._ledger.clock

    def request(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Answer a batch, in the order given."""
        answers = self._ledger.request(architectures)
        self.requests += len(answers)
        return answers


PRESETS: dict[str, SeparateBudgets] = {"default": SeparateBudgets()}
