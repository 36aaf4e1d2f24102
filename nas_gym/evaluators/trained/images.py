"""The evaluator that really trains each child on images."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidSpace
from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.networks.task import Task, task_to_json
from nas_gym.networks.task_kinds import IMAGES
from nas_gym.options.counts import Pixels, Threads
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.images.recipe import Recipe, recipe_of
from nas_gym.training.places import images_at

if TYPE_CHECKING:  # torch is imported when the first child is trained, not by ``gym.make``
    from torch import nn

    from nas_gym.training.images.sources import Dataset
    from nas_gym.training.images.train import TrainResult


@dataclass(frozen=True)
class TrainingEvaluator(ChildTraining):
    """An evaluator that trains each architecture on images and reports validation accuracy.

    Metrics: ``accuracy`` (best of the last five epochs), ``final_accuracy``, ``parameters``,
    ``multiply_adds``. The same architecture and seed give the same accuracy, bit for bit, on one
    machine, whatever ran before and however many workers there are.

    Args:
        space: A space with ``build(genotype, task)``.
        dataset: A name, a path, or a ``Dataset`` (see ``nas_gym.training.images.sources``).
        recipe: A name from ``RECIPES``, ``{"name": …}`` with fields to replace, or a ``Recipe``;
            None: the space's ``usual_recipe``, or ``"quick"`` if it has none.
        folder: Where a named data set lies.
        download: Whether a named data set may be downloaded.
        image_size: Side in pixels of a folder's images, >= 1.
        threads: Torch threads while a child trains, >= 1; one per process is fastest for small
            children if there is a process per core.

    Raises:
        InvalidSpace: ``space`` has no ``build``, or builds language models.
        InvalidOption: A value that an option does not take.
        UnknownName: No such recipe, or no such value in it. (An unknown or broken data set is
            found at its first use.)
    """

    space: NetworkSpace[Any]
    dataset: "str | Dataset" = "digits"
    recipe: str | Mapping[str, Any] | Recipe | None = None
    folder: str | Path | None = None
    download: bool = False
    image_size: Pixels | None = None
    threads: Threads = 1

    name = "training"
    recipe_class = Recipe
    task_kind = IMAGES
    data_has = ("train_images", "image_shape", "fingerprint")

    def __post_init__(self) -> None:
        super().__post_init__()
        if getattr(self.space, "usual_evaluator", None) == "language-model":
            raise InvalidSpace(
                f"{type(self.space).__name__} builds language models, and the evaluator 'training' "
                "trains on images: give the evaluator 'language-model'"
            )
        if self.folder is not None:
            object.__setattr__(self, "folder", str(self.folder))
        _ = self.named_recipe

    @staticmethod
    def check_place(dataset: str) -> None:
        """Raise an error if there is no such data set; loads nothing."""
        images_at(dataset)

    @property
    def named_recipe(self) -> Recipe:
        """The recipe itself."""
        usual = getattr(self.space, "usual_recipe", "quick")
        return recipe_of(usual if self.recipe is None else self.recipe, usual)

    @cached_property
    def data(self) -> "Dataset":
        """The data set itself, loaded at its first use, once per process."""
        if not isinstance(self.dataset, str):
            return self.dataset
        from nas_gym.training.images.sources import load_dataset

        return load_dataset(
            self.dataset, folder=self.folder, download=self.download, image_size=self.image_size
        )

    @property
    def task(self) -> Task:
        """The task that the networks are built for."""
        return self.named_recipe.task(*self.data.image_shape, self.data.classes)

    def build(self, genotype: Any) -> "nn.Module":
        """Build the network of a child; torch's global generator draws its initial weights."""
        network: nn.Module = self.space.build(genotype, self.task)
        return network

    def train(self, network: "nn.Module", seed: int) -> "TrainResult":
        """Train ``network`` in place and measure it on the validation part."""
        from nas_gym.training.images.train import train

        return train(network, self.data, self.named_recipe, seed)

    def metrics(self, network: "nn.Module", result: "TrainResult") -> dict[str, float]:
        """Return the accuracies of a training that went well, and what the network costs."""
        from nas_gym.networks.cost import count_multiply_adds, count_parameters

        assert result.accuracy is not None
        assert result.final_accuracy is not None
        return {
            "accuracy": result.accuracy,
            "final_accuracy": result.final_accuracy,
            "parameters": count_parameters(network),
            "multiply_adds": count_multiply_adds(network, self.data.image_shape),
        }

    def _details(self) -> dict[str, Any]:
        return {"recipe": self.named_recipe.to_json(), "task": task_to_json(self.task)}
