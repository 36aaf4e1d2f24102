"""Limits of an environment: its space with them, and the task whose networks they are about."""

from collections.abc import Mapping
from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.evaluators.tasks import says, task_of
from nas_gym.evaluators.within_limits import WithinLimits
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.networks.task_kinds import kind_of
from nas_gym.options import check_all
from nas_gym.search_spaces.choice_table import ChoiceTable, with_closed
from nas_gym.search_spaces.grammar import Choice, SearchSpace
from nas_gym.search_spaces.limits import LimitedSpace, Limits, limited_space
from nas_gym.search_spaces.limits.costs import TooManyStates
from nas_gym.search_spaces.limits.wanted import limits_of

LimitsGiven = Mapping[str, Any] | None


def with_limits(
    space: SearchSpace[Any], evaluator: Evaluator, given: LimitsGiven
) -> tuple[SearchSpace[Any], Evaluator]:
    """Return space and evaluator of an environment whose networks keep limits.

    Args:
        space: The space.
        evaluator: Says what networks are built for, unless ``given`` does.
        given: See ``nas_gym.search_spaces.limits.wanted.limits_of``; None for no limits.

    Raises:
        InvalidOption: A limit that no architecture keeps (it says what the smallest possible is),
            that is none, or that nothing is known about.
        UnknownName: A metric that cannot be limited, or a field that the task does not have.
    """
    if given is not None:
        if isinstance(space, LimitedSpace):
            raise InvalidOption("limits is given for a space that has some: give all of them once")
        limits = limits_of(given)
        space = limited_space(space, limits, _task_of(space, evaluator, limits))
    if isinstance(space, LimitedSpace) and not space.exact:
        evaluator = WithinLimits(evaluator, space)
    return space, evaluator


def _task_of(
    space: SearchSpace[Any], evaluator: Evaluator, limits: Limits
) -> Task | LanguageTask | None:
    """Return what the networks with these limits are built for; None if nothing says it."""
    usual: Any = getattr(space, "usual_task", None)
    if limits.task is not None:
        if usual is None:
            raise InvalidOption(
                f"task of limits is {dict(limits.task)!r}, and {type(space).__name__} has no "
                "usual_task whose fields these could be: leave it out, or give the space one"
            )
        resized: Task | LanguageTask = kind_of(usual).resized(
            usual, check_all(type(usual), limits.task, "task of limits")
        )
        return resized
    recipe = getattr(says(evaluator), "named_recipe", None)
    if getattr(recipe, "parameters", None) is not None:
        raise InvalidOption(
            "the recipe gives every network as many units as fit its own number of parameters, so "
            "limits say nothing: give a recipe with a number of hidden units, or a task in limits"
        )
    return task_of(evaluator, space.choose(lambda name, options: options[0]))


class Budgets:
    """Exact masks of any budget for one metric, at the price of one: a new one for each episode.

    Args:
        space: A space without limits that says how its cost adds up.
        evaluator: Says what networks are built for.
        metric: ``"parameters"`` or ``"multiply_adds"``.

    Raises:
        InvalidOption: The space does not say how its cost adds up, or has limits already.
        UnknownName: A metric that cannot be limited.
    """

    def __init__(self, space: SearchSpace[Any], evaluator: Evaluator, metric: str) -> None:
        limits = limits_of({metric: 2**60 - 1})
        if isinstance(space, LimitedSpace):
            raise InvalidOption(
                f"budgets or limits of an episode and those of all ({space.limits}) exclude each "
                "other: leave one of the two out"
            )
        name = type(space).__name__
        if not hasattr(space, "cost_states"):
            raise InvalidOption(
                f"budgets of {metric} need exact masks, and {name} does not say how its cost adds "
                "up: give it a method cost_states(task, metrics), or leave budgets out"
            )
        task = _task_of(space, evaluator, limits)
        if task is None:
            raise InvalidOption(
                f"budgets of {metric} need to know what networks of {name} are built for, which "
                "the evaluator does not say: give one that builds them, or leave budgets out"
            )
        from nas_gym.search_spaces.limits.exact import ExactLimits  # with numpy

        try:
            judges = [
                ExactLimits(space.cost_states(task, limits.metrics), each)
                for each in (limits, limits_of({metric: (0, None)}))
            ]
        except TooManyStates:
            raise InvalidOption(
                f"{name} has too many states for exact masks: give a smaller space"
            ) from None
        self.judge = judges[0]
        self.metric, self._space, self._task = metric, space, task
        self.least, self.most = judges[0].extreme, judges[1].extreme
        self.choices = ChoiceTable(space)

    def table(self, budget: int) -> "BudgetTable":
        """Return the choices of an episode whose network may cost ``budget`` at most, >= least."""
        return BudgetTable(self, budget)

    def space(self, budget: int) -> LimitedSpace[Any]:
        """Return the space whose networks cost ``budget`` at most, as ``limits`` would make it."""
        limits = limits_of({self.metric: budget})
        return LimitedSpace(self._space, limits, self._task, self.table(budget))


class EpisodeLimits:
    """The limits of single episodes of an environment; what is needed for them is made once.

    Args:
        space: Of the environment.
        evaluator: Of the environment.
    """

    def __init__(self, space: SearchSpace[Any], evaluator: Evaluator) -> None:
        self._space, self._evaluator = space, evaluator
        self._budgets: dict[str, Budgets] = {}

    def budgets(self, metric: str) -> Budgets:
        """Return the budgets for a metric; raises as ``Budgets``."""
        if metric not in self._budgets:
            self._budgets[metric] = Budgets(self._space, self._evaluator, metric)
        return self._budgets[metric]

    def table(self, given: Any) -> "BudgetTable":
        """Return the choices of an episode with limits as ``{"parameters": 400_000}``.

        Raises:
            InvalidOption: They are not the most of one metric, or nothing keeps them.
        """
        limits = limits_of(given)
        limit = limits.limits[0]
        if len(limits.limits) > 1 or limit.most is None or limit.least or limits.task is not None:
            raise InvalidOption(
                f"limits of an episode are {given!r}: give the most of one metric, and all else "
                "as limits= of the environment"
            )
        return self.budgets(limit.metric).table(limit.most)


class BudgetTable:
    """The choices within one budget, as a ``ChoiceTable`` tells them."""

    static: tuple[Choice, ...] | None = None  # what is open depends on the prefix

    def __init__(self, budgets: Budgets, budget: int) -> None:
        if budget < budgets.least:
            raise InvalidOption(
                f"no architecture of the space has at most {budget:,} {budgets.metric}: the fewest "
                f"possible are {budgets.least:,}; give a wider limit"
            )
        self._budgets, self.budget = budgets, budget
        self.space = budgets.choices.space

    @property
    def limits(self) -> dict[str, int]:
        """The limits that it keeps, as ``reset`` takes them."""
        return {self._budgets.metric: self.budget}

    def after(self, prefix: tuple[int, ...]) -> Choice | None:
        """Return the choice that is open after a prefix, with what is closed; None at the end."""
        choice = self._budgets.choices.after(prefix)
        if choice is None:
            return None
        return with_closed(choice, self.open_tokens(prefix))

    def open_tokens(self, prefix: tuple[int, ...]) -> tuple[int, ...]:
        """Return the tokens that leave a completion within the budget, in order."""
        return self._budgets.judge.open_tokens(prefix, self.budget)
