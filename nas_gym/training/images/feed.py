"""Batches of a data set that lies in memory: for training, shuffled and varied; for measuring."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from nas_gym.networks.isolation import ordinary
from nas_gym.training.images.augmentation import (
    after_normalising,
    augment,
    before_normalising,
    check_pixels,
    each_by_itself,
    mixing,
)
from nas_gym.training.images.dataset import Dataset
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.splitting import sample_of
from nas_gym.training.processes import ALONE, Processes

EVALUATION_BATCH = 512  # images

Batch = tuple[Tensor, Tensor]  # images, normalised, on the device; their labels, or probabilities


class Feed(Protocol):
    """Where a training gets its batches from; ``state`` and ``restore`` move it elsewhere."""

    batch_size: int  # of all processes together
    batches: int  # of one pass over the training part

    def next(self) -> Batch:
        """Return the next batch of the training part: this process's share of it."""

    def part(self, name: str) -> Iterator[Batch]:
        """Yield a part (``"validation"``, ``"test"``), as it is: this process's share of it."""

    def state(self) -> dict[str, Tensor]:
        """Return where it is; the same for all processes."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""

    def close(self) -> None:
        """Release what it holds."""


class MemoryFeed:
    """The batches of a ``Dataset``.

    Images and labels live on the device; batches are cut, augmented and shuffled there, without
    worker processes.

    Args:
        dataset: Whose images they are.
        recipe: Says how many are a batch, and how they are varied.
        seed: Of shuffling and augmentation.
        device: Where the network is.
        processes: Those that train together.

    Raises:
        InvalidOption: The processes cannot share a batch equally, or the recipe varies pixels that
            the data does not have.
    """

    def __init__(
        self, dataset: Dataset, recipe: Recipe, seed: int, device: torch.device,
        processes: Processes = ALONE,
    ) -> None:  # fmt: skip
        self.dataset, self.recipe, self.device, self.processes = dataset, recipe, device, processes
        images, labels = ordinary(dataset.train_images), ordinary(dataset.train_labels)
        chosen = trained_on(labels, recipe)
        if chosen is not None:
            images, labels = images[chosen], labels[chosen]
        self.batch_size = min(recipe.batch_size, len(labels))
        self.batches = len(labels) // self.batch_size
        self.rows = processes.rows(self.batch_size)
        self.random = torch.Generator().manual_seed(seed)
        self.images, self.labels = images.to(device), labels.to(device)
        self.order = torch.empty(0, dtype=torch.int64)  # of the pass that is under way
        self.position = 0  # in it
        channels, *size = dataset.image_shape
        whole = not dataset.train_images.is_floating_point()
        check_pixels(recipe, channels, getattr(dataset, "white", None), whole)
        self.before = before_normalising(recipe, (size[0], size[1]))
        self.after = after_normalising(recipe)
        self.mix = mixing(recipe, dataset.classes)

    def next(self) -> Batch:
        """Return the next batch of the training part: this process's share of it."""
        if self.position + self.batch_size > len(self.order):
            order = torch.randperm(len(self.labels), generator=self.random)
            self.order, self.position = order.to(self.device), 0
        chosen = self.order[self.position : self.position + self.batch_size]
        self.position += self.batch_size
        if self.processes.count > 1:
            chosen = chosen[self.rows]
        images = each_by_itself(self.images[chosen], self.before)
        images = self.dataset.normalise(images)
        images = augment(images, self.recipe, self.random, self.rows, self.batch_size)
        images, labels = each_by_itself(images, self.after), self.labels[chosen]
        if self.mix is not None:
            images, labels = self.mix(images, labels)
        return images.contiguous(memory_format=torch.channels_last), labels

    def part(self, name: str) -> Iterator[Batch]:
        """Yield a part (``"validation"``, ``"test"``), as it is: this process's share of it."""
        return part_of(self.dataset, name, self.device, self.processes)

    def state(self) -> dict[str, Tensor]:
        """Return where it is; the same for all processes."""
        position = torch.tensor(self.position)
        return {"order": self.order, "position": position, "random": self.random.get_state()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""
        order, position = state["order"], int(state["position"])
        known = torch.arange(len(self.labels)) if len(order) else order
        if not torch.equal(order.sort().values, known) or not 0 <= position <= len(order):
            raise LookupError("the order of the images is that of other data")
        self.order, self.position = order.to(self.device), position
        self.random.set_state(state["random"])

    def close(self) -> None:
        """Release nothing: nothing is held."""


def trained_on(labels: Tensor, recipe: Recipe) -> Tensor | None:
    """Return the indices of the training images that a recipe takes; None: all.

    Args:
        labels: (N,) int64, of the training part.
        recipe: Says the share.
    """
    if recipe.train_share == 1:
        return None
    return torch.from_numpy(sample_of(labels.numpy(force=True), recipe.train_share))


def part_of(
    dataset: Dataset, name: str, device: torch.device, processes: Processes = ALONE
) -> Iterator[Batch]:
    """Yield a part of a data set in memory, normalised: a process's share of it."""
    own = slice(processes.rank, None, processes.count)
    images, labels = (
        getattr(dataset, f"{name}_images")[own],
        getattr(dataset, f"{name}_labels")[own],
    )
    for first in range(0, len(labels), EVALUATION_BATCH):
        batch = slice(first, first + EVALUATION_BATCH)
        normal = dataset.normalise(images[batch].to(device))
        yield normal.contiguous(memory_format=torch.channels_last), labels[batch].to(device)


def feed_of(
    dataset: Any, recipe: Recipe, seed: int, device: torch.device, processes: Processes = ALONE
) -> Feed:
    """Return the feed of a data set: its own, if it makes one, or that of its tensors."""
    if not hasattr(dataset, "feed"):
        return MemoryFeed(dataset, recipe, seed, device, processes)
    feed: Feed = dataset.feed(recipe, seed, device, processes)
    return feed
