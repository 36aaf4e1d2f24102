"""WHERE children are evaluated: worker processes that may die, or any executor."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.evaluators.workers.executor import ExecutorEvaluator
    from nas_gym.evaluators.workers.parallel import ParallelEvaluator

__all__ = [
    "ExecutorEvaluator",
    "ParallelEvaluator",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "ExecutorEvaluator": "executor",
        "ParallelEvaluator": "parallel",
    },
)
