"""Continue a recorded run where it was cut."""

import math
from concurrent.futures import Executor
from pathlib import Path

from nas_gym.envs.recorder import Watcher
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.options import check
from nas_gym.options.counts import Workers
from nas_gym.registry import check_part
from nas_gym.runs.search import SearchResult, search
from nas_gym.store import DEFAULT_STORE, load_run


def resume(
    run: str,
    store: str | Path = DEFAULT_STORE,
    *,
    budget: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Executor | None = None,
    watcher: Watcher | None = None,
) -> SearchResult:
    """Continue a recorded run where it was cut; its history is that of a run never cut.

    Args:
        run: Its name.
        store: The results database that has it.
        budget: A larger budget than it was begun with; None keeps it.
        workers: As in ``search``; None takes as many as the run had.
        timeout: As in ``search``; None keeps the run's own, ``math.inf`` lifts it this time.
        memory_limit: As in ``search``; None keeps the run's own, ``math.inf`` lifts it this time.
        executor: As in ``search``.
        watcher: As in ``search``.

    Raises:
        StoreError: There is no such run, a live process is writing it, or it was begun with
            objects that a record cannot hold.
        RunDiverged: It asks for other architectures than it did.
    """
    if watcher is not None:
        check_part("watcher", watcher)
    data = load_run(run, store)
    config = data.config
    if not config["restorable"]:
        raise StoreError(
            f"run {run!r} was begun from Python with objects that a record cannot hold: run that "
            f"script again with search(..., run={run!r}, resume=True)"
        )
    if budget is not None and config.get("simulated", {}).get("budget_seconds") is not None:
        raise InvalidOption(
            f"run {run!r} has a budget of {config['simulated']['budget_seconds']:g} simulated "
            "seconds, beyond which it cannot go on: leave the budget out, or start a new run"
        )
    workers = check("workers", workers, Workers | None)
    if workers is None:
        workers = 0 if executor is not None else int(data.sessions[-1].get("workers", 0))
    own = config.get("limits", {}) if workers > 0 else {}  # without workers nothing enforces them
    return search(
        config["space"],
        config["evaluator"],
        config["agent"],
        budget=config["budget"] if budget is None else budget,
        num_envs=config["num_envs"],
        reward=config["reward"],
        seed=config["seed"],
        child_seed=config["child_seed"],
        run=run,
        resume=True,
        workers=workers,
        timeout=_limit(timeout, own.get("timeout")),
        memory_limit=_limit(memory_limit, own.get("memory_limit")),
        executor=executor,
        failure_reward=config["failure_reward"],
        store=store,
        watcher=watcher,
        **config.get("simulated", {}),
    )


def _limit(given: float | None, own: float | None) -> float | None:
    if given is None:
        return own
    return None if given == math.inf else given
