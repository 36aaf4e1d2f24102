"""An evaluator that spreads children over any ``concurrent.futures.Executor``, or a cluster's."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nas_gym.errors import InvalidOption, NASGymError, TimeUp
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Fidelity, jobs_of, keeps_state
from nas_gym.evaluators.failures import failed
from nas_gym.evaluators.workers.jobs import (
    SpreadEvaluator,
    dump_evaluator,
    dump_outcome,
    evaluate_job,
    job_of,
    load_evaluator,
    read_outcome,
)
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import Architecture

LONGEST_WAIT = 1e9  # seconds: about the longest that the system's clocks can be asked for
KEPT = 2  # evaluators, with their data, that a process of the executor keeps loaded


@dataclass(frozen=True)
class ExecutorEvaluator(SpreadEvaluator):
    """An evaluator that gives each child to another one, as a job of ``executor``.

    Results are those of the inner evaluator, in the order in which children finish. Limits of time
    and memory, and how many children run at once, are the executor's business; so is replacing a
    process that died, which those of the standard library cannot do and ``ParallelEvaluator`` can.
    A child that raises is a row; so is one whose job the executor gives up.

    The executor belongs to the caller and stays open at ``close``. Its processes must be able to
    import nas-gym and what defines the inner evaluator. Threads share one copy of the inner
    evaluator, and children that nas-gym trains wait for each other there: only processes train
    side by side.

    Args:
        inner: Any evaluator that can be pickled; each process loads it once.
        executor: A live one, e.g. ``ProcessPoolExecutor(mp_context=get_context("spawn"))``, loky's,
            or a cluster's.

    Raises:
        InvalidOption: ``executor`` is not a ``concurrent.futures.Executor``, or the evaluator is
            stateful: an executor says not which process has a job.
    """

    inner: Evaluator
    executor: Executor

    def __post_init__(self) -> None:
        check_part("evaluator", self.inner, ("evaluate", "close"))
        if not isinstance(self.executor, Executor):
            raise InvalidOption(
                f"executor is {self.executor!r}: give a live concurrent.futures.Executor"
            )
        if keeps_state(self.inner):
            raise InvalidOption(
                f"there is an executor, and the evaluator {type(self.inner).__name__} is stateful, "
                "so that each process would have a state of its own: give workers=1 instead"
            )

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        """Give all to the executor, and yield as they finish. Stopping early cancels what waits.

        Raises:
            NASGymError: For what concerns all children: the executor broke or was shut down, the
                data cannot be read, its processes cannot load the evaluator.
            TimeUp: The time that ``end_at`` gave is over; what runs is left to the executor.
        """
        pickled = dump_evaluator(self.inner)
        asked: dict[Future[bytes], Architecture[Any]] = {}
        try:
            for job in jobs_of(architectures, seeds, fidelities):
                asked[self._submit(pickled, job_of(job))] = job.architecture
            left = [min(max(0.0, end - time.monotonic()), LONGEST_WAIT) for end in self._ends]
            finished = as_completed(list(asked), *left)
            while asked:
                try:
                    future = next(finished)
                except TimeoutError:
                    raise TimeUp(sum(future.running() for future in asked)) from None
                yield _evaluation(future, asked.pop(future))
        finally:
            for future in asked:
                future.cancel()

    def close(self) -> None:
        """Close the inner evaluator; the executor is the caller's."""
        self._ends.clear()
        self.inner.close()

    def _submit(self, pickled: bytes, job: bytes) -> "Future[bytes]":
        try:
            return self.executor.submit(run_job, pickled, job)
        except BrokenExecutor as error:
            raise _broken(error) from error
        except RuntimeError as error:  # what the standard library raises after shutdown()
            raise NASGymError(
                f"the executor takes no jobs ({error}): give one that is not shut down"
            ) from error
        except Exception as error:  # no processes, no files: of no child
            raise NASGymError(
                f"the executor cannot take a job ({type(error).__name__}: {error}): give one that "
                "can start its processes"
            ) from error


def run_job(pickled: bytes, job: bytes) -> bytes:
    """Evaluate one child in a process of the executor, and return the outcome, pickled."""
    try:
        evaluator = _loaded(pickled)
    except NASGymError as error:
        return dump_outcome(error)
    return dump_outcome(evaluate_job(evaluator, job, (KeyboardInterrupt,)))


_loaded = lru_cache(maxsize=KEPT)(load_evaluator)  # of this process


def _evaluation(future: "Future[bytes]", architecture: Architecture[Any]) -> Evaluation:
    try:
        pickled = future.result()
    except KeyboardInterrupt:
        raise
    except BrokenExecutor as error:
        raise _broken(error) from error
    except TimeoutError as error:  # of executors that have a limit
        return Evaluation(architecture, failure="timeout", detail=str(error) or None)
    except BaseException as error:  # CancelledError; what the child raised past ``Exception``
        return failed(architecture, error, 0.0)
    return read_outcome(pickled, architecture)


def _broken(error: BrokenExecutor) -> NASGymError:
    return NASGymError(
        f"the executor broke, as it does when a child ends one of its processes ({error}): what "
        "was recorded is kept and `nas-gym resume` continues it; give workers= instead of "
        "executor= for processes that are replaced"
    )
