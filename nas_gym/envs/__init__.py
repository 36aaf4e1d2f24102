"""The environments, and the one door to an evaluator that stands behind them.

``env``, ``vector_env`` and ``async_env`` are what agents see, ``edit_env`` and ``edit_vector_env``
the same by edits (``edit_episode``); ``registration`` makes them for Gymnasium, ``wrappers`` puts
the mask elsewhere, ``multi_objective`` makes the reward a vector, ``preferences`` one number of
that. Behind them ``episode`` keeps the
tokens, ``ledger`` counts the budget and asks evaluators (``async_ledger`` without waiting for them,
by ``tickets``), ``rewards`` judges, ``clock`` adds up the seconds. ``recorder`` is the contract of
whatever writes a run down, ``objectives`` reads objectives and finds Pareto fronts,
``hypervolume`` measures these.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.edit_env import NASEditEnv
    from nas_gym.envs.edit_vector_env import NASEditVectorEnv
    from nas_gym.envs.env import NASEnv
    from nas_gym.envs.ledger import LedgerOptions
    from nas_gym.envs.objectives import pareto_front
    from nas_gym.envs.preferences import PreferenceInObservation
    from nas_gym.envs.recorder import Recorder
    from nas_gym.envs.vector_env import NASVectorEnv
    from nas_gym.envs.wrappers import BudgetInObservation, MaskInObservation

__all__ = [
    "BudgetInObservation",
    "LedgerOptions",
    "MaskInObservation",
    "NASAsyncVectorEnv",
    "NASEditEnv",
    "NASEditVectorEnv",
    "NASEnv",
    "NASVectorEnv",
    "PreferenceInObservation",
    "Recorder",
    "pareto_front",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "BudgetInObservation": "wrappers",
        "LedgerOptions": "ledger",
        "MaskInObservation": "wrappers",
        "NASAsyncVectorEnv": "async_env",
        "NASEditEnv": "edit_env",
        "NASEditVectorEnv": "edit_vector_env",
        "NASEnv": "env",
        "NASVectorEnv": "vector_env",
        "PreferenceInObservation": "preferences",
        "Recorder": "recorder",
        "pareto_front": "objectives",
    },
)
