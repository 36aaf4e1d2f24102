"""The evaluator that really trains each recurrent child as a language model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidSpace
from nas_gym.evaluators.metrics import PERPLEXITY
from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.networks.task import LanguageTask, task_to_json
from nas_gym.networks.task_kinds import TEXT
from nas_gym.options.counts import Threads
from nas_gym.options.paths import user_path
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.places import text_at
from nas_gym.training.text.files import text_files
from nas_gym.training.text.recipe import LanguageRecipe, language_recipe_of
from nas_gym.training.text.sources import Level, Vocabulary

if TYPE_CHECKING:  # torch is imported when the first child is trained, not by ``gym.make``
    from torch import nn

    from nas_gym.training.loop import Training
    from nas_gym.training.text.dataset import TextDataset
    from nas_gym.training.text.train import LanguageResult


@dataclass(frozen=True)
class LanguageModelEvaluator(ChildTraining):
    """An evaluator that trains each cell as a language model and reports validation perplexity.

    Metrics: ``perplexity`` (best of the last five epochs), ``final_perplexity``; of the best epoch
    ``bits_per_character`` and ``accuracy`` (fraction of words or characters that were the most
    likely prediction); ``parameters``, ``multiply_adds`` (of one token). The same architecture and
    seed give the same perplexity, bit for bit, on one machine, whatever ran before and however
    many workers there are.

    Args:
        space: A space with ``usual_evaluator = "language-model"`` whose ``build(genotype, task)``
            returns a language model (see ``nas_gym.networks.language_model``).
        dataset: A name, a folder, or a ``TextDataset`` (see ``nas_gym.training.text.dataset``).
        recipe: A name from ``LANGUAGE_RECIPES``, ``{"name": …}`` with fields to replace, or a
            ``LanguageRecipe``; None: the space's ``usual_recipe``, or ``"quick-text"`` if it has
            none.
        level: ``"word"`` or ``"character"``; of a text given by name or folder.
        vocabulary: Most entries of its vocabulary, >= 3; None: see ``load_text``.
        threads: Torch threads while a child trains, >= 1; one per process is fastest for small
            children if there is a process per core.
        device: Device that trains a child: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default the GPU
            if there is one, else the CPU. Several, separated by commas, are shared by worker
            processes: the i-th takes the i-th, in turns (other processes take the first). Results
            are the same on devices of one kind.
        latency: Whether the metric ``latency`` is measured as well, right after the training: the
            seconds that a batch of one token takes in evaluation mode, a median, on one thread,
            where it was trained. Workers measure one after the other, and waiting counts to a
            child's time; trainings of others go on beside it, so that only one worker measures
            undisturbed. Runs share results only if their processors are the same.
        curve: Whether each evaluation has a learning curve: the perplexity after every epoch.
        checkpoints: Folder for children that are trained in part, so that they can go on; by
            default one in the system's folder for temporary files. It holds at most 1 GiB per data
            set and recipe, and what a search wrote there is removed when it is finished.
        processor_time: Whether the metric ``processor_seconds`` is measured as well: the time that
            the training took of a processor, which is no longer if the machine is busy.

    Raises:
        InvalidSpace: ``space`` has no ``build``, or builds no language models.
        InvalidOption: A value that an option does not take.
        UnknownName: No such recipe, or no such value in it. (An unknown or broken text is found at
            its first use.)
    """

    space: NetworkSpace[Any]
    dataset: "str | TextDataset" = "python-docs"
    recipe: str | Mapping[str, Any] | LanguageRecipe | None = None
    level: Level = "word"
    vocabulary: Vocabulary = None
    threads: Threads = 1
    device: str | None = None
    latency: bool = False
    curve: bool = False
    checkpoints: str | Path | None = None
    processor_time: bool = False

    name = "language-model"
    recipe_class = LanguageRecipe
    task_kind = TEXT
    leading_metric = PERPLEXITY
    measures = (
        "perplexity",
        "final_perplexity",
        "bits_per_character",
        "accuracy",
        "parameters",
        "multiply_adds",
    )
    data_has = ("vocabulary", "train_characters", "fingerprint")

    @classmethod
    def recorded_task(
        cls, space: NetworkSpace[Any], genotype: Any, protocol: Mapping[str, Any]
    ) -> Any:
        """Return the task: it may depend on the cell, on how many units have so many parameters."""
        from nas_gym.training.text.sizing import language_task_of

        try:
            recipe = LanguageRecipe(**protocol["recipe"])
        except TypeError:
            return None  # a recipe of another version of nas-gym
        return task_to_json(language_task_of(space, genotype, recipe, protocol["vocabulary"]))

    def __post_init__(self) -> None:
        super().__post_init__()
        if getattr(self.space, "usual_evaluator", None) != self.name:
            raise InvalidSpace(
                f"{type(self.space).__name__} is no space of language models: give the evaluator "
                f"'training' for images, or say usual_evaluator = {self.name!r} in a space whose "
                "build returns language models"
            )
        _ = self.named_recipe

    def check_place(self) -> None:
        """Raise an error if there is no such text, or the folder has no such files."""
        assert isinstance(self.dataset, str)
        if text_at(self.dataset) == "folder":
            text_files(user_path(self.dataset, "dataset"), self.level)

    @property
    def named_recipe(self) -> LanguageRecipe:
        """The recipe itself."""
        usual = getattr(self.space, "usual_recipe", "quick-text")
        return language_recipe_of(usual if self.recipe is None else self.recipe, usual)

    @cached_property
    def data(self) -> "TextDataset":
        """The text itself, loaded and checked at its first use, once per process."""
        from nas_gym.training.text.dataset import check_lengths, load_text
        from nas_gym.training.text.sizing import check_size

        text = self.dataset
        if isinstance(text, str):
            text = load_text(text, level=self.level, vocabulary=self.vocabulary)
        check_lengths(text, self.named_recipe.bptt, self.named_recipe.train_share)
        check_size(self.space, self.named_recipe, len(text.vocabulary))
        return text

    def task_of(self, genotype: Any) -> LanguageTask:
        """Return what the network of a child is built for; its units may depend on the cell."""
        from nas_gym.training.text.sizing import language_task_of

        vocabulary = len(self.data.vocabulary)
        return language_task_of(self.space, genotype, self.named_recipe, vocabulary)

    def build(self, genotype: Any) -> "nn.Module":
        """Build the network of a child; torch's global generator draws its initial weights."""
        from nas_gym.training.text.sizing import build_language_model

        vocabulary = len(self.data.vocabulary)
        return build_language_model(self.space, genotype, self.named_recipe, vocabulary)

    def train(self, network: "nn.Module", seed: int) -> "LanguageResult":
        """Train ``network`` in place and measure it on the validation part."""
        from nas_gym.training.text.train import train_language_model

        return train_language_model(
            network, self.data, self.named_recipe, seed, device=self.device_here
        )

    @property
    def most_epochs(self) -> int:
        """The epochs of a whole training."""
        return self.named_recipe.epochs

    def begin(self, network: "nn.Module", seed: int) -> "Training[Any]":
        """Return the training of a network at its beginning."""
        from nas_gym.training.loop import training_device
        from nas_gym.training.text.train import TextTraining

        del seed  # only dropout is random, and has its seed already
        device = training_device(self.device_here)
        return TextTraining(network, self.data, self.named_recipe, device)

    def result(self, figures: "Sequence[Any] | None", seconds: float) -> "LanguageResult":
        """Return what ``train`` would, from the figures of the epochs that count."""
        from nas_gym.training.text.train import language_result_of

        return language_result_of(figures, seconds)

    def metrics(self, network: "nn.Module", result: "LanguageResult") -> dict[str, float]:
        """Return the perplexities of a training that went well, and what the network costs."""
        import torch

        from nas_gym.networks.cost import count_multiply_adds, count_parameters

        assert result.best is not None
        assert result.final is not None
        return {
            "perplexity": result.best.perplexity,
            "final_perplexity": result.final.perplexity,
            "bits_per_character": result.best.bits_per_character,
            "accuracy": result.best.accuracy,
            "parameters": count_parameters(network),
            "multiply_adds": count_multiply_adds(network, (1,), torch.int64),
        }

    @property
    def train_count(self) -> int:
        """The words or characters that a child is trained on: those of the recipe's share."""
        return int(self.named_recipe.train_share * len(self.data.train))

    def data_summary(self) -> dict[str, Any]:
        """Return what a report is to know of the text, as JSON data."""
        text = self.data
        return {
            "name": text.name,
            "unit": f"{text.level}s",
            "parts": {
                "train": self.train_count,
                "validation": len(text.validation),
                "test": len(text.test),
            },
            "unigram_perplexity": text.unigram_perplexity(),
        }

    def _details(self) -> dict[str, Any]:
        return {
            "level": self.data.level,
            "vocabulary": len(self.data.vocabulary),
            "recipe": self.named_recipe.to_json(),
        }
