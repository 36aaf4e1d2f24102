"""What runs a search again, as JSON data; the names of runs."""

import re
from datetime import datetime
from typing import Any
from uuid import uuid4

from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.registry import restorable, spec_of

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def new_run_name(space: str, agent: str) -> str:
    """A name for a run that starts now: what it does, and when."""
    parts = (re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-") for part in (space, agent))
    # The last part is for those that start in the same second, on one machine or on many.
    return "-".join([*parts, f"{datetime.now():%Y%m%d-%H%M%S}", uuid4().hex[:4]])


def checked_run_name(name: str) -> str:
    """``name``, or InvalidOption: it names a row and a folder."""
    if not RUN_NAME.fullmatch(name):
        raise InvalidOption(
            f"the run name {name!r} cannot name a folder: use up to 100 letters, digits, "
            "'.', '_' and '-', starting with a letter or digit"
        )
    return name


def _unwrapped(evaluator: Any) -> Any:
    """What gives the numbers, without where it runs, which changes none."""
    while getattr(evaluator, "changes_nothing", False):
        evaluator = evaluator.inner
    return evaluator


_UNSIMULATED = {"budget_seconds": None, "simulated_workers": 1}


def _configuration(
    space: Any, evaluator: Any, agent: Any, reward: Any, env: NASVectorEnv[Any]
) -> dict[str, Any]:
    """What runs it again, as JSON data."""
    parts = {"space": space, "evaluator": evaluator, "agent": agent, "reward": reward}
    ledger = env.ledger
    simulated = {
        "budget_seconds": ledger.budget_seconds,
        "simulated_workers": ledger.clock.workers,
    }
    return {
        **{kind: spec_of(kind, part) for kind, part in parts.items()},
        **({} if simulated == _UNSIMULATED else {"simulated": simulated}),
        "restorable": all(restorable(kind, part, space=space) for kind, part in parts.items()),
        "protocol": getattr(evaluator, "protocol", None),
        "budget": env.ledger.budget,
        "num_envs": env.num_envs,
        "child_seed": env.ledger.seed,
        "failure_reward": env.ledger.failure_reward,
    }


def _protocol(config: dict[str, Any], space: Any, evaluator: Any) -> dict[str, Any] | None:
    """What evaluations depend on beside architecture and seed; None where that is not told."""
    told = config["protocol"]
    # "__main__" is another module in each script.
    if evaluator.stateful or not told or type(evaluator).__module__ == "__main__":
        return None
    if not restorable("space", space):
        return None
    return {"space": config["space"], "evaluated_by": config["evaluator"]["name"], **told}
