"""Engines that run children on many machines, by name: Ray, Dask, SLURM, MPI, or your own.

Each is a frozen dataclass of options and a ``concurrent.futures.Executor`` that is opened with the
first child; nothing of theirs is imported before.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.evaluators.workers.engines.dask import Dask
    from nas_gym.evaluators.workers.engines.engine import Engine
    from nas_gym.evaluators.workers.engines.evaluator import EngineEvaluator
    from nas_gym.evaluators.workers.engines.mpi import MPI
    from nas_gym.evaluators.workers.engines.naming import executor_of
    from nas_gym.evaluators.workers.engines.ray import Ray
    from nas_gym.evaluators.workers.engines.slurm import Slurm

__all__ = [
    "MPI",
    "Dask",
    "Engine",
    "EngineEvaluator",
    "Ray",
    "Slurm",
    "executor_of",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Dask": "dask",
        "Engine": "engine",
        "EngineEvaluator": "evaluator",
        "MPI": "mpi",
        "Ray": "ray",
        "Slurm": "slurm",
        "executor_of": "naming",
    },
)
