"""Training of what a search has found, measured on the test part: for final validation only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.text import LanguageModelEvaluator

if TYPE_CHECKING:
    from torch import nn

    from nas_gym.training.images.train import TrainResult
    from nas_gym.training.text.train import LanguageResult


class _Final(ChildTraining):
    """An evaluator whose evaluations are the only ones with test figures.

    They become ``Validation`` objects at once. ``nas_gym.runs.validate`` runs it, in worker
    processes or not. No search can: each one asks whether answers may be kept before it evaluates,
    and gets an InvalidOption.
    """

    opens_test_part = True  # asked by the guard in a worker; that of a search asks nobody
    seeded = True  # asked instead of ``stateful`` by whoever only spreads it over processes

    def check_place(self) -> None:
        """Leave it to whoever loads the data, and knows where it lay during the search."""

    @property
    def stateful(self) -> NoReturn:  # type: ignore[override]
        """Nothing: this raises InvalidOption, which keeps the evaluator out of searches."""
        raise InvalidOption(
            f"{type(self).__name__} reads the test part, which no search may see: search with the "
            f"evaluator {self.name!r}, then run `nas-gym validate`"
        )


@dataclass(frozen=True)
class FinalTraining(_Final, TrainingEvaluator):
    """A ``TrainingEvaluator`` with two more metrics, taken after the training.

    ``test_accuracy`` and ``test_balanced_accuracy`` are missing if a logit of the test part is not
    finite.

    Args:
        space: As all others, see ``TrainingEvaluator``.
    """

    def metrics(self, network: "nn.Module", result: "TrainResult") -> dict[str, float]:
        """Return those of the search, and the test accuracies."""
        from nas_gym.training.images.train import measure_test_scores

        metrics = super().metrics(network, result)
        tested = measure_test_scores(network, self.data, device=self.device_here)
        if tested is None:
            return metrics
        return metrics | {f"test_{name}": value for name, value in tested._asdict().items()}


@dataclass(frozen=True)
class FinalLanguageTraining(_Final, LanguageModelEvaluator):
    """A ``LanguageModelEvaluator`` with three more metrics, taken after the training.

    ``test_perplexity``, ``test_bits_per_character`` and ``test_accuracy`` are missing if a logit of
    the test part is not finite.

    Args:
        space: As all others, see ``LanguageModelEvaluator``.
    """

    def metrics(self, network: "nn.Module", result: "LanguageResult") -> dict[str, float]:
        """Return those of the search, and the test figures."""
        from nas_gym.training.text.train import measure_test_perplexity

        metrics = super().metrics(network, result)
        tested = measure_test_perplexity(network, self.data, device=self.device_here)
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
    "training": (
        FinalTraining,
        ("folder", "download", "image_size", "threads", "validation", "test", "device"),
    ),
    "language-model": (FinalLanguageTraining, ("level", "vocabulary", "threads", "device")),
}
