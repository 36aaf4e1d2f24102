"""Whether a search waits for batches, and how many children are in flight if it does not."""

from pathlib import Path
from typing import Any

from nas_gym.agent import searches_async
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.workers.engines.engine import Engine
from nas_gym.options import check
from nas_gym.store import load_run

FEW = 8  # children on an executor that does not say its size
RECORDED = "in_flight"  # in a run's configuration, if it is asynchronous


def children_in_flight(
    agent: Any,
    evaluator: Any,
    asynchronous: bool | None,
    given: int | None,
    num_envs: int | None,
    simulated_workers: int,
    again: tuple[str | None, str | Path] | None = None,
) -> int | None:
    """Return how many children are in flight; None if the agent waits for whole batches.

    Args:
        agent: Who searches.
        evaluator: As it is spread.
        asynchronous: As given to ``search``.
        given: ``in_flight``, as given to ``search``.
        num_envs: As given to ``search``.
        simulated_workers: As given to ``search``.
        again: The run that may be gone on with, and its store: what is left out here is as it was.

    Raises:
        InvalidOption: The agent always waits, or options that exclude each other.
        NASGymError: An engine that is asked for its room cannot be opened.
    """
    asynchronous = check("asynchronous", asynchronous, bool | None)
    recorded = None if again is None else _recorded(*again)
    if recorded is not None and asynchronous is None:
        asynchronous = recorded[0]
        if not asynchronous and given is not None:
            raise InvalidOption(
                f"in_flight is {given}, and run {again[0]!r} was begun in rounds: leave it out, or "  # type: ignore[index]
                "start a new run"
            )
        given = recorded[1] if given is None else given
    if asynchronous is False:
        if given is not None:
            raise InvalidOption(
                f"in_flight is {given} and asynchronous is False: a batch is waited for, so give "
                "num_envs, or leave one of the two out"
            )
        return None
    able = searches_async(agent)
    wanted = asynchronous is True or given is not None
    if wanted and not able:
        how = " with these options" if hasattr(agent, "search_async") else ""
        raise InvalidOption(
            f"the agent {type(agent).__name__}{how} waits for whole batches and cannot search "
            "asynchronously: give one that can, such as 'nsga2' or 'regularized-evolution', or "
            "leave asynchronous and in_flight out"
        )
    if given is not None:
        return given
    if not wanted and (not able or num_envs is not None):
        return None
    if wanted and simulated_workers > 1:
        return simulated_workers
    at_once = _at_once(evaluator, agent)
    if not wanted and at_once == 1:
        return None
    return simulated_workers if simulated_workers > 1 else at_once


def flying_in_words(number: int) -> str:
    """Return what a user is told of so many children in flight."""
    return f"asynchronous, {number} in flight"


def _at_once(evaluator: Any, agent: Any) -> int:
    """Return how many children an evaluator trains at once; this opens an engine.

    An executor that does not say how many it has room for gets a batch of the agent's, or a few.
    """
    if not hasattr(evaluator, "submit"):
        return 1
    executor = getattr(evaluator, "executor", None)
    if executor is None:
        return int(getattr(evaluator, "workers", 1))
    room = executor.room() if isinstance(executor, Engine) else _size_of(executor)
    return room or max(FEW, int(agent.batch_size))


def _size_of(executor: Any) -> int | None:
    size = getattr(executor, "_max_workers", None)  # those of the standard library have it
    return size if isinstance(size, int) else None


def _recorded(run: str | None, store: str | Path) -> tuple[bool, int | None] | None:
    """Return whether a run is asynchronous, and its children in flight; None if there is no run."""
    try:
        config = {} if run is None else load_run(run, store).config
    except StoreError:  # what begins it says what is wrong, if it is
        return None
    return (RECORDED in config, config.get(RECORDED)) if config else None
