"""Trains what a search has found and measures it on the test part: for final validation alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.training import TrainingEvaluator

if TYPE_CHECKING:
    from torch import nn

    from nas_gym.training.train import TrainResult


@dataclass(frozen=True)
class FinalTraining(TrainingEvaluator):
    """A ``TrainingEvaluator`` with one more metric, ``test_accuracy``, taken after the training.

    Its evaluations are the only ones with a test figure, and become ``Validation`` objects at once.
    ``nas_gym.validating`` runs it, in worker processes or not. No search can: whoever asks whether
    its answers may be kept, as every search does before it evaluates, gets an InvalidOption.
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
        from nas_gym.training.train import measure_test_accuracy

        metrics = super()._metrics(network, result)
        test_accuracy = measure_test_accuracy(network, self.data)
        return metrics if test_accuracy is None else {**metrics, "test_accuracy": test_accuracy}
