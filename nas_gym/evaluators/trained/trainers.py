"""The evaluators that really train their children, by the name that plug-ins and protocols have."""

from collections.abc import Mapping
from types import MappingProxyType

from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.text import LanguageModelEvaluator

TRAINERS: Mapping[str, type[ChildTraining]] = MappingProxyType(
    {"training": TrainingEvaluator, "language-model": LanguageModelEvaluator}
)
