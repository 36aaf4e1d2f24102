"""The environments, and the one door to an evaluator that stands behind them.

``env`` and ``vector_env`` are what agents see; ``registration`` makes them for Gymnasium,
``wrappers`` puts the mask elsewhere. Behind them ``episode`` keeps the tokens, ``ledger`` counts
the budget and asks evaluators, ``rewards`` judges, ``clock`` adds up the seconds. ``recorder`` is
the contract of whatever writes a run down, ``objectives`` finds Pareto fronts.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_gym.envs.env import NASEnv
    from nas_gym.envs.ledger import LedgerOptions
    from nas_gym.envs.objectives import pareto_front
    from nas_gym.envs.recorder import Recorder
    from nas_gym.envs.vector_env import NASVectorEnv
    from nas_gym.envs.wrappers import MaskInObservation

__all__ = [
    "LedgerOptions",
    "MaskInObservation",
    "NASEnv",
    "NASVectorEnv",
    "Recorder",
    "pareto_front",
]

_HOME = {
    "LedgerOptions": "ledger",
    "MaskInObservation": "wrappers",
    "NASEnv": "env",
    "NASVectorEnv": "vector_env",
    "Recorder": "recorder",
    "pareto_front": "objectives",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the store needs only some of these modules."""
    if name in _HOME:
        return getattr(import_module(f"nas_gym.envs.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nas_gym.envs' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
