"""The training of classifiers: every child of every search, and the papers' final training."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.errors import InvalidDataset
from nas_gym.networks.isolation import isolated, ordinary
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import Dataset
from nas_gym.training.loop import Training, parameter_groups, seeded, training_device
from nas_gym.training.optimizers import SGD

EVALUATION_BATCH = 512  # images
PARTS = 20  # of a training whose length is given in steps; what an epoch is to the others


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
    with seeded(seed, device):
        scores = ImageTraining(network, dataset, recipe, seed, device).run()
    seconds = time.perf_counter() - start
    if scores is None:
        return TrainResult(None, None, (), seconds, "diverged")
    accuracies = tuple(each.accuracy for each in scores)
    balanced = max(each.balanced_accuracy for each in scores)
    best, last = max(accuracies), accuracies[-1]
    return TrainResult(best, last, accuracies, seconds, balanced_accuracy=balanced)


class ImageTraining(Training[Scores]):
    """The training of a classifier; it is measured by its accuracies on the validation part."""

    def __init__(
        self, network: nn.Module, dataset: Dataset, recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        network = network.to(device).to(memory_format=torch.channels_last)
        optimizer = SGD(parameter_groups(network, recipe.weight_decay), recipe.momentum)
        self.batch_size = min(recipe.batch_size, len(dataset.train_labels))
        self.total = recipe.steps or recipe.epochs * (len(dataset.train_labels) // self.batch_size)
        parts = min(PARTS, self.total) if recipe.steps else recipe.epochs
        super().__init__(network, optimizer, parts, recipe.gradient_clip, recipe.measured)
        self.set_progress: Callable[[float], None] | None = getattr(network, "set_progress", None)
        self.dataset = dataset
        self.recipe = recipe
        self.device = device
        self.random = torch.Generator().manual_seed(seed)
        self.images = ordinary(dataset.train_images).to(device)
        self.labels = ordinary(dataset.train_labels).to(device)
        self.passes = itertools.chain.from_iterable(self.batches() for _ in itertools.count())

    def losses(self, epoch: int) -> Iterator[float]:
        """Train for one epoch or part, and yield the loss of each step before its update."""
        first, end = (part * self.total // self.epochs for part in (epoch, epoch + 1))
        for step, (images, labels) in zip(range(first, end), self.passes, strict=False):
            yield self.step(images, labels, step / self.total)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch in whole batches, shuffled and augmented."""
        order = torch.randperm(len(self.labels), generator=self.random).to(self.device)
        for first in range(0, len(order) - self.batch_size + 1, self.batch_size):
            chosen = order[first : first + self.batch_size]
            images = self.dataset.normalise(self.images[chosen])
            images = augment(images, self.recipe, self.random)
            yield images.contiguous(memory_format=torch.channels_last), self.labels[chosen]

    def step(self, images: Tensor, labels: Tensor, progress: float) -> float:
        """Update once at ``progress`` in [0, 1) of the training; return the loss before it."""
        if self.set_progress is not None:
            self.set_progress(progress)
        with _autocast(self.device):
            loss = self.loss(self.network(images), labels)
        value = float(loss.detach())
        if math.isfinite(value):
            self.update(loss, self.recipe.learning_rate_at(progress))
        return value

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
        images, labels = self.dataset.validation_images, self.dataset.validation_labels
        return _scores(self.network, self.dataset, images, labels, self.device)


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
    return _scores(network, dataset, dataset.test_images, dataset.test_labels, device)


def _scores(
    network: nn.Module, dataset: Dataset, images: Tensor, labels: Tensor, device: torch.device
) -> Scores | None:
    """Return how much of ``images`` is right, or None if a logit is not finite."""
    network.eval()
    right = []
    with torch.inference_mode(), _autocast(device):
        for first in range(0, len(labels), EVALUATION_BATCH):
            batch = slice(first, first + EVALUATION_BATCH)
            normal = dataset.normalise(images[batch].to(device))
            logits = network(normal.contiguous(memory_format=torch.channels_last))
            if not bool(logits.isfinite().all()):
                return None
            right.append(logits.argmax(1) == labels[batch].to(device))
    hits = torch.cat(right).cpu()
    totals = labels.cpu().bincount()
    present = totals > 0
    recalls = labels.cpu()[hits].bincount(minlength=len(totals))[present] / totals[present].double()
    return Scores(int(hits.sum()) / len(labels), float(recalls.mean()))


def _autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def augment(images: Tensor, recipe: Recipe, random: torch.Generator) -> Tensor:
    """Crop, flip and cut out at random, each image its own way.

    Args:
        images: (batch, channels, height, width), normalised, so that zero is the mean colour.
        recipe: Says which of the three, and how much.
        random: A generator on the CPU.
    """
    if recipe.crop_padding:
        images = _random_crops(images, recipe.crop_padding, random)
    if recipe.flip:
        flipped = torch.rand(len(images), generator=random) < 0.5
        images = torch.where(_per_image(flipped, images), images.flip(3), images)
    if recipe.cutout:
        images = images.masked_fill(_random_squares(images, recipe.cutout, random), 0.0)
    return images


def _random_crops(images: Tensor, padding: int, random: torch.Generator) -> Tensor:
    """Crop at random to the images' own size after padding with zeros."""
    count, channels, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    corners = torch.randint(2 * padding + 1, (2, count, 1), generator=random)
    rows = (corners[0] + torch.arange(height)).to(images.device)[:, None, :, None]
    columns = (corners[1] + torch.arange(width)).to(images.device)[:, None, None, :]
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[image, channel, rows, columns]


def _random_squares(images: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Return a mask of one square per image; centred on any pixel, it may reach over the edge."""
    count, _, height, width = images.shape
    inside = []
    for size in (height, width):
        first = torch.randint(size, (count, 1), generator=random) - side // 2
        place = torch.arange(size)
        inside.append(((place >= first) & (place < first + side)).to(images.device))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device)[:, None, None, None]
