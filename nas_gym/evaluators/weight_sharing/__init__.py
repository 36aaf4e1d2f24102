"""Evaluation by shared weights: one supernet is trained, and each architecture is a path in it."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.evaluators.weight_sharing.evaluator import WeightSharing

__all__ = ["WeightSharing"]

__getattr__, __dir__ = exports(__name__, {"WeightSharing": "evaluator"})
