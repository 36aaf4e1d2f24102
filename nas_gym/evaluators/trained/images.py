"""The evaluator that really trains each child on images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nas_gym.errors import InvalidOption, InvalidSpace
from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.networks.task import Task, task_to_json
from nas_gym.networks.task_kinds import IMAGES
from nas_gym.options.counts import Pixels, Share, Threads, check_left_to_train
from nas_gym.options.paths import recorded_path, user_path
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.images.fitting import fitted_name, fitted_recipe
from nas_gym.training.images.presets import recipe_of
from nas_gym.training.images.recipe import Recipe, epochs_of
from nas_gym.training.once import once
from nas_gym.training.places import check_takes_folder, images_at

if TYPE_CHECKING:  # torch is imported when the first child is trained, not by ``gym.make``
    from torch import nn

    from nas_gym.evaluators.trained.lent import LentImages
    from nas_gym.training.images.sources import Dataset
    from nas_gym.training.images.splitting import Shares
    from nas_gym.training.images.train import TrainResult
    from nas_gym.training.loop import Training


@dataclass(frozen=True)
class TrainingEvaluator(ChildTraining):
    """An evaluator that trains each architecture on images and reports validation accuracy.

    Metrics: ``accuracy`` and ``balanced_accuracy`` (each the best of the last five epochs; the
    latter is the mean over the classes of the share that is right), ``final_accuracy``,
    ``parameters``, ``multiply_adds``. The same architecture and seed give the same accuracy, bit
    for bit, on one machine, whatever ran before and however many workers there are.

    Args:
        space: A space with ``build(genotype, task)``.
        dataset: A name, a path, or a ``Dataset`` (see ``nas_gym.training.images.sources``).
        recipe: A name from ``RECIPES``, ``{"name": …}`` with fields to replace, or a ``Recipe``;
            None: the space's ``usual_recipe``, or ``"fitted"`` if it has none, which follows from
            the number and size of the images; ``protocol["recipe"]`` is what came of it.
        folder: Where a named data set lies.
        download: Whether a named data set may be downloaded.
        image_size: Side in pixels of a folder's images, >= 1.
        threads: Torch threads while a child trains, >= 1; one per process is fastest for small
            children if there is a process per core.
        validation: Share of each class's images that validate, in (0, 1); None: as is usual for the
            data. Data with a validation part of its own takes none.
        test: The same of the test part, which no search sees.
        device: Device that trains a child: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default the GPU
            if there is one, else the CPU. Several, separated by commas, are shared by worker
            processes: the i-th takes the i-th, in turns (other processes take the first). Results
            are the same on devices of one kind.
        latency: Whether the metric ``latency`` is measured as well, right after the training: the
            seconds that a batch of one image takes in evaluation mode, a median, on one thread,
            where it was trained. Workers measure one after the other, and waiting counts to a
            child's time; trainings of others go on beside it, so that only one worker measures
            undisturbed. Runs share results only if their processors are the same.
        curve: Whether each evaluation has a learning curve: the accuracy after every epoch.
        checkpoints: Folder for children that are trained in part, so that they can go on; by
            default one in the system's folder for temporary files. It holds at most 1 GiB per data
            set and recipe, and what a search wrote there is removed when it is finished.
        processor_time: Whether the metric ``processor_seconds`` is measured as well: the time that
            the training took of a processor, which is no longer if the machine is busy.

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
    validation: Share = None
    test: Share = None
    device: str | None = None
    latency: bool = False
    curve: bool = False
    checkpoints: str | Path | None = None
    processor_time: bool = False

    name = "training"
    recipe_class = Recipe
    task_kind = IMAGES
    measures = ("accuracy", "balanced_accuracy", "final_accuracy", "parameters", "multiply_adds")
    # This module must not import torch, and so not ``Dataset`` either.
    data_has: ClassVar[tuple[str, ...]] = (
        "name", "fingerprint", "image_shape", "classes", "normalise", "train_images",
        "train_labels", "validation_images", "validation_labels", "test_images", "test_labels",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if getattr(self.space, "usual_evaluator", None) == "language-model":
            raise InvalidSpace(
                f"{type(self.space).__name__} builds language models, and the evaluator 'training' "
                "trains on images: give the evaluator 'language-model'"
            )
        if self.folder is not None:
            if isinstance(self.dataset, str):
                check_takes_folder(self.dataset, self.folder)
            object.__setattr__(self, "folder", recorded_path(self.folder, "folder"))
        self._check_data()
        recipe_of(*self._given_recipe)

    def check_place(self) -> None:
        """Raise an error if there is no such data set, or the folder or file is none of images."""
        assert isinstance(self.dataset, str)
        kind = images_at(self.dataset)
        path = user_path(self.dataset, "dataset")
        if kind == "folder":
            _check_folder(path, (self.validation, self.test), path.stat().st_mtime_ns)
        elif kind == "file":
            from nas_gym.training.images.arrays import check_npz
            from nas_gym.training.images.folders import check_own_parts

            check_own_parts(path, check_npz(path).own, (self.validation, self.test))

    def _check_data(self) -> None:
        """Raise InvalidOption for what is no data set of images, and for shares that cannot be."""
        check_left_to_train(self.validation, self.test)
        if isinstance(self.dataset, str):
            return
        for option in ("validation", "test"):
            if getattr(self, option) is not None:
                raise InvalidOption(
                    f"{option} is {getattr(self, option)!r}, and the data set has its parts "
                    "already: leave it out, or give the shares to split_dataset"
                )

    @property
    def named_recipe(self) -> Recipe:
        """The recipe itself, fitted to the data if it is one of those that are."""
        given, usual = self._given_recipe
        if fitted_name(given, usual)[0] is None:
            return recipe_of(given, usual)
        data = self.data
        return fitted_recipe(
            given,
            usual,
            counts=(len(data.train_labels), len(data.validation_labels)),
            shape=data.image_shape,
            stems=getattr(self.space, "stems", ("cifar",)),
            drops_paths=getattr(self.space, "drops_paths", False),
        )

    @property
    def _given_recipe(self) -> tuple[str | Mapping[str, Any] | Recipe, str]:
        """Return what the user or the space says, and the name where no other is given."""
        name = getattr(self.space, "usual_recipe", "fitted")
        return (name if self.recipe is None else self.recipe), name

    @cached_property
    def data(self) -> "Dataset":
        """The data set itself, loaded at its first use, once per process, or mapped if it is lent.

        What a process lends is what it began with, even if the folder has changed since.
        """
        lent: LentImages | None = vars(self).get("lent")
        mapped = None if lent is None else lent.dataset()
        if mapped is not None:
            return mapped
        if not isinstance(self.dataset, str):
            from nas_gym.training.images.checking import check_data

            check_data(self.dataset)
            return self.dataset
        from nas_gym.training.images.sources import load_dataset

        return once(
            load_dataset, self.dataset, folder=self.folder, download=self.download,
            image_size=self.image_size, validation=self.validation, test=self.test,
        )  # fmt: skip

    def lend_data(self) -> None:
        """Put the decoded images of a folder where pickles of this evaluator map them."""
        if "loan" in vars(self) or not isinstance(self.dataset, str) or not self.data.class_names:
            return  # only a folder's classes have names; other data is read at once
        from nas_gym.evaluators.trained.lent import lend

        vars(self)["loan"] = loan = lend(self.data, self.data.name)
        if loan is not None:
            vars(self)["lent"] = loan.images
            vars(self)["data"] = loan.images.dataset() or self.data  # one copy, for all

    def close(self) -> None:
        """Take back what is lent."""
        loan = vars(self).pop("loan", None)
        if loan is not None:
            vars(self).pop("lent", None)
            loan.close()

    def data_summary(self) -> dict[str, Any] | None:
        """Return what the data set is, as JSON data (``DataSummary``); None if it does not say."""
        summary = getattr(self.data, "summary", None)
        if summary is None:
            return None
        told: dict[str, Any] = summary.to_json()
        return told | {"parts": {**told["parts"], "train": self.train_count}}

    @property
    def train_count(self) -> int:
        """The images that a child is trained on: those of the recipe's share."""
        from nas_gym.training.images.splitting import sample_of

        labels, share = self.data.train_labels, self.named_recipe.train_share
        return len(labels if share == 1 else sample_of(labels.numpy(force=True), share))

    @property
    def task(self) -> Task:
        """The task that the networks are built for."""
        return self.named_recipe.task(*self.data.image_shape, self.data.classes)

    def task_of(self, genotype: Any) -> Task:
        """Return what the network of a child is built for."""
        del genotype
        return self.task

    def build(self, genotype: Any) -> "nn.Module":
        """Build the network of a child; torch's global generator draws its initial weights."""
        network: nn.Module = self.space.build(genotype, self.task)
        return network

    def train(self, network: "nn.Module", seed: int) -> "TrainResult":
        """Train ``network`` in place and measure it on the validation part."""
        from nas_gym.training.images.train import train

        return train(network, self.data, self.named_recipe, seed, device=self.device_here)

    @property
    def most_epochs(self) -> int:
        """The epochs of a whole training; the parts of one whose length is given in steps."""
        return epochs_of(self.named_recipe)

    def begin(self, network: "nn.Module", seed: int) -> "Training[Any]":
        """Return the training of a network at its beginning."""
        from nas_gym.training.images.train import ImageTraining
        from nas_gym.training.loop import training_device

        device = training_device(self.device_here)
        return ImageTraining(network, self.data, self.named_recipe, seed, device)

    def result(self, figures: "Sequence[Any] | None", seconds: float) -> "TrainResult":
        """Return what ``train`` would, from the figures of the epochs that count."""
        from nas_gym.training.images.train import result_of

        return result_of(figures, seconds)

    def metrics(self, network: "nn.Module", result: "TrainResult") -> dict[str, float]:
        """Return the accuracies of a training that went well, and what the network costs."""
        from nas_gym.networks.cost import count_multiply_adds, count_parameters

        assert result.accuracy is not None
        assert result.final_accuracy is not None
        assert result.balanced_accuracy is not None
        return {
            "accuracy": result.accuracy,
            "balanced_accuracy": result.balanced_accuracy,
            "final_accuracy": result.final_accuracy,
            "parameters": count_parameters(network),
            "multiply_adds": count_multiply_adds(network, self.data.image_shape),
        }

    def _details(self) -> dict[str, Any]:
        shares = {"validation": self.validation, "test": self.test}
        given = {part: share for part, share in shares.items() if share is not None}
        return {
            **({"shares": given} if given else {}),
            "recipe": self.named_recipe.to_json(),
            "task": task_to_json(self.task),
        }


@lru_cache(maxsize=8)  # a search makes its evaluator more than once
def _check_folder(folder: Path, shares: "Shares", changed: int) -> None:
    """Raise an error unless a folder has the layout of a data set; opens no image.

    Args:
        folder: The folder.
        shares: Of validation and test.
        changed: When it was, in nanoseconds.
    """
    from nas_gym.training.images.decoding import readable
    from nas_gym.training.images.folders import check_own_parts, list_images

    del changed
    check_own_parts(folder, list_images(folder, readable()[0]).parts or (), shares)
