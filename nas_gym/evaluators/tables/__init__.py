"""Evaluators that look up what was trained before; ``tabular`` is what they have in common."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.evaluators.tables.file import TableFile
    from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
    from nas_gym.evaluators.tables.nats_bench import NATSBench
    from nas_gym.evaluators.tables.tabular import TabularEvaluator

__all__ = [
    "NASBench201Table",
    "NATSBench",
    "TableFile",
    "TabularEvaluator",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "NASBench201Table": "nasbench201",
        "NATSBench": "nats_bench",
        "TableFile": "file",
        "TabularEvaluator": "tabular",
    },
)
