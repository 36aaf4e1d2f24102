"""Evaluators, which say how good an architecture is; see ``docs/guide/own_evaluator.md``.

- ``evaluation`` is the contract: ``Evaluator``, and the ``Evaluation`` that it gives.
- ``trained`` really trains children, on images or on text; ``final`` there opens the test part.
- ``tables`` looks up what was trained before: NAS-Bench-201, NATS-Bench, the user's own file.
- ``weight_sharing`` trains weights that all architectures share, and measures paths in them.
- ``landscapes`` are synthetic accuracies that cost nothing.
- ``workers`` says where children run: ``parallel`` in processes that may die, ``executor`` in any
  ``concurrent.futures.Executor``; ``spread`` chooses.
- ``metrics`` says what the numbers mean, ``failures`` turns an exception into an evaluation,
  ``configured`` is the base of evaluators that load things.

The names below are imported when they are first used: most need numpy, and some torch.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Validation, submit
    from nas_gym.evaluators.landscapes import BitCount, Landscape
    from nas_gym.evaluators.tables.file import TableFile
    from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
    from nas_gym.evaluators.tables.nats_bench import NATSBench
    from nas_gym.evaluators.tables.tabular import TabularEvaluator
    from nas_gym.evaluators.trained.images import TrainingEvaluator
    from nas_gym.evaluators.trained.text import LanguageModelEvaluator
    from nas_gym.evaluators.weight_sharing.evaluator import WeightSharing
    from nas_gym.evaluators.workers.executor import ExecutorEvaluator
    from nas_gym.evaluators.workers.parallel import ParallelEvaluator

__all__ = [
    "BitCount",
    "Evaluation",
    "Evaluator",
    "ExecutorEvaluator",
    "Landscape",
    "LanguageModelEvaluator",
    "NASBench201Table",
    "NATSBench",
    "ParallelEvaluator",
    "TableFile",
    "TabularEvaluator",
    "TrainingEvaluator",
    "Validation",
    "WeightSharing",
    "submit",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "BitCount": "landscapes",
        "Evaluation": "evaluation",
        "Evaluator": "evaluation",
        "ExecutorEvaluator": "workers.executor",
        "Landscape": "landscapes",
        "LanguageModelEvaluator": "trained.text",
        "NASBench201Table": "tables.nasbench201",
        "NATSBench": "tables.nats_bench",
        "ParallelEvaluator": "workers.parallel",
        "TableFile": "tables.file",
        "TabularEvaluator": "tables.tabular",
        "TrainingEvaluator": "trained.images",
        "Validation": "evaluation",
        "WeightSharing": "weight_sharing.evaluator",
        "submit": "evaluation",
    },
)
