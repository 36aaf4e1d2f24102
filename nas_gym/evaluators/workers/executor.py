"""An evaluator that spreads children over any ``concurrent.futures.Executor``, or a cluster's."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from nas_gym.errors import InvalidOption, NASGymError, TimeUp
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
from nas_gym.evaluators.failures import failed
from nas_gym.evaluators.workers.engines.engine import Engine
from nas_gym.evaluators.workers.engines.faults import row_of
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
        pickled = dump_evaluator(self.inner, is_here(self.executor))
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
                yield judged(self, _evaluation(future, asked.pop(future)))
        finally:
            for future in asked:
                future.cancel()

    def submit(
        self, architecture: Architecture[Any], seed: int, fidelity: Fidelity = WHOLE
    ) -> "Future[Evaluation]":
        """Return the future of one child, as a job of the executor; it raises as ``evaluate``.

        Raises:
            NASGymError: As ``evaluate``.
        """
        if not self._pickled:
            self._pickled.append(dump_evaluator(self.inner, is_here(self.executor)))
        job = self._submit(self._pickled[0], job_of(Job(architecture, seed, fidelity)))
        answer = _Submission(job)

        def read(job: Future[bytes]) -> None:
            self._submitted.discard(job)
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(_evaluation(job, architecture))
            except BaseException as error:
                answer.set_exception(error)

        self._submitted.add(job)
        job.add_done_callback(read)
        return answer

    def close(self) -> None:
        """Close the inner evaluator; the executor is the caller's, but for what waits in it."""
        self._cancel()
        self._pickled.clear()
        self._ends.clear()
        self.inner.close()

    def _cancel(self) -> None:
        """Cancel what was submitted and is not done."""
        for job in list(self._submitted):
            job.cancel()

    @cached_property
    def _pickled(self) -> list[bytes]:
        """The inner evaluator as ``submit`` sends it, if it did."""
        return []

    @cached_property
    def _submitted(self) -> "set[Future[bytes]]":
        """The jobs of ``submit`` that are not done."""
        return set()

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


def is_here(executor: Executor) -> bool:
    """Return whether an executor's processes are taken to be on this machine.

    So are an engine's that is ``local`` or takes an address and was given none, and those of every
    executor that is no engine: it says nothing. Others would find no file that is lent.
    """
    if not isinstance(executor, Engine) or getattr(executor, "local", False):
        return True
    places = [getattr(executor, name, None) for name in ("address", "scheduler_file")]
    return hasattr(executor, "address") and places == [None, None]


class _Submission(Future[Evaluation]):
    """The evaluation of a child to come, which runs if its job does."""

    def __init__(self, job: "Future[bytes]") -> None:
        super().__init__()
        self._job = job

    def running(self) -> bool:
        """Return whether the child may have begun, as far as the executor tells."""
        return not self.done() and self._job.running()


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
    except NASGymError:  # of an engine whose machines are gone
        raise
    except BaseException as error:  # CancelledError; what the child raised past ``Exception``
        return row_of(error, architecture) or failed(architecture, error, 0.0)
    return read_outcome(pickled, architecture)


def _broken(error: BrokenExecutor) -> NASGymError:
    return NASGymError(
        f"the executor broke, as it does when a child ends one of its processes ({error}): what "
        "was recorded is kept and `nas-gym resume` continues it; give workers= instead of "
        "executor= for processes that are replaced"
    )
