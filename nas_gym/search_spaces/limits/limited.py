"""A search space with limits: another space, of which fewer options are open.

Names, options and tokens are those of the other space, so that a record of one compares with a
record of the other. What is open after a prefix is asked by ``open_tokens``.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol

from nas_gym.errors import InvalidOption, InvalidSpace
from nas_gym.search_spaces.grammar import G, Pick, SearchSpace, Tokens, decode_valid, next_choice
from nas_gym.search_spaces.limits.costs import TooManyStates
from nas_gym.search_spaces.limits.wanted import Limits

_log = logging.getLogger("nas_gym")


class Masks(Protocol):
    """A judge of which tokens are open."""

    def open_tokens(self, prefix: Tokens) -> tuple[int, ...]:
        """Return the tokens after which every limit can still be kept, in order."""


class BoundsMasks:
    """Tells what is open in a space that bounds the cost of what can still come.

    Exact as far as its bounds are: a limit between two costs that can be reached, as a window may
    be, leaves dead ends.
    """

    def __init__(self, space: SearchSpace[Any], limits: Limits) -> None:
        self.space, self.limits = space, limits
        if not self._may_hold(()):
            bounds = self._bounds(())
            words = [f"{m} are {bounds[m][0]:,} to {bounds[m][1]:,}" for m in limits.metrics]
            raise InvalidOption(
                f"no architecture of the space has {limits}: {', '.join(words)}; give wider limits"
            )

    def open_tokens(self, prefix: Tokens) -> tuple[int, ...]:
        """Return the tokens whose bounds every limit may hold for."""
        choice = next_choice(self.space, prefix)
        if choice is None:
            return (0,)
        tokens = range(len(choice.options))
        return tuple([token for token in tokens if self._may_hold((*prefix, token))])

    def _may_hold(self, prefix: Tokens) -> bool:
        bounds = self._bounds(prefix)
        return all(
            (most is None or bounds[metric][0] <= most)
            and (least is None or bounds[metric][1] >= least)
            for metric, least, most in self.limits.limits
        )

    def _bounds(self, prefix: Tokens) -> Mapping[str, tuple[float, float]]:
        bounds: Any = self.space.cost_bounds(prefix)  # type: ignore[attr-defined]
        missing = [metric for metric in self.limits.metrics if metric not in bounds]
        if missing:
            raise InvalidSpace(
                f"cost_bounds of {type(self.space).__name__} gives no {missing[0]}, which is "
                "limited: let it return {metric: (least, most)} for that as well"
            )
        return bounds  # type: ignore[no-any-return]


class LimitedSpace(Generic[G]):
    """A space whose architectures keep limits; everything else is that of ``unlimited``.

    Args:
        unlimited: The space.
        limits: What is kept.
        task: What the networks are built for, which decides their cost.
        judge: Tells what is open; None if architectures are drawn again until one keeps the limits.
    """

    def __init__(
        self, unlimited: SearchSpace[G], limits: Limits, task: Any, judge: Masks | None
    ) -> None:
        self.unlimited, self.limits, self.task = unlimited, limits, task
        self.drawn = self.kept = 0  # architectures that moves drew, and those that kept the limits
        self._known: dict[Tokens, bool] = {}
        if judge is not None:
            self.open_tokens: Callable[[Tokens], tuple[int, ...]] = judge.open_tokens

    @property
    def max_length(self) -> int:
        """The most picks on any path."""
        return self.unlimited.max_length

    @property
    def max_options(self) -> int:
        """The most options of any pick."""
        return self.unlimited.max_options

    def choose(self, pick: Pick, /) -> G:
        """Build a genotype from picks, whether it keeps the limits or not."""
        return self.unlimited.choose(pick)

    def __getattr__(self, name: str) -> Any:
        """Return what the unlimited space has beside."""
        if name.startswith("__") or name in ("unlimited", "open_tokens", "size"):
            raise AttributeError(name)
        return getattr(self.unlimited, name)

    @property
    def exact(self) -> bool:
        """Whether masks keep the limits; if not, what breaks them is drawn again."""
        return hasattr(self, "open_tokens")

    def keeps(self, tokens: Tokens) -> bool:
        """Return whether the network of complete tokens keeps every limit."""
        if self.exact:
            return all(
                token in self.open_tokens(tokens[:place]) for place, token in enumerate(tokens)
            )
        kept = self.holds(tokens)
        self.drawn += 1
        self.kept += kept
        return kept

    def holds(self, tokens: Tokens) -> bool:
        """Return whether the built network of complete tokens keeps every limit.

        What cannot be built breaks none: its evaluation says what is wrong with it.
        """
        known = self._known.get(tokens)
        if known is None:
            try:
                known = self.limits.holds(self.costs_of(tokens))
            except Exception:
                known = True
            self._known[tokens] = known
        return known

    def costs_of(self, tokens: Tokens) -> dict[str, int]:
        """Count the costs of an architecture's network by building it."""
        from nas_gym.networks.cost import cost_for

        unlimited: Any = self.unlimited
        genotype = decode_valid(self.unlimited, tokens)
        return cost_for(lambda: unlimited.build(genotype, self.task), self.task)._asdict()


def limited_space(space: SearchSpace[G], limits: Limits, task: Any | None) -> "LimitedSpace[G]":
    """Return the space with limits, by the best means that it has.

    Args:
        space: One with ``cost_states(task, metrics)`` has exact masks (``limits.costs``), one with
            ``cost_bounds(prefix)`` masks as good as its bounds; another one is drawn from again
            until a network keeps the limits, which is logged.
        limits: What is kept.
        task: What the networks are built for; None if that is not known.

    Raises:
        InvalidOption: No architecture keeps the limits, nothing says what a network costs, or the
            limits have a task and the space only ``cost_bounds``, which does not know it.
    """
    from nas_gym.search_spaces.limits.exact import ExactLimits  # with numpy

    name = type(space).__name__
    why = "does not say how its cost adds up"
    if hasattr(space, "cost_states") and task is not None:
        try:
            judge = ExactLimits(space.cost_states(task, limits.metrics), limits)
            return LimitedSpace(space, limits, task, judge)
        except TooManyStates:
            why = "has too many states for exact masks under these limits"
    elif hasattr(space, "cost_bounds"):
        if limits.task is not None:
            raise InvalidOption(
                f"limits has the task {dict(limits.task)!r}, and cost_bounds of {name} is not told "
                "of any: leave the task out, or give the space a method cost_states(task, metrics)"
            )
        return LimitedSpace(space, limits, task, BoundsMasks(space, limits))
    usual = getattr(space, "usual_task", None)
    if task is None and usual is not None and hasattr(space, "build"):
        field = next(field for field in ("filters", "hidden") if hasattr(usual, field))
        value = getattr(usual, field)
        raise InvalidOption(
            f"limits is {str(limits)!r}, and the evaluator does not say what networks of {name} "
            f"are built for: give a task in limits, such as {{{field!r}: {value}}} "
            f"(--limit task.{field}={value})"
        )
    if task is None or not hasattr(space, "build"):
        raise InvalidOption(
            f"limits is {str(limits)!r}, and nothing says what a network of {name} costs: give the "
            "space a method cost_bounds(prefix), or build(genotype, task) and a task in limits"
        )
    _log.warning("%s %s: what breaks a limit is drawn again", name, why)
    return LimitedSpace(space, limits, task, None)
