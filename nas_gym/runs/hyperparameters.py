"""The hyperparameters of a search as flat names and plain values, as trackers of runs want them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from nas_gym.registry import spec_of

Plain = str | float | bool  # int is a float here

_NUMBERS = ("budget", "num_envs", "in_flight", "seed", "child_seed", "failure_reward")
_LONGEST = 200  # characters of a list; longer ones are data


def hyperparameters(parts: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Plain]:
    """Return names of parts, their options (defaults too) by dotted names, seeds and budget.

    Args:
        parts: Space, evaluator, agent and reward by kind, as ``Watcher`` has them from ``begun``.
        config: Of the run, from there as well.
    """
    found: dict[str, Plain] = {}
    for kind, part in parts.items():
        found[kind] = str(spec_of(kind, part)["name"])
        found |= _flat(kind, _options(part))
    found |= _flat("recipe", (config.get("protocol") or {}).get("recipe"))
    return found | dict(_flat("", {name: config.get(name) for name in _NUMBERS}))


def _options(part: Any) -> dict[str, Any]:
    if not is_dataclass(part):
        return {}
    return {field.name: getattr(part, field.name) for field in fields(part) if field.init}


def _flat(prefix: str, options: Any) -> Iterator[tuple[str, Plain]]:
    """Yield plain values and short lists; what is neither is no number to compare runs by."""
    for name, value in options.items() if isinstance(options, Mapping) else ():
        dotted = f"{prefix}.{name}" if prefix else str(name)
        if isinstance(value, Mapping):
            yield from _flat(dotted, value)
        elif isinstance(value, bool | int | float | str):
            yield dotted, value
        elif isinstance(value, list | tuple):
            try:
                text = json.dumps(value)
            except TypeError:
                continue
            if len(text) <= _LONGEST:
                yield dotted, text
