"""The layers and kernels that the networks of search spaces share; they know no space."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.networks.cost import count_multiply_adds, count_parameters
    from nas_gym.networks.task import LanguageTask, Task

__all__ = [
    "LanguageTask",
    "Task",
    "count_multiply_adds",
    "count_parameters",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "LanguageTask": "task",
        "Task": "task",
        "count_multiply_adds": "cost",
        "count_parameters": "cost",
    },
)
