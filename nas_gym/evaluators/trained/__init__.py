"""Evaluators that really train: children during a search, and afterwards what it found."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.evaluators.trained.images import TrainingEvaluator
    from nas_gym.evaluators.trained.text import LanguageModelEvaluator

__all__ = [
    "LanguageModelEvaluator",
    "TrainingEvaluator",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "LanguageModelEvaluator": "text",
        "TrainingEvaluator": "images",
    },
)
