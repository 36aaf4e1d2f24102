"""Trains the cells that a search has found and reads the test text: for final validation alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.language import LanguageModelEvaluator

if TYPE_CHECKING:
    from torch import nn

    from nas_gym.training.language import LanguageResult


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
        from nas_gym.training.language import measure_test_perplexity

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
