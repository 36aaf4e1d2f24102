"""The place where an evaluator's children run: this process, workers, or an executor."""

from typing import Annotated, Any

from annotated_types import Gt

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import keeps_state, stays_here
from nas_gym.evaluators.workers.engines.engine import Engine
from nas_gym.evaluators.workers.engines.naming import executor_of
from nas_gym.options import check
from nas_gym.options.counts import Workers
from nas_gym.registry import Part


def in_workers(
    evaluator: Any,
    workers: int,
    *,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Part | None = None,
) -> Any:
    """Return ``evaluator`` spread over workers or an executor; unchanged for 0 and None.

    Args:
        evaluator: Gives the numbers; it must be picklable to be spread. One that is ``instant`` (a
            table), or says ``in_this_process``, stays in this process; one that is ``stateful`` and
            not ``seeded`` is held by one process, never by several.
        workers: Processes on this machine, >= 0, each replaced when a child ends it; 0 for none.
        timeout: Seconds that a child may take in a worker or an engine, > 0; None for no limit.
        memory_limit: GiB that a child may allocate there, > 0; None for no limit. Linux only.
        executor: Instead of workers an engine, by name or as JSON data (``executor_of``), which is
            closed with the evaluator; or a live ``concurrent.futures.Executor``, which stays open
            and has limits of its own.

    Raises:
        InvalidOption: An option out of range, options that exclude each other, or a stateful
            evaluator for more than one process.
    """
    workers = check("workers", workers, Workers)
    limit_of_a_child = Annotated[float, Gt(0)] | None
    timeout = check("timeout", timeout, limit_of_a_child)
    memory_limit = check("memory_limit", memory_limit, limit_of_a_child)
    executor = executor_of(executor)
    limits = {"timeout": timeout, "memory_limit": memory_limit}
    for name, limit in limits.items():
        if limit is not None and workers == 0 and not isinstance(executor, Engine):
            raise InvalidOption(
                f"{name} is {limit} and workers is 0: only worker processes can be limited, give "
                "workers=1 or more, or an executor by its name"
            )
    if executor is not None and workers > 0:
        raise InvalidOption(f"workers is {workers} and there is an executor: give one of the two")
    if stays_here(evaluator):
        return evaluator
    if isinstance(executor, Engine):
        from nas_gym.evaluators.workers.engines.evaluator import EngineEvaluator

        return EngineEvaluator(evaluator, executor, timeout, memory_limit)
    if executor is not None:
        from nas_gym.evaluators.workers.executor import ExecutorEvaluator

        return ExecutorEvaluator(evaluator, executor)
    if workers == 0:
        return evaluator
    if workers > 1 and keeps_state(evaluator):
        raise InvalidOption(
            f"workers is {workers}, and the evaluator {type(evaluator).__name__} is stateful, so "
            "that each process would have a state of its own: give workers=1, or 0 for this process"
        )
    from nas_gym.evaluators.workers.parallel import ParallelEvaluator

    return ParallelEvaluator(evaluator, workers, timeout, memory_limit)
