"""An evaluator that spreads children over worker processes, which may crash or hang."""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from annotated_types import Gt

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.doubts import judged
from nas_gym.evaluators.evaluation import (
    WHOLE,
    Evaluation,
    Evaluator,
    Fidelity,
    Job,
    jobs_of,
    keeps_state,
)
from nas_gym.evaluators.workers.jobs import SpreadEvaluator, dump_evaluator, job_of, read_outcome
from nas_gym.evaluators.workers.pool import WorkerPool
from nas_gym.evaluators.workers.process import Lost
from nas_gym.evaluators.workers.pump import PoolPump, of_no_child
from nas_gym.options.counts import SomeWorkers
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.training.preparation import tell


@dataclass(frozen=True)
class ParallelEvaluator(Configured, SpreadEvaluator):
    """An evaluator that gives each child to another one, in one of ``workers`` processes.

    Results are those of the inner evaluator, in the order in which children finish; no number of
    workers changes them. A child that goes wrong is a row, and its worker is replaced if needed:

    - ``"crashed"``: its process ended; ``detail`` has the exit status or the signal.
    - ``"timeout"``: it took too long and was killed, whatever it was doing.
    - ``"out of memory"``: it asked for more than ``memory_limit``, or than there was. (A process
      that the system kills because memory ran out cannot be told from a crash.)
    - ``"error: …"``: it raised; ``detail`` has the last lines of the traceback.

    Processes start at the first ``evaluate`` and stay until ``close``; Ctrl-C ends them at once,
    and so does the death of this process. Copies and pickles hold only the configuration.

    Workers start by importing the main script, so what a script runs belongs under
    ``if __name__ == "__main__":``.

    Args:
        inner: Any evaluator that can be pickled.
        workers: Processes, >= 1; one per core is fastest.
        timeout: Seconds that a child may take, > 0; None for no limit.
        memory_limit: GiB of main memory that a child may allocate beyond what its worker needed at
            its start, > 0; a data set that is loaded with the first child counts. None for no
            limit. Needs Linux. Memory of a GPU is not counted.

    Raises:
        InvalidOption: An option out of range, a memory limit on a system that has none, or more
            than one worker for a stateful evaluator.
    """

    inner: Evaluator
    workers: SomeWorkers
    timeout: Annotated[float, Gt(0)] | None = None
    memory_limit: Annotated[float, Gt(0)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_part("evaluator", self.inner, ("evaluate", "close"))
        if self.workers > 1 and keeps_state(self.inner):
            raise InvalidOption(
                f"workers is {self.workers}, and the evaluator {type(self.inner).__name__} is "
                "stateful, so that each process would have a state of its own: give workers=1"
            )
        if self.memory_limit is not None and not sys.platform.startswith("linux"):
            raise InvalidOption(
                f"memory_limit is {self.memory_limit}, and only Linux can limit the memory of a "
                "process: leave it out here"
            )

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        """Evaluate as many at once as there are workers, and yield as they finish.

        Raises:
            NASGymError: For what concerns all children: the data cannot be read, the workers cannot
                start or load the evaluator.
            TimeUp: The time that ``end_at`` gave is over; what was in flight is cut.
        """
        if self._pumps:
            if not self._pumps[0].idle:
                raise InvalidOption(
                    "children that were submitted are in flight: take their results before a batch "
                    "is evaluated"
                )
            self._pumps.pop().close()
        jobs = [job_of(job) for job in jobs_of(architectures, seeds, fidelities)]
        one_process = keeps_state(self.inner)
        try:
            with closing(self._pool().run(jobs, self.timeout, *self._ends)) as outcomes:
                for position, outcome in outcomes:
                    is_lost = isinstance(outcome, Lost)
                    if one_process and not is_lost:
                        self._check_state()
                    yield judged(self, _evaluation(outcome, architectures[position]))
                    if one_process and is_lost:  # only now: this child is to be recorded
                        self._check_state()
        except GeneratorExit:  # nobody wants the rest; the workers may be wanted again
            raise
        except Exception as error:
            self.close()
            if isinstance(error, NASGymError):
                raise
            raise of_no_child(error) from error
        except BaseException:  # Ctrl-C among them
            self.close()
            raise

    def submit(
        self, architecture: Architecture[Any], seed: int, fidelity: Fidelity = WHOLE
    ) -> "Future[Evaluation]":
        """Return the future of one child, which the next free worker evaluates.

        A batch of ``evaluate`` has to wait for them. Futures raise as ``evaluate`` does.

        Raises:
            NASGymError: As ``evaluate``.
        """
        one_process = keeps_state(self.inner)
        if one_process:
            self._check_state()
        if not self._pumps:
            self._pumps.append(PoolPump(self._pool(), self.timeout))

        def read(outcome: bytes | Lost) -> Evaluation:
            if one_process and not isinstance(outcome, Lost):  # that child is to be recorded
                self._check_state()
            return _evaluation(outcome, architecture)

        return self._pumps[0].submit(job_of(Job(architecture, seed, fidelity)), read)

    def close(self) -> None:
        """End the workers, whatever they are doing; safe to call twice."""
        while self._pumps:
            self._pumps.pop().close()
        while self._pools:
            self._pools.pop().close()
        self._ends.clear()
        self.inner.close()

    @cached_property
    def _pools(self) -> list[WorkerPool]:
        """The running pool, if there is one."""
        return []

    @cached_property
    def _pumps(self) -> list[PoolPump]:
        """What runs the pool for ``submit``, if it does."""
        return []

    def _check_state(self) -> None:
        """Raise NASGymError if the process that held the evaluator's state was replaced."""
        if self._pool().starts > 1:
            raise NASGymError(
                f"the worker process that held the state of the evaluator "
                f"{type(self.inner).__name__} ended, and the state with it: what was recorded is "
                "kept, and a run that goes on begins with a new state"
            )

    def _pool(self) -> WorkerPool:
        """Return the running pool, started if there is none."""
        if not self._pools:
            pickled = dump_evaluator(self.inner)
            tell("workers started", 0, self.workers)
            self._pools.append(WorkerPool(self.workers, pickled, self.memory_limit))
            tell("workers started", self.workers, self.workers)  # nobody waits for the others
        return self._pools[0]


def _evaluation(outcome: bytes | Lost, architecture: Architecture[Any]) -> Evaluation:
    if isinstance(outcome, Lost):
        return Evaluation(
            architecture, failure=outcome.failure, seconds=outcome.seconds, detail=outcome.detail
        )
    return read_outcome(outcome, architecture)
