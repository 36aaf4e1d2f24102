"""Continue a recorded run where it was cut."""

import math
from collections.abc import Collection, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from nas_gym.envs.recorder import Watcher
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.options import check
from nas_gym.options.counts import Workers
from nas_gym.options.durations import seconds_of
from nas_gym.registry import check_part, check_trusted
from nas_gym.runs.config import other_budget, recorded_parts
from nas_gym.runs.search import SearchResult, search
from nas_gym.store import DEFAULT_STORE, RunData, load_run
from nas_gym.training.devices import devices_of, kind_of_device

_NUMBERS = ("budget", "num_envs", "seed", "child_seed", "failure_reward", "restorable")


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
    time_limit: float | str | None = None,
    trust: Collection[str] = (),
    device: str | None = None,
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
        time_limit: As in ``search``, of this call; None keeps the run's own, unless a budget is
            given: then there is none. ``math.inf`` lifts it this time.
        trust: Modules, or packages, of the user's own parts: a record may come from anybody, so
            nothing that it names is imported unless it is nas-gym's or stands here.
        device: Another device that trains, or several, of the kind that the run had; None keeps
            what it had.

    Raises:
        UntrustedModule: The run has a part from a module that ``trust`` does not name.
        StoreError: There is no such run, a live process is writing it, or it was begun with
            objects that a record cannot hold.
        RunDiverged: It asks for other architectures than it did.
    """
    if watcher is not None:
        check_part("watcher", watcher)
    data = load_run(run, store)
    config = data.config
    parts = recorded_parts(data)
    recorded_parts(data, _NUMBERS)
    if not config["restorable"]:
        raise StoreError(
            f"run {run!r} was begun from Python with objects that a record cannot hold: run that "
            f"script again with search(..., run={run!r}, resume=True)"
        )
    other = other_budget(config)
    if budget is not None and other is not None:
        raise InvalidOption(
            f"run {run!r} has a budget of {other}, beyond which it cannot go on: leave the budget "
            "out, or start a new run"
        )
    check_trusted(f"run {run!r}", parts, trust)
    evaluator = parts["evaluator"] | ({} if device is None else device_option(device, data))
    workers = check("workers", workers, Workers | None)
    if workers is None:
        workers = 0 if executor is not None else _workers_of(data)
    # Without workers nothing enforces them.
    own = (config.get("limits") or {}) if workers > 0 else {}
    return search(
        config["space"],
        evaluator,
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
        time_limit=session_seconds(config, budget, time_limit),
        **config.get("simulated", {}),
    )


def device_option(device: str, run: RunData) -> dict[str, str]:
    """Return the option of the run's evaluator that moves it to another device of its kind.

    Raises:
        InvalidOption: The run trains nothing, or trained on a device of another kind.
    """
    name = run.config["evaluator"]["name"]
    if "device" not in (run.config.get("protocol") or {}):
        raise InvalidOption(
            f"device is {device!r}, and the evaluator {name!r} of run {run.name!r} trains nothing "
            "there: leave it out"
        )
    kind = (run.config.get("protocol") or {}).get("device")
    if kind is not None and kind_of_device(",".join(devices_of(device))) != kind:
        raise InvalidOption(
            f"device is {device!r}, and run {run.name!r} was begun on {kind}, where results "
            "differ: give a device of that kind, or start a new run"
        )
    return {"device": device}


def session_seconds(
    config: Mapping[str, Any], budget: int | None, given: float | str | None
) -> float | None:
    """Return the wall-clock seconds that ``resume`` may take; None for no limit.

    Args:
        config: Of the run.
        budget: As given to ``resume``.
        given: As given to ``resume``.

    Raises:
        InvalidOption: No time, or nothing would ever end the run.
    """
    own = None if budget is not None else config.get("limits", {}).get("time_limit")
    seconds = _limit(seconds_of("time_limit", given), own)
    endless = config["budget"] is None and other_budget(config) is None
    if seconds is None and budget is None and endless:
        raise InvalidOption(
            "the run has no budget beside its time: give a time limit (--time), or a budget"
        )
    return seconds


def _workers_of(run: RunData) -> int:
    return int(run.sessions[-1].get("workers", 0)) if run.sessions else 0


def _limit(given: float | None, own: float | None) -> float | None:
    if given is None:
        return own
    return None if given == math.inf else given
