"""An evaluator of a space with limits but without masks: what breaks a limit is not evaluated."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from nas_gym.evaluators.evaluation import Evaluation, Evaluator
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.limits import LimitedSpace

BROKEN = "limit: "  # begins the failure of what breaks a limit
ACCEPTANCE = "acceptance"  # where a run records the share


def acceptance_of(space: SearchSpace[Any], requested: Iterable[Evaluation]) -> float | None:
    """Return the share of the architectures drawn or written that keep the limits, in [0, 1].

    Moves draw again what breaks a limit; of what a policy writes it is a failed evaluation. Both
    count. None with masks, without limits, or before there is an architecture.

    Args:
        space: Of the search.
        requested: What all requests were answered by.
    """
    if not isinstance(space, LimitedSpace) or space.exact:
        return None
    failures = [evaluation.failure or "" for evaluation in requested]
    broken = sum(failure.startswith(BROKEN) for failure in failures)
    kept = max(space.kept, len(failures) - broken)
    total = kept + space.drawn - space.kept + broken
    return kept / total if total else None


def acceptance_in_words(share: float) -> str:
    """Say what share of the architectures keeps the limits."""
    return (
        f"limits: {_percent(share)} % of the architectures that were drawn or written keep them; "
        "what was drawn beyond them was drawn again, what was written failed"
    )


def _percent(share: float) -> str:
    """Return a share as percent, to two digits that count; nearly all is not all."""
    percent = 100 * share
    return (
        f"{percent:.2g}" if percent < 99 else "100" if share == 1 else f"{min(percent, 99.9):.1f}"
    )


class WithinLimits:
    """Asks ``inner`` for those architectures that keep the limits; the others have failed.

    Args:
        inner: Gives the numbers.
        space: Tells what a network costs.
    """

    changes_nothing = True

    def __init__(self, inner: Evaluator, space: LimitedSpace[Any]) -> None:
        self.inner, self.space = inner, space

    def __getattr__(self, name: str) -> Any:
        """Return what the inner evaluator has beside."""
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        found = getattr(self.inner, name)
        return partial(self._submitted, found) if name == "submit" else found

    @property
    def stateful(self) -> bool:
        """Whether a later answer may differ."""
        return self.inner.stateful

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int], *more: Any
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture, as they finish."""
        kept = [self.space.holds(architecture.tokens) for architecture in architectures]
        for architecture, keeps in zip(architectures, kept, strict=True):
            if not keeps:
                yield self._failed(architecture)
        if any(kept):
            each = [
                [item for item, keeps in zip(items, kept, strict=True) if keeps]
                for items in (architectures, seeds, *more)
            ]
            yield from self.inner.evaluate(*each)

    def _submitted(
        self, submit: Callable[..., "Future[Evaluation]"], architecture: Architecture[Any],
        *more: Any,
    ) -> "Future[Evaluation]":  # fmt: skip
        """Return the future of one child."""
        if self.space.holds(architecture.tokens):
            return submit(architecture, *more)
        failed: Future[Evaluation] = Future()
        failed.set_result(self._failed(architecture))
        return failed

    def _failed(self, architecture: Architecture[Any]) -> Evaluation:
        failure = f"{BROKEN}the network does not have {self.space.limits}"
        return Evaluation(architecture, failure=failure)

    def close(self) -> None:
        """Close the inner evaluator."""
        self.inner.close()
