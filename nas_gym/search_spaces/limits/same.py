"""The costs of a space whose networks all cost the same, such as cells of so many units."""

from collections.abc import Sequence
from typing import Any

from nas_gym.networks.task import LanguageTask, Task
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import NetworkSpace, decode
from nas_gym.search_spaces.limits.costs import Amount, CostStep, End

Place = int  # choices made


class SameCosts:
    """All architectures cost what the first one does.

    Args:
        space: A static one.
        task: What the networks are built for.
        metrics: Those that are counted.
    """

    exits = ((None,),)

    def __init__(
        self, space: NetworkSpace[Any], task: Task | LanguageTask, metrics: Sequence[str]
    ) -> None:
        from nas_gym.networks.cost import cost_for

        self._counts = ChoiceTable(space).counts or []
        first = decode(space, [0] * len(self._counts))
        cost = cost_for(lambda: space.build(first, task), task)
        self._cost: Amount = tuple([getattr(cost, metric) for metric in metrics])

    def start(self, part: int) -> Place:
        """Return the beginning."""
        return part  # 0, the only one

    def step(self, state: Place) -> CostStep:
        """Return options without a cost, all of which lead to the next choice."""
        costs = ((0,) * len(self._cost),) * self._counts[state]
        return CostStep(costs, (End() if state + 1 == len(self._counts) else state + 1,))

    def key(self, state: Place, least: bool | None) -> Place:
        """Return the state."""
        return state

    def joint(self, exits: tuple[None, ...]) -> Amount:
        """Return the cost."""
        return self._cost

    def extreme(self, state: Place, least: bool) -> Sequence[int]:
        """Return the first option: it is as good as any."""
        return (0,)
