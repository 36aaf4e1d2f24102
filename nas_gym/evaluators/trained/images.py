"""Really trains each child and measures it on the validation part."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidSpace
from nas_gym.evaluators.trained.child import ChildTraining, Trained, computes_on
from nas_gym.networks.task import Task, task_to_json
from nas_gym.networks.task_kinds import IMAGES
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.images.recipe import Recipe, recipe_of

if TYPE_CHECKING:  # torch is imported when the first child is trained, not by ``gym.make``
    from torch import nn

    from nas_gym.training.images.sources import Dataset
    from nas_gym.training.images.train import TrainResult


@dataclass(frozen=True)
class TrainingEvaluator(ChildTraining):
    """Builds each architecture's network, trains it by the recipe, reports validation accuracy.

    Metrics: ``accuracy`` (best of the last five epochs), ``final_accuracy``, ``parameters``,
    ``multiply_adds``. The same architecture and seed give the same accuracy, bit for bit, on one
    machine, whatever ran before and however many workers there are.

    Args:
        space: A space with ``build(genotype, task)``.
        dataset: A name, a path, or a ``Dataset`` (see ``nas_gym.training.images.sources``).
        recipe: A name from ``RECIPES``, ``{"name": …}`` with fields to replace, or a ``Recipe``;
            None: the space's ``usual_recipe``, ``"quick"`` where it has none.
        folder: Where a named data set lies.
        download: Whether a named data set may be downloaded.
        image_size: Side in pixels of a folder's images.
        threads: Torch threads while a child trains, >= 1; one a process is fastest for small
            children when there is a process a core.

    Raises:
        InvalidSpace: ``space`` has no ``build``, or builds language models.
        InvalidOption: ``threads`` is no whole number above 0.
        UnknownName: No such recipe, or no such value in it. (An unknown or broken data set is
            found at its first use.)
    """

    space: NetworkSpace[Any]
    dataset: "str | Dataset" = "digits"
    recipe: str | Mapping[str, Any] | Recipe | None = None
    folder: str | None = None
    download: bool = False
    image_size: int | None = None
    threads: int = 1

    recipe_class = Recipe
    task_kind = IMAGES

    def __post_init__(self) -> None:
        self._check_space("the network")
        if getattr(self.space, "usual_evaluator", None) == "language-model":
            raise InvalidSpace(
                f"{type(self.space).__name__} builds language models, and the evaluator 'training' "
                "trains on images: give the evaluator 'language-model'"
            )
        _ = self.named_recipe

    @property
    def named_recipe(self) -> Recipe:
        """The recipe itself."""
        usual = getattr(self.space, "usual_recipe", "quick")
        return recipe_of(usual if self.recipe is None else self.recipe, usual)

    @cached_property
    def data(self) -> "Dataset":
        """The data set itself, loaded at its first use and once a process."""
        if not isinstance(self.dataset, str):
            return self.dataset
        from nas_gym.training.images.sources import load_dataset

        return load_dataset(
            self.dataset, folder=self.folder, download=self.download, image_size=self.image_size
        )

    @property
    def task(self) -> Task:
        """What the networks are built for."""
        return self.named_recipe.task(*self.data.image_shape, self.data.classes)

    @property
    def protocol(self) -> dict[str, Any]:
        """What the accuracies depend on, as JSON data: results of one protocol are comparable."""
        return {
            "evaluator": "training",
            "dataset": self.data.name,
            "fingerprint": self.data.fingerprint,
            "recipe": self.named_recipe.to_json(),
            "task": task_to_json(self.task),
            "device": computes_on(),
            "threads": self.threads,
        }

    def prepare(self) -> None:
        """Load the data set, unless that is done."""
        _ = self.data

    def build(self, genotype: Any) -> "nn.Module":
        """The network of a child; its initial weights come from torch's global generator."""
        network: nn.Module = self.space.build(genotype, self.task)
        return network

    def train(self, network: "nn.Module", seed: int) -> Trained:
        """Train ``network`` in place and measure it on the validation part."""
        from nas_gym.training.images.train import train

        result = train(network, self.data, self.named_recipe, seed)
        metrics = self._metrics(network, result) if result.failure is None else {}
        return Trained(metrics, result.failure)

    def _metrics(self, network: "nn.Module", result: "TrainResult") -> dict[str, float]:
        from nas_gym.networks.cost import count_multiply_adds, count_parameters

        assert result.accuracy is not None
        assert result.final_accuracy is not None
        return {
            "accuracy": result.accuracy,
            "final_accuracy": result.final_accuracy,
            "parameters": count_parameters(network),
            "multiply_adds": count_multiply_adds(network, self.data.image_shape),
        }
