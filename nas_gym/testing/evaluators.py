"""Evaluators that misbehave in a known way, around any other evaluator."""

import ctypes
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from annotated_types import Ge, Interval, MinLen

from nas_gym.evaluators.evaluation import (
    Evaluation,
    Evaluator,
    Fidelity,
    asked,
    jobs_of,
    noise_free,
)
from nas_gym.options import OneOf, Options, check
from nas_gym.search_spaces.architecture import Architecture

CHUNK = 64 * 2**20  # bytes
HOARD = 100 * 2**30  # bytes


class _Wrapper(Options):
    """The base of evaluators around another one."""

    inner: Evaluator

    @property
    def stateful(self) -> bool:
        """Whether the inner evaluator is."""
        return self.inner.stateful

    @property
    def most_epochs(self) -> int | None:
        """The epochs of the inner evaluator's trainings; None if it cannot train in part."""
        return getattr(self.inner, "most_epochs", None)

    @property
    def seeded(self) -> bool:
        """Whether what differs between the inner evaluator's answers follows from the seeds."""
        return getattr(self.inner, "seeded", False)

    @property
    def noise_free(self) -> bool | None:
        """Whether the inner evaluator's answers have no noise; None if it does not say."""
        return noise_free(self.inner)

    def close(self) -> None:
        """Close the inner evaluator."""
        self.inner.close()


@dataclass(frozen=True)
class FailingEvaluator(_Wrapper):
    """An evaluator that fails for some children; which ones, and how, follows from their seeds.

    **All ways but ``"report"`` and ``"nan"`` need worker processes** (``ParallelEvaluator``):
    ``"raise"`` ends the search, ``"exit"`` and ``"segfault"`` end the process that evaluates,
    ``"hang"`` blocks it for ever, and ``"allocate"`` fills the machine's memory if no
    ``memory_limit`` stops it.

    Args:
        inner: Evaluates the others.
        rate: Fraction of children that fail, in [0, 1].
        reason: The ``failure`` of those that report it.
        ways: How children fail, equally often: ``"report"`` an evaluation with its failure,
            ``"raise"`` a RuntimeError, answer an accuracy that is ``"nan"``, ``"exit"`` with status
            3, ``"segfault"``, ``"hang"`` in a C call that holds the interpreter's lock and answers
            no SIGTERM, ``"allocate"`` 100 GiB and write to them.

    Raises:
        InvalidOption: ``rate`` out of range, or no way at all.
        UnknownName: No such way.
    """

    inner: Evaluator
    rate: Annotated[float, Interval(ge=0, le=1)] = 0.3
    reason: str = "error: failed on purpose"
    ways: str | tuple[str, ...] = ("report",)

    def __post_init__(self) -> None:
        super().__post_init__()
        ways = (self.ways,) if isinstance(self.ways, str) else self.ways
        way = Annotated[str, OneOf(WAYS)]
        ways = check("ways", ways, Annotated[tuple[way, ...], MinLen(1)])
        object.__setattr__(self, "ways", ways)

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        """Yield the inner evaluations, some of them replaced by failures."""
        for job in jobs_of(architectures, seeds, fidelities):
            way = self.way(job.seed)
            if way is None:
                yield from asked(self.inner, [job])
            elif way == "report":
                yield Evaluation(job.architecture, failure=self.reason)
            else:
                yield Evaluation(job.architecture, {"accuracy": ACTIONS[way]()})

    def way(self, seed: int) -> str | None:
        """Return how the child with this seed fails, or None if it does not."""
        if seed % 1000 >= 1000 * self.rate:
            return None
        return self.ways[seed // 1000 % len(self.ways)]


def _raise() -> float:
    raise RuntimeError("failed on purpose")


def _exit() -> float:
    os._exit(3)


def _segfault() -> float:
    ctypes.string_at(0)  # reads where nothing is
    return math.nan


def _hang() -> float:
    library = ctypes.PyDLL(None)  # its calls keep the interpreter's lock
    mutex = ctypes.create_string_buffer(256)  # more than any system's pthread_mutex_t
    library.pthread_mutex_init(mutex, None)
    for _ in range(2):  # the second time waits for the first, which is its own
        library.pthread_mutex_lock(mutex)
    return math.nan


def _allocate() -> float:
    hoard: list[bytes] = []
    while len(hoard) * CHUNK < HOARD:
        hoard.append(b"\1" * CHUNK)  # written to, or the system would only promise it
    return math.nan


ACTIONS: dict[str, Callable[[], float]] = {
    "raise": _raise,
    "nan": lambda: math.nan,
    "exit": _exit,
    "segfault": _segfault,
    "hang": _hang,
    "allocate": _allocate,
}
WAYS = ("report", *ACTIONS)
Ways = Annotated[tuple[Annotated[str, OneOf(WAYS)], ...], MinLen(1)]


@dataclass(frozen=True)
class SlowEvaluator(_Wrapper):
    """An evaluator that sleeps before each answer.

    Args:
        inner: Evaluates.
        seconds: Sleep per child, >= 0.
    """

    inner: Evaluator
    seconds: Annotated[float, Ge(0)] = 0.01

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        """Yield the inner evaluations, later, with the sleep in their ``seconds``."""
        for job in jobs_of(architectures, seeds, fidelities):
            time.sleep(self.seconds)
            for evaluation in asked(self.inner, [job]):
                yield replace(evaluation, seconds=evaluation.seconds + self.seconds)
