"""Really trains each child and measures it on the validation part."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nas_gym.architecture import Architecture
from nas_gym.errors import InvalidOption, InvalidSpace
from nas_gym.evaluation import Evaluation
from nas_gym.evaluators.failures import failed
from nas_gym.search_spaces.grammar import NetworkSpace, Task
from nas_gym.search_spaces.tasks import task_to_json
from nas_gym.training.recipe import Recipe, recipe_of

if TYPE_CHECKING:  # torch is imported when the first child is trained, not by ``gym.make``
    from torch import nn

    from nas_gym.training.datasets import Dataset
    from nas_gym.training.train import TrainResult


@dataclass(frozen=True)
class TrainingEvaluator:
    """Builds each architecture's network, trains it by the recipe, reports validation accuracy.

    Metrics: ``accuracy`` (best of the last five epochs), ``final_accuracy``, ``parameters``,
    ``multiply_adds``. The same architecture and seed give the same accuracy, bit for bit, on one
    machine, whatever ran before and however many workers there are.

    Args:
        space: A space with ``build(genotype, task)``.
        dataset: A name, a path, or a ``Dataset`` (see ``nas_gym.training.datasets``).
        recipe: A name from ``RECIPES``, ``{"name": …}`` with fields to replace, or a ``Recipe``.
        folder: Where a named data set lies.
        download: Whether a named data set may be downloaded.
        image_size: Side in pixels of a folder's images.
        threads: Torch threads while a child trains, >= 1; one a process is fastest for small
            children when there is a process a core.

    Raises:
        InvalidSpace: ``space`` has no ``build``.
        InvalidOption: ``threads`` is no whole number above 0.
        UnknownName: No such recipe, or no such value in it. (An unknown or broken data set is
            found at its first use.)
    """

    space: NetworkSpace[Any]
    dataset: "str | Dataset" = "digits"
    recipe: str | Mapping[str, Any] | Recipe = "quick"
    folder: str | None = None
    download: bool = False
    image_size: int | None = None
    threads: int = 1

    stateful = False

    def __post_init__(self) -> None:
        if not callable(getattr(self.space, "build", None)):
            raise InvalidSpace(
                f"{type(self.space).__name__} cannot be trained: give it a method "
                "build(genotype, task) that returns the network"
            )
        if not isinstance(self.threads, int) or isinstance(self.threads, bool) or self.threads < 1:
            raise InvalidOption(f"threads is {self.threads!r}: give a whole number of 1 or more")
        _ = self.named_recipe

    @property
    def named_recipe(self) -> Recipe:
        """The recipe itself."""
        return recipe_of(self.recipe)

    @cached_property
    def data(self) -> "Dataset":
        """The data set itself, loaded at its first use and once a process."""
        if not isinstance(self.dataset, str):
            return self.dataset
        from nas_gym.training.datasets import load_dataset

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
            "device": _device(),
            "threads": self.threads,
        }

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Train one child after the other, in this process.

        Raises:
            InvalidDataset: The data cannot be read; that is no fault of a child.
        """
        _ = self.data
        for architecture, seed in zip(architectures, seeds, strict=True):
            yield self._evaluate(architecture, seed)

    def close(self) -> None:
        """Nothing to let go of."""

    def __getstate__(self) -> dict[str, Any]:
        """The configuration alone: each process loads the data itself."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def _evaluate(self, architecture: Architecture[Any], seed: int) -> Evaluation:
        import torch

        from nas_gym.training.train import train

        start = time.perf_counter()
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        metrics: dict[str, float] = {}
        try:
            network = self._build(architecture, seed)
            result = train(network, self.data, self.named_recipe, seed)
            if result.failure is None:
                metrics = self._metrics(network, result)
        except Exception as error:  # whatever a child does wrong is its result
            return failed(architecture, error, time.perf_counter() - start)
        finally:
            torch.set_num_threads(threads)
        seconds = time.perf_counter() - start
        return Evaluation(architecture, metrics, seconds, "trained", result.failure)

    def _build(self, architecture: Architecture[Any], seed: int) -> "nn.Module":
        """The network, its initial weights drawn under the child's seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network: nn.Module = self.space.build(architecture.genotype, self.task)
        return network

    def _metrics(self, network: "nn.Module", result: "TrainResult") -> dict[str, float]:
        from nas_gym.training.cost import count_multiply_adds, count_parameters

        assert result.accuracy is not None
        assert result.final_accuracy is not None
        return {
            "accuracy": result.accuracy,
            "final_accuracy": result.final_accuracy,
            "parameters": count_parameters(network),
            "multiply_adds": count_multiply_adds(network, self.data.image_shape),
        }


def _device() -> str:
    """What ``train`` computes on here; a GPU computes in another precision."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
