"""One child as a job for another process: what is sent there, what happens, what comes back.

Everything is pickled here and not by whoever carries it: a pool would lose a job whose pickle
cannot be read, or end with it.
"""

import pickle
import time
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from typing import Any

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.doubts import doubts_of
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Job, settle_evaluator
from nas_gym.evaluators.failures import FAILURE_MOST, cut, failed
from nas_gym.evaluators.guard import Guard
from nas_gym.registry import unwrapped
from nas_gym.search_spaces.architecture import Architecture

UNSENT = Architecture((), None, "")  # what comes back has this: whoever asked knows the real one


def job_of(job: Job) -> bytes:
    """Return what is sent for a child.

    Raises:
        InvalidOption: The architecture cannot be sent.
    """
    try:
        return pickle.dumps(tuple(job))
    except Exception as error:
        raise _unreadable("architecture", error) from error


def dump_evaluator(evaluator: Evaluator, lends: bool = True) -> bytes:
    """Return what is sent to a process that is to use the evaluator.

    Args:
        evaluator: To be sent.
        lends: Whether it may lend its data in a file: the process must be on this machine.

    Raises:
        InvalidOption: It cannot be sent.
    """
    settle_evaluator(evaluator)  # so that all processes find the same data, or say what changed
    lend = getattr(evaluator, "lend_data", None)
    if lends and callable(lend):
        lend()
    try:
        return pickle.dumps(evaluator)
    except Exception as error:
        raise _unreadable(f"evaluator{_unpicklable_part(evaluator)}", error) from error


def load_evaluator(pickled: bytes) -> Evaluator:
    """Return the evaluator, in the process that is to use it.

    Raises:
        InvalidOption: It cannot be read there.
    """
    try:
        evaluator: Evaluator = pickle.loads(pickled)
    except NASGymError:  # it says itself what is wrong
        raise
    except Exception as error:
        raise _unreadable("evaluator", error) from error
    doubts_of(evaluator).hush()
    return evaluator


def evaluate_job(
    evaluator: Evaluator, job: bytes, passes: tuple[type[BaseException], ...] = ()
) -> Evaluation | NASGymError:
    """Return the child's evaluation, or an error that concerns all children.

    If the child raised, whatever it was, its evaluation is a failure.

    Args:
        evaluator: Anybody's; its answer is checked here, before it is sent.
        job: Of ``job_of``.
        passes: Exceptions that are the caller's business and no child's.
    """
    start = time.perf_counter()
    try:
        asked = Job(*pickle.loads(job))
    except Exception as error:
        return _unreadable("architecture", error)
    try:
        final = getattr(unwrapped(evaluator), "opens_test_part", False) is True
        ((_, evaluation),) = Guard(evaluator, final).evaluations({0: asked})
        return replace(evaluation, metrics=dict(evaluation.metrics))
    except passes:
        raise
    except NASGymError as error:
        return error
    except BaseException as error:  # what would be the answer to a signal elsewhere
        return failed(asked.architecture, error, max(0.0, time.perf_counter() - start))


def dump_outcome(outcome: Evaluation | NASGymError) -> bytes:
    """Return what is sent back: the outcome, or a failure if it cannot be pickled."""
    try:
        if isinstance(outcome, Evaluation):
            return pickle.dumps(replace(outcome, architecture=UNSENT))
        pickled = pickle.dumps(outcome)
        pickle.loads(pickled)  # a class of the user's may ask for other arguments
        return pickled
    except Exception as error:
        if isinstance(outcome, NASGymError):
            return pickle.dumps(NASGymError(str(outcome)))
        return pickle.dumps(failed(UNSENT, error, outcome.seconds))


def read_outcome(pickled: bytes, architecture: Architecture[Any]) -> Evaluation:
    """Return the evaluation that came back, of the very ``architecture`` that was asked for.

    Raises:
        NASGymError: For what concerns all children.
    """
    outcome = pickle.loads(pickled)
    if isinstance(outcome, NASGymError):
        raise outcome
    evaluation: Evaluation = replace(outcome, architecture=architecture)
    return evaluation


def _unpicklable_part(evaluator: Evaluator) -> str:
    """Return which option of an evaluator cannot be pickled, as the end of its name."""
    options: tuple[Any, ...] = fields(evaluator) if is_dataclass(evaluator) else ()
    for field in options:
        try:
            pickle.dumps(getattr(evaluator, field.name, None))
        except Exception:
            return f"'s {field.name}"
    return ""


def _unreadable(what: str, error: Exception) -> InvalidOption:
    reason = cut(f"{type(error).__name__}: {error}", FAILURE_MOST)
    if isinstance(error, MemoryError | OSError | ImportError) and not isinstance(
        error, ModuleNotFoundError
    ):
        return InvalidOption(
            f"worker processes cannot load the {what} ({reason}): look at the free memory and "
            "open files, and whether its modules can be imported"
        )
    return InvalidOption(
        f"worker processes cannot load the {what} ({reason}): "
        "define its classes in a module or a script, not in an interactive session"
    )


class SpreadEvaluator:
    """The base of ``parallel`` and ``executor``: ``inner`` evaluates, somewhere else."""

    inner: Evaluator
    changes_nothing = True  # about the numbers: records name the inner evaluator

    @cached_property
    def _ends(self) -> list[float]:
        """The moment at which the time is over, if there is one."""
        return []

    def end_at(self, moment: float) -> None:
        """Begin no child after ``moment`` of ``time.monotonic()``, and raise ``TimeUp`` then."""
        self._ends[:] = [moment]

    def settle(self) -> None:
        """Let the inner evaluator find its data and the like, in this process."""
        settle_evaluator(self.inner)

    @property
    def gives(self) -> tuple[str, ...] | None:
        """The names of the inner evaluator's metrics; None if it does not say."""
        return getattr(self.inner, "gives", None)

    @property
    def most_epochs(self) -> int | None:
        """The epochs of a whole training; None if the inner evaluator cannot train in part."""
        return getattr(self.inner, "most_epochs", None)

    @property
    def seeded(self) -> bool:
        """Whether what differs between the inner evaluator's answers follows from the seeds."""
        return getattr(self.inner, "seeded", False)

    @property
    def stateful(self) -> bool:
        """Whether the inner evaluator is."""
        return self.inner.stateful

    @property
    def protocol(self) -> dict[str, Any]:
        """That of the inner evaluator: where children are evaluated changes no result."""
        protocol: dict[str, Any] = getattr(self.inner, "protocol", {})
        return protocol
