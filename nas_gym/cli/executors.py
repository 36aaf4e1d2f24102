"""The option ``--executor``, for every command that trains children."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from nas_gym.cli.devices import device_of_trainer, say_devices
from nas_gym.cli.shared import (
    OptionalText,
    count_of,
    finite,
    memory_for,
    start_server_for,
    workers_for,
)
from nas_gym.errors import InvalidOption

if TYPE_CHECKING:
    from concurrent.futures import Executor

ExecutorName = Annotated[
    OptionalText,
    tyro.conf.arg(
        help="Engine that trains children on many machines: ray, dask, slurm, mpi, or "
        "module:factory of your own; --set executor.OPTION=… are its options."
    ),
]


def executor_for(
    named: str | None, options: Mapping[str, Any], workers: int | None
) -> "Executor | None":
    """Return the engine that a command names, not opened yet; None if it names none.

    Args:
        named: What ``--executor`` gives.
        options: What ``--set executor.…`` gives.
        workers: What ``--workers`` gives.

    Raises:
        InvalidOption: Options that exclude each other, or have no engine.
        UnknownName: There is no such engine.
    """
    if named is None:
        if options:
            raise InvalidOption(
                f"--set executor.{next(iter(options))} is given without an engine: name it with "
                "--executor"
            )
        return None
    if workers is not None:
        raise InvalidOption(
            f"--workers {workers} and --executor {named} are both given: give one of the two"
        )
    from nas_gym.evaluators.workers.engines.naming import executor_of

    return executor_of({"name": named, **options})


def say_unused(evaluator: object) -> None:
    """Say so if an evaluator answers in this process, so that no engine is opened."""
    from nas_gym.evaluators.evaluation import stays_here

    if stays_here(evaluator):
        print("the evaluator answers in this process: --executor does not apply", file=sys.stderr)


def place_children(
    evaluator: Any, executor: object, workers: int | None, memory_limit: float | None
) -> dict[str, Any]:
    """Say where children are trained and start what that needs; return two options.

    Args:
        evaluator: Trains them.
        executor: The engine; None: worker processes here.
        workers: What ``--workers`` gives.
        memory_limit: What ``--memory-limit`` gives.

    Returns:
        ``workers`` (0 with an engine) and ``memory_limit`` (GiB per child, None for no limit).
    """
    if executor is not None:
        say_unused(evaluator)
        return {"workers": 0, "memory_limit": finite(memory_limit)}
    count = workers_for(evaluator, workers)
    memory = memory_for(memory_limit, count)
    start_server_for(evaluator)
    say_devices(device_of_trainer(evaluator), count)
    return {"workers": count, "memory_limit": memory}


def trained_by(executor: object, named: str | None, workers: int, evaluator: object = None) -> str:
    """Return what trains the children, in words: ``2 workers`` or ``executor ray``."""
    from nas_gym.evaluators.evaluation import stays_here

    if executor is not None and evaluator is not None and stays_here(evaluator):
        return "in this process"
    return count_of(workers, "worker") if executor is None else f"executor {named}"
