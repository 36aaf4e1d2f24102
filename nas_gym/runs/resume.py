"""Continue a recorded run where it was cut."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from nas_gym.envs.recorder import Watching
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.workers.engines.engine import Engine
from nas_gym.evaluators.workers.engines.naming import executor_of
from nas_gym.options import check
from nas_gym.options.counts import Workers
from nas_gym.options.durations import seconds_of
from nas_gym.registry import Part, check_trusted
from nas_gym.runs.config import other_budget, recorded_parts
from nas_gym.runs.flying import RECORDED
from nas_gym.runs.search import SearchResult, search
from nas_gym.store import DEFAULT_STORE, RunData, load_run
from nas_gym.training.devices import devices_of, kind_of_device

_NUMBERS = ("budget", "num_envs", "seed", "child_seed", "failure_reward", "restorable")


def resume(
    run: str,
    store: str | Path = DEFAULT_STORE,
    *,
    budget: int | None = None,
    budget_epochs: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Part | None = None,
    watcher: Watching = None,
    time_limit: float | str | None = None,
    trust: Collection[str] = (),
    device: str | None = None,
) -> SearchResult:
    """Continue a recorded run where it was cut; its history is that of a run never cut.

    Args:
        run: Its name.
        store: The results database that has it.
        budget: A larger budget than it was begun with; None keeps it.
        budget_epochs: A larger budget of epochs, of a run that has one; None keeps it.
        workers: As in ``search``; None takes as many as the run had, if there is no executor.
        timeout: As in ``search``; None keeps the run's own, ``math.inf`` lifts it this time.
        memory_limit: As in ``search``; None keeps the run's own, ``math.inf`` lifts it this time.
        executor: As in ``search``; None takes the engine that the run had last, if workers are not
            given.
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
    return search(**recorded_options(
        load_run(run, store), store, budget=budget, budget_epochs=budget_epochs,
        workers=workers, timeout=timeout,
        memory_limit=memory_limit, executor=executor, watcher=watcher, time_limit=time_limit,
        trust=trust, device=device,
    ))  # fmt: skip


def recorded_options(
    data: RunData,
    store: str | Path,
    *,
    budget: int | None = None,
    budget_epochs: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Part | None = None,
    watcher: Watching = None,
    time_limit: float | str | None = None,
    trust: Collection[str] = (),
    device: str | None = None,
) -> dict[str, Any]:
    """Return the arguments with which ``search`` goes on with a run, as ``resume`` takes them."""
    config, run = data.config, data.name
    parts = recorded_parts(data)
    recorded_parts(data, _NUMBERS)
    if not config["restorable"]:
        raise StoreError(
            f"run {run!r} was begun from Python with objects that a record cannot hold: run that "
            f"script again with search(..., run={run!r}, resume=True)"
        )
    simulated = {**config.get("simulated", {}), **more_epochs(data, budget_epochs)}
    other = other_budget(config)
    if budget is not None and other is not None:
        hint = " (give more with budget_epochs)" if other.endswith("s of training") else ""
        raise InvalidOption(
            f"run {run!r} has a budget of {other}{hint}, and one of evaluations cannot be added: "
            "leave it out, or start a new run"
        )
    had = last_executor(data) if executor is None and workers is None else None
    check_trusted(f"run {run!r}", parts | ({} if had is None else {"executor": had}), trust)
    executor = executor if had is None else had
    executor = executor_of(executor)
    evaluator = parts["evaluator"] | ({} if device is None else device_option(device, data))
    workers = check("workers", workers, Workers | None)
    if workers is None:
        workers = 0 if executor is not None else _workers_of(data)
    limited = workers > 0 or isinstance(executor, Engine)  # otherwise nothing enforces them
    own = (config.get("limits") or {}) if limited else {}
    return {
        "space": config["space"],
        "evaluator": evaluator,
        "agent": config["agent"],
        "budget": config["budget"] if budget is None else budget,
        "num_envs": config["num_envs"],
        "reward": config["reward"],
        "seed": config["seed"],
        "child_seed": config["child_seed"],
        "run": run,
        "resume": True,
        "workers": workers,
        "timeout": _limit(timeout, own.get("timeout")),
        "memory_limit": _limit(memory_limit, own.get("memory_limit")),
        "executor": executor,
        "failure_reward": config["failure_reward"],
        "store": store,
        "watcher": watcher,
        "time_limit": session_seconds(config, budget or budget_epochs, time_limit),
        "asynchronous": RECORDED in config,
        "in_flight": config.get(RECORDED),
        "limits": config.get("cost_limits"),
        **simulated,
    }


def more_epochs(run: RunData, budget_epochs: int | None) -> dict[str, int]:
    """Return the option by which a run has a larger budget of epochs; none if it keeps its own.

    Raises:
        InvalidOption: The run has no such budget, or a larger one.
    """
    if budget_epochs is None:
        return {}
    had = run.config.get("simulated", {}).get("budget_epochs")
    given = check("budget_epochs", budget_epochs, Annotated[int, Ge(1)])
    if had is None:
        raise InvalidOption(
            f"budget_epochs is {given:,}, and run {run.name!r} has no budget of epochs: leave it "
            "out, or start a new run"
        )
    if given < had:
        raise InvalidOption(
            f"budget_epochs is {given:,}, and run {run.name!r} was begun with {had:,}: give as "
            "many or more"
        )
    return {"budget_epochs": given}


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
        budget: As given to ``resume``, of evaluations or of epochs.
        given: As given to ``resume``.

    Raises:
        InvalidOption: No time, or nothing would ever end the run.
    """
    own = None if budget is not None else config.get("limits", {}).get("time_limit")
    seconds = _limit(seconds_of("time_limit", given), own)
    endless = config["budget"] is None and other_budget(config) is None
    if seconds is None and budget is None and endless:
        raise InvalidOption("the run has no budget beside its time: give a time_limit, or a budget")
    return seconds


def last_executor(run: RunData) -> dict[str, Any] | None:
    """Return the engine that a run had when it was last begun or gone on with, as JSON data."""
    spec = run.sessions[-1].get("executor") if run.sessions else None
    return spec if isinstance(spec, dict) else None


def _workers_of(run: RunData) -> int:
    return int(run.sessions[-1].get("workers", 0)) if run.sessions else 0


def _limit(given: float | None, own: float | None) -> float | None:
    if given is None:
        return own
    return None if given == math.inf else given
