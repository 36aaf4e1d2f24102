"""Spreads children over worker processes, which may crash or hang without harm."""

import math
import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation, Evaluator
from nas_gym.evaluators.workers.jobs import SpreadEvaluator, job_of, read_outcome
from nas_gym.evaluators.workers.pool import Lost, WorkerPool
from nas_gym.search_spaces.architecture import Architecture


@dataclass(frozen=True)
class ParallelEvaluator(SpreadEvaluator):
    """Evaluates each child in one of ``workers`` processes, by another evaluator.

    Results are those of the inner evaluator, in the order in which children finish; no number of
    workers changes them. A child that goes wrong is a row and its worker is replaced where needed:

    - ``"crashed"``: its process ended; ``detail`` has the exit status or the signal.
    - ``"timeout"``: it took too long and was killed, whatever it was doing.
    - ``"out of memory"``: it asked for more than ``memory_limit``, or than there was. (A process
      that the system kills because memory ran out cannot be told from a crash.)
    - ``"error: …"``: it raised; ``detail`` has the last lines of the traceback.

    Processes start at the first ``evaluate`` and stay until ``close``; Ctrl-C ends them at once,
    and so does the death of this process. Copies and pickles hold the configuration alone.

    Workers start by importing the main script, so what a script runs belongs under
    ``if __name__ == "__main__":``.

    Args:
        inner: Any evaluator that can be pickled.
        workers: Processes, >= 1; as many as there are cores is fastest.
        timeout: Seconds that a child may take, > 0; None for no limit.
        memory_limit: GiB of main memory that a child may allocate beyond what its worker needed at
            its start, > 0; a data set that is loaded with the first child counts. None for no
            limit. Needs Linux. Memory of a GPU is not counted.

    Raises:
        InvalidOption: An option out of range, or a memory limit where the system has none.
    """

    inner: Evaluator
    workers: int
    timeout: float | None = None
    memory_limit: float | None = None
    _pools: list[WorkerPool] = field(  # at most one
        default_factory=list, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 1:
            raise InvalidOption(f"workers is {self.workers!r}: give a whole number of 1 or more")
        _check_limit("timeout", self.timeout, "seconds")
        _check_limit("memory_limit", self.memory_limit, "GiB")
        if self.memory_limit is not None and not sys.platform.startswith("linux"):
            raise InvalidOption(
                f"memory_limit is {self.memory_limit}, and only Linux can limit the memory of a "
                "process: leave it out here"
            )

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Evaluate all at once, as far as there are workers; yields as they finish.

        Raises:
            NASGymError: What concerns all children: the data cannot be read, the workers cannot
                start or load the evaluator.
        """
        jobs = [job_of(a, seed) for a, seed in zip(architectures, seeds, strict=True)]
        try:
            with closing(self._pool().run(jobs, self.timeout)) as outcomes:
                for position, outcome in outcomes:
                    yield _evaluation(outcome, architectures[position])
        except GeneratorExit:  # nobody wants the rest; the workers may be wanted again
            raise
        except BaseException:  # Ctrl-C among them
            self.close()
            raise

    def close(self) -> None:
        """End the workers, whatever they are doing; safe to call twice."""
        while self._pools:
            self._pools.pop().close()
        self.inner.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"_pools": []}

    def _pool(self) -> WorkerPool:
        """The running pool, started where there is none."""
        if not self._pools:
            pickled = pickle.dumps(self.inner)
            self._pools.append(WorkerPool(self.workers, pickled, self.memory_limit))
        return self._pools[0]


def _check_limit(name: str, value: float | None, unit: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidOption(f"{name} is {value!r}: give a number of {unit} above 0")


def _evaluation(outcome: bytes | Lost, architecture: Architecture[Any]) -> Evaluation:
    if isinstance(outcome, Lost):
        return Evaluation(
            architecture, failure=outcome.failure, seconds=outcome.seconds, detail=outcome.detail
        )
    return read_outcome(outcome, architecture)
