"""Evaluators that misbehave in a known way, around any other evaluator."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nas_gym.architecture import Architecture
from nas_gym.errors import InvalidOption
from nas_gym.evaluation import Evaluation, Evaluator


@dataclass(frozen=True)
class FailingEvaluator:
    """Fails for some children; which ones follows from their seeds.

    Args:
        inner: Evaluates the others.
        rate: Fraction of children that fail, in [0, 1].
        reason: Their ``failure``.
    """

    inner: Evaluator
    rate: float = 0.3
    reason: str = "error: failed on purpose"

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise InvalidOption(f"rate is {self.rate}: give a fraction from 0 to 1")

    @property
    def stateful(self) -> bool:
        """As the inner evaluator."""
        return self.inner.stateful

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """The inner evaluations, some of them replaced by failures."""
        for architecture, seed in zip(architectures, seeds, strict=True):
            if seed % 1000 < 1000 * self.rate:
                yield Evaluation(architecture, failure=self.reason)
            else:
                yield from self.inner.evaluate([architecture], [seed])

    def close(self) -> None:
        """Close the inner evaluator."""
        self.inner.close()


@dataclass(frozen=True)
class SlowEvaluator:
    """Sleeps before each answer.

    Args:
        inner: Evaluates.
        seconds: Sleep a child, >= 0.
    """

    inner: Evaluator
    seconds: float = 0.01

    def __post_init__(self) -> None:
        if self.seconds < 0:
            raise InvalidOption(f"seconds is {self.seconds}: give 0 or more")

    @property
    def stateful(self) -> bool:
        """As the inner evaluator."""
        return self.inner.stateful

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """The inner evaluations, later, with the sleep in their ``seconds``."""
        for architecture, seed in zip(architectures, seeds, strict=True):
            time.sleep(self.seconds)
            for evaluation in self.inner.evaluate([architecture], [seed]):
                yield replace(evaluation, seconds=evaluation.seconds + self.seconds)

    def close(self) -> None:
        """Close the inner evaluator."""
        self.inner.close()
