"""The environments, and the one door to an evaluator that stands behind them.

``env`` and ``vector_env`` are what agents see; ``registration`` makes them for Gymnasium,
``wrappers`` puts the mask elsewhere. Behind them ``episode`` keeps the tokens, ``ledger`` counts
the budget and asks evaluators, ``rewards`` judges, ``clock`` adds up the seconds. ``recorder`` is
the contract of whatever writes a run down, ``objectives`` finds Pareto fronts.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

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

__getattr__, __dir__ = exports(
    __name__,
    {
        "LedgerOptions": "ledger",
        "MaskInObservation": "wrappers",
        "NASEnv": "env",
        "NASVectorEnv": "vector_env",
        "Recorder": "recorder",
        "pareto_front": "objectives",
    },
)
