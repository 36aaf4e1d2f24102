"""The training of classifiers: every child of every search, and the papers' final training."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.errors import InvalidDataset
from nas_gym.networks.isolation import isolated
from nas_gym.training.images.augmentation import check_cutout
from nas_gym.training.images.feed import Batch, feed_of, part_of
from nas_gym.training.images.recipe import Recipe, epochs_of
from nas_gym.training.images.sources import Dataset
from nas_gym.training.loop import Training, parameter_groups, seeded, training_device
from nas_gym.training.optimizers import SGD, AdamW, ChildOptimizer, RMSProp
from nas_gym.training.processes import ALONE, Processes


class Scores(NamedTuple):
    """How a network does on a part of the data; both are fractions in [0, 1]."""

    accuracy: float  # of all images
    balanced_accuracy: float  # mean over the classes that the part has of the share that is right


@dataclass(frozen=True)
class TrainResult:
    """The result of a child on the validation part. Accuracies are fractions in [0, 1]."""

    accuracy: float | None  # best of the last five epochs; None after a failure
    final_accuracy: float | None  # of the last epoch
    accuracies: tuple[float, ...]  # of the last five epochs, oldest first
    seconds: float  # wall time, >= 0
    failure: str | None = None  # "diverged", else None
    balanced_accuracy: float | None = None  # best of the last five epochs; None after a failure


@isolated()
def train(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    *,
    device: torch.device | str | None = None,
) -> TrainResult:
    """Train ``network`` in place and return how it does on the validation part.

    Images and labels live on the device; batches are cut, augmented and shuffled there, without
    worker processes. On a GPU the network computes in bfloat16 where that is safe (autocast). On
    the CPU the result depends only on the arguments and the number of torch threads, bit for bit;
    torch's global random state is neither read nor changed. The test part is never looked at.

    Args:
        network: (batch, channels, height, width) -> logits (batch, classes); in training mode it
            may return a pair with an auxiliary classifier's logits. Its ``set_progress(fraction)``,
            if it has one, is told before each step how much of the training is over.
        dataset: What to train and to validate on.
        recipe: How to train.
        seed: Of shuffling, augmentation and the network's own randomness.
        device: By default the GPU if there is one, else the CPU.
    """
    device = training_device(device)
    start = time.perf_counter()
    with (
        seeded(seed, device),
        closing(ImageTraining(network, dataset, recipe, seed, device)) as training,
    ):
        scores = training.run()
    return result_of(scores, time.perf_counter() - start)


def result_of(scores: Sequence[Scores] | None, seconds: float) -> TrainResult:
    """Return the result of a training.

    Args:
        scores: Of the epochs that count, at least one; None if the training diverged.
        seconds: That it took, >= 0.
    """
    if scores is None:
        return TrainResult(None, None, (), seconds, "diverged")
    accuracies = tuple(each.accuracy for each in scores)
    balanced = max(each.balanced_accuracy for each in scores)
    best, last = max(accuracies), accuracies[-1]
    return TrainResult(best, last, accuracies, seconds, balanced_accuracy=balanced)


class ImageTraining(Training[Scores]):
    """The training of a classifier; it is measured by its accuracies on the validation part.

    Args:
        network: As for ``train``.
        dataset: What to train on: a ``Dataset``, or what has its attributes and a method ``feed``.
        recipe: How to train.
        seed: Of shuffling and augmentation.
        device: Where to.
        processes: Those that train it together.
    """

    figures = Scores

    def __init__(
        self, network: nn.Module, dataset: Any, recipe: Recipe, seed: int, device: torch.device,
        processes: Processes = ALONE,
    ) -> None:  # fmt: skip
        check_cutout(recipe, dataset.image_shape[1:])
        network = network.to(device).to(memory_format=torch.channels_last)
        self.feed = feed_of(dataset, recipe, seed, device, processes)
        self.total = recipe.steps or recipe.epochs * self.feed.batches
        super().__init__(
            network, _optimizer(network, recipe), epochs_of(recipe), recipe.gradient_clip,
            recipe.measured, recipe.ema, device, processes,
        )  # fmt: skip
        self.set_progress: Callable[[float], None] | None = getattr(network, "set_progress", None)
        self.dataset = dataset
        self.recipe = recipe

    def end_of_epoch(self, epoch: int) -> int:
        """Return the number of steps from the beginning to the end of an epoch or part, from 0."""
        return (epoch + 1) * self.total // self.epochs

    def advance(self) -> float:
        """Take the next step, and return the loss before it, the mean over all processes."""
        images, labels = self.feed.next()
        progress = self.done / self.total
        if self.set_progress is not None:
            self.set_progress(progress)
        loss = self.loss_of(images, labels)
        value = self.processes.mean(float(loss.detach()))
        if math.isfinite(value):
            self.update(loss, self.recipe.learning_rate_at(progress))
        return value

    def loss_of(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of a batch, computed as precisely as the recipe says."""
        with _autocast(self.device, self.recipe):
            return self.loss(self.model(images), labels)

    def loss(self, output: Tensor | tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
        """Return the cross-entropy, plus the weighted one of the auxiliary classifier."""
        smoothing = self.recipe.label_smoothing
        if isinstance(output, Tensor):
            return F.cross_entropy(output.float(), labels, label_smoothing=smoothing)
        main, auxiliary = (
            F.cross_entropy(logits.float(), labels, label_smoothing=smoothing) for logits in output
        )
        return main + self.recipe.auxiliary_weight * auxiliary

    def validate(self) -> Scores | None:
        """Return the validation accuracies, or None if a logit is not finite."""
        return self.scores("validation")

    def scores(self, part: str) -> Scores | None:
        """Return the accuracies on a part, or None if a logit is not finite."""
        return self.scores_of(self.measured, self.feed.part(part))

    def scores_of(self, network: nn.Module, batches: Iterable[Batch]) -> Scores | None:
        """Return the accuracies of a network on batches, or None if a logit is not finite."""
        with _autocast(self.device, self.recipe):
            return _scores(network, batches, self.dataset.classes, self.processes)

    def close(self) -> None:
        """Release what the feed holds."""
        self.feed.close()

    def own_state(self) -> dict[str, Tensor]:
        """Return where the feed is."""
        return self.feed.state()

    def restore_own(self, state: Mapping[str, Tensor]) -> None:
        """Let the feed go on from there."""
        self.feed.restore(state)


def _optimizer(network: nn.Module, recipe: Recipe) -> ChildOptimizer:
    groups = parameter_groups(network, recipe.weight_decay)
    if recipe.optimizer == "rmsprop":
        return RMSProp(groups, recipe.momentum, recipe.rmsprop_decay, recipe.epsilon)
    if recipe.optimizer == "adamw":
        return AdamW(groups, recipe.epsilon)
    return SGD(groups, recipe.momentum, recipe.nesterov)


@isolated()
def measure_test_accuracy(
    network: nn.Module, dataset: Dataset, *, device: torch.device | str | None = None
) -> float | None:
    """Return the accuracy that ``measure_test_scores`` measures."""
    scores = measure_test_scores(network, dataset, device=device)
    return None if scores is None else scores.accuracy


def measure_test_scores(
    network: nn.Module, dataset: Dataset, *, device: torch.device | str | None = None
) -> Scores | None:
    """Return how much of the test part a trained network gets right.

    It is for what a search has found, once the search is over; ``train`` never calls it, and no
    evaluator of a search does.

    Args:
        network: As ``train`` left it; moved to the device and put into evaluation mode.
        dataset: Whose test part is meant.
        device: By default the GPU if there is one, else the CPU.

    Returns:
        The fractions, or None if a logit is not finite.

    Raises:
        InvalidDataset: The test part is empty.
    """
    if not len(dataset.test_labels):
        raise InvalidDataset(
            f"{dataset.name} has no test images: give a data set with a test part to measure"
        )
    device = training_device(device)
    network = network.to(device).to(memory_format=torch.channels_last)
    with _autocast(device):
        return _scores(network, part_of(dataset, "test", device), dataset.classes)


def _scores(
    network: nn.Module, batches: Iterable[Batch], classes: int, processes: Processes = ALONE
) -> Scores | None:
    """Return how much of a part is right, or None if a logit is not finite.

    Of several processes each has its share of the part; the figures are those of the whole.
    """
    network.eval()
    right, totals = (torch.zeros(classes, dtype=torch.int64) for _ in range(2))
    finite = True
    with torch.inference_mode():
        for images, labels in batches:
            logits = network(images)
            finite = finite and bool(logits.isfinite().all())
            if not finite:
                break
            hits = labels[logits.argmax(1) == labels]
            right += hits.bincount(minlength=classes).cpu()
            totals += labels.bincount(minlength=classes).cpu()
    sums = processes.total(torch.cat([right, totals, torch.tensor([int(not finite)])]))
    if sums[-1]:
        return None
    right, totals = sums[:classes], sums[classes:-1]
    present = totals > 0
    recalls = right[present] / totals[present].double()
    return Scores(int(right.sum()) / int(totals.sum()), float(recalls.mean()))


def _autocast(device: torch.device, recipe: Recipe | None = None) -> torch.autocast:
    """Return what computes in bfloat16 where that is safe: on a GPU unless the recipe says else."""
    precision = "auto" if recipe is None else recipe.precision
    enabled = device.type == "cuda" if precision == "auto" else precision == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
