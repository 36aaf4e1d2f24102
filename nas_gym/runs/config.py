"""The configuration that runs a search again, as JSON data; the names of runs."""

import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nas_gym.errors import StoreError
from nas_gym.evaluators.metrics import Metric, leading_metric
from nas_gym.options.printable import printable
from nas_gym.plugins import PLUGINS
from nas_gym.registry import restorable, spec_of
from nas_gym.runs.recipe_words import unit_of
from nas_gym.search_spaces.limits import Limits

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv
    from nas_gym.store import RunData

BUDGET = 150  # evaluations, unless the user says else
TIMEOUT = 3600.0  # seconds that a child may take in a worker process, unless the user says else
PARTS = ("space", "evaluator", "agent", "reward")
_UNSIMULATED = {"budget_seconds": None, "simulated_workers": 1}


def new_run_name(space: str, agent: str) -> str:
    """Return a name for a run that starts now: what it does, and when."""
    parts = (re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-") for part in (space, agent))
    # The last part tells apart runs that start in the same second, on one machine or on many.
    return "-".join([*parts, f"{datetime.now():%Y%m%d-%H%M%S}", uuid4().hex[:4]])


def configuration(
    space: Any, evaluator: Any, agent: Any, reward: Any, env: "NASVectorEnv[Any]"
) -> dict[str, Any]:
    """Return what runs a search again, as JSON data."""
    parts = {"space": space, "evaluator": evaluator, "agent": agent, "reward": reward}
    ledger, own = env.ledger, own_metric(evaluator)
    flying = getattr(ledger, "in_flight", None)  # if it is asynchronous
    named = {kind: preset_of(parts[kind]) for kind in ("space", "agent")}
    presets = {kind: name for kind, name in named.items() if name is not None}
    simulated = {
        "budget_seconds": ledger.budget.seconds,
        "simulated_workers": ledger.clock.workers,
        **({} if ledger.budget.epochs is None else {"budget_epochs": ledger.budget.epochs}),
    }
    return {
        **{kind: spec_of(kind, part) for kind, part in parts.items()},
        **({} if simulated == _UNSIMULATED else {"simulated": simulated}),
        **({} if flying is None else {"in_flight": flying}),
        **_limits_of(env.space),
        **({} if own is None else {"leading_metric": asdict(own)}),
        **({} if not presets else {"presets": presets}),
        "restorable": all(restorable(kind, part, space=space) for kind, part in parts.items()),
        "protocol": getattr(evaluator, "protocol", None),
        "budget": ledger.budget.evaluations,
        "num_envs": env.num_envs,
        "child_seed": env.ledger.seed,
        "failure_reward": env.ledger.failure_reward,
    }


def _limits_of(space: Any) -> dict[str, Any]:
    """Return the limits of an environment's space as an entry; none without limits."""
    limits = getattr(space, "limits", None)
    return {"cost_limits": limits.to_json()} if isinstance(limits, Limits) else {}


def preset_of(part: Any) -> str | None:
    """Return the name of the preset that a part is equal to, of those in its own module."""
    presets = getattr(sys.modules.get(type(part).__module__), "PRESETS", {})
    if not isinstance(presets, Mapping) or part == presets.get("default"):
        return None
    same = [n for n, each in presets.items() if type(each) is type(part) and each == part]
    return same[0] if same else None


def name_with_preset(config: Mapping[str, Any], kind: str) -> str:
    """Return the name of a recorded space or agent as the user gives it: ``nsga2/deb2002``."""
    name = config.get(kind, {}).get("name", "-")  # a user's own loop may have recorded none
    preset = (config.get("presets") or {}).get(kind)
    return f"{name}/{preset}" if preset else str(name)


def space_and_data(space: str, *of: object) -> str:
    """Return a space and where the figures come from, for people: ``nasbench201 (cifar10)``.

    Args:
        space: Its name.
        of: A data set, the file of a table; what is no text is left out.
    """
    names = [printable(PurePath(each).name) for each in of if isinstance(each, str)]
    return f"{space} ({', '.join(names)})" if names else space


def own_metric(evaluator: Any) -> Metric | None:
    """Return the metric that a user's evaluator names as its leading one.

    None for our evaluators, whose figures tell it, and for those that name none: nothing is
    recorded of these.
    """
    ours = spec_of("evaluator", evaluator)["name"] in PLUGINS["evaluator"]
    if ours or not hasattr(evaluator, "leading_metric"):
        return None
    return leading_metric(evaluator)


def data_recorded(evaluator: Any) -> dict[str, Any] | None:
    """Return what a report is to know of the evaluator's data, as JSON data; None without data."""
    summary = getattr(evaluator, "data_summary", None)
    return summary() if callable(summary) else None


def recorded_parts(run: "RunData", parts: Collection[str] = PARTS) -> dict[str, Any]:
    """Return the parts of a run as it recorded them, by kind; raise StoreError if one is missing.

    A run that a loop of the user's own recorded has what that loop gave.
    """
    for name in parts:
        if name not in run.config:
            raise StoreError(
                f"run {run.name!r} was not recorded by a search: its configuration has no {name!r};"
                " go on with what recorded it"
            )
    return {name: run.config[name] for name in parts}


def other_budget(config: Mapping[str, Any]) -> str | None:
    """Return the budget of a run that is not one of evaluations, in words; None if it has none."""
    limits = config.get("simulated", {})
    if limits.get("budget_seconds") is not None:
        return f"{limits['budget_seconds']:g} simulated seconds"
    if limits.get("budget_epochs") is not None:
        return f"{limits['budget_epochs']:,} {unit_of(config.get('protocol'))}s of training"
    return None


def trained_protocol(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a run's architectures are trained for themselves; empty if that is unknown.

    It is how its children were trained, unless the protocol says ``alone``: what was measured of
    them was then something else, such as paths of shared weights.
    """
    protocol = config.get("protocol") or {}
    return {**protocol, **protocol.get("alone", {})}


def recorded_metric(config: Mapping[str, Any]) -> Metric | None:
    """Return the leading metric that a configuration holds."""
    return Metric(**config["leading_metric"]) if "leading_metric" in config else None


def protocol_of(config: dict[str, Any], space: Any, evaluator: Any) -> dict[str, Any] | None:
    """Return what evaluations depend on beside architecture and seed; None if that is unknown."""
    told = config["protocol"]
    # "__main__" is another module in each script.
    if evaluator.stateful or not told or type(evaluator).__module__ == "__main__":
        return None
    if not restorable("space", space):
        return None
    return {"space": config["space"], "evaluated_by": config["evaluator"]["name"], **told}
