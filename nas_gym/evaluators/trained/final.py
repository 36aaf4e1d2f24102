"""Trains what a search has found and measures it on the test part: for final validation alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.text import LanguageModelEvaluator

if TYPE_CHECKING:
    from nas_gym.training.text.train import LanguageResult

if TYPE_CHECKING:
    from torch import nn

    from nas_gym.training.images.train import TrainResult


@dataclass(frozen=True)
class FinalTraining(TrainingEvaluator):
    """A ``TrainingEvaluator`` with one more metric, ``test_accuracy``, taken after the training.

    Its evaluations are the only ones with a test figure, and become ``Validation`` objects at once.
    ``nas_gym.runs.validate`` runs it, in worker processes or not. No search can: whoever asks
    whether its answers may be kept, as every search does before it evaluates, gets an
    InvalidOption.
    ``test_accuracy`` is missing where a logit of the test part is not finite.

    Args:
        space: As all others, see ``TrainingEvaluator``.
    """

    @property
    def stateful(self) -> NoReturn:  # type: ignore[override]
        """Raises InvalidOption: this is what keeps it out of searches."""
        raise InvalidOption(
            "FinalTraining measures the test part, which no search may see: search with the "
            "evaluator 'training', then run `nas-gym validate`"
        )

    def _metrics(self, network: "nn.Module", result: "TrainResult") -> dict[str, float]:
        from nas_gym.training.images.train import measure_test_accuracy

        metrics = super()._metrics(network, result)
        test_accuracy = measure_test_accuracy(network, self.data)
        return metrics if test_accuracy is None else {**metrics, "test_accuracy": test_accuracy}


@dataclass(frozen=True)
class FinalLanguageTraining(LanguageModelEvaluator):
    """A ``LanguageModelEvaluator`` with three more metrics, taken after the training.

    ``test_perplexity``, ``test_bits_per_character`` and ``test_accuracy`` are missing where a logit
    of the test part is not finite. What keeps it out of searches is said in ``FinalTraining``.

    Args:
        space: As all others, see ``LanguageModelEvaluator``.
    """

    @property
    def stateful(self) -> NoReturn:  # type: ignore[override]
        """Raises InvalidOption: this is what keeps it out of searches."""
        raise InvalidOption(
            "FinalLanguageTraining reads the test part, which no search may see: search with the "
            "evaluator 'language-model', then run `nas-gym validate`"
        )

    def _metrics(self, network: "nn.Module", result: "LanguageResult") -> dict[str, float]:
        from nas_gym.training.text.train import measure_test_perplexity

        metrics = super()._metrics(network, result)
        tested = measure_test_perplexity(network, self.data)
        if tested is None:
            return metrics
        return {
            **metrics,
            "test_perplexity": tested.perplexity,
            "test_bits_per_character": tested.bits_per_character,
            "test_accuracy": tested.accuracy,
        }


# What trains again what an evaluator trained, by the evaluator's name, and the options that it
# takes over from the run.
FINAL: Mapping[str, tuple[type[FinalTraining] | type[FinalLanguageTraining], tuple[str, ...]]] = {
    "training": (FinalTraining, ("folder", "download", "image_size", "threads")),
    "language-model": (FinalLanguageTraining, ("level", "vocabulary", "threads")),
}
