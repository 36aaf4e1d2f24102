"""Data sets: tensors in three fixed parts, split the same way on every machine.

The order of images within a class is that of a hash, so that a split depends on no random generator
and on no library version.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas_gym.errors import InvalidDataset
from nas_gym.networks.isolation import isolated

VALIDATION_SHARE = 0.1  # Zoph et al. 2017, appendix A.1: 45,000 / 5,000 of CIFAR's 50,000
Split = tuple[np.ndarray, np.ndarray, np.ndarray]  # indices of training, validation, test


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one classification task.

    Images are (N, channels, height, width), uint8 or float32 as they came; ``normalise`` makes
    them what networks take. A search sees only the training and validation parts.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor  # (N,) int64
    validation_images: Tensor
    validation_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int  # >= 2
    mean: Tensor  # (1, channels, 1, 1), of the training part
    deviation: Tensor  # (1, channels, 1, 1), of the training part, > 0
    fingerprint: str  # sha256 of all images and labels, and of who is in which part

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train_images.shape[1:]
        return int(channels), int(height), int(width)

    def normalise(self, images: Tensor) -> Tensor:
        """Return float32 images; over the training part each channel has mean 0 and deviation 1."""
        mean, deviation = self.mean.to(images.device), self.deviation.to(images.device)
        return (
            images.to(torch.float32).sub(mean).div_(deviation)
        )  # images of floats stay as they are

    def __deepcopy__(self, memo: dict[int, Any]) -> "Dataset":
        """Return itself: nothing changes a data set, and its tensors may be large."""
        return self


def split_dataset(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    shares: tuple[float, float] = (0.1, 0.1),
    names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Make a data set from all its images, split within each class.

    Args:
        name: For people and records.
        images: (N, channels, height, width), uint8 or float32.
        labels: (N,) whole numbers from 0.
        shares: Of validation and test, of each class's images; at least one image each.
        names: What the hash that orders images is made of; their numbers by default.
        class_names: For messages; the labels by default.

    Raises:
        InvalidDataset: Fewer than two classes, or a class with fewer than three images.
    """
    if len(labels) and labels.min() < 0:
        raise InvalidDataset(f"{name}: label {labels.min()} is negative: number classes from 0")
    counts = np.bincount(labels) if len(labels) else np.zeros(0, dtype=np.int64)
    check_class_count(len(counts), name)
    for label, count in enumerate(counts):
        if count < 3:
            shown = class_names[label] if class_names else label
            raise InvalidDataset(
                f"{name}: class {shown} has {count} images: each class needs at least 3, "
                "to train, to validate and to test (classes are numbered from 0 without gaps)"
            )
    validation, test = ([max(1, round(share * int(count))) for count in counts] for share in shares)
    order = _hash_order(names if names is not None else [str(i) for i in range(len(labels))])
    parts = _split(labels, order, validation, test)
    return _dataset(name, *((images[part], labels[part]) for part in parts))


def with_test_part(
    name: str, images: np.ndarray, labels: np.ndarray, test_images: np.ndarray,
    test_labels: np.ndarray,
) -> Dataset:  # fmt: skip
    """Make a data set that has its own test part; a tenth of its other images validate.

    Args:
        name: For people and records.
        images: (N, channels, height, width), uint8 or float32.
        labels: (N,) whole numbers from 0.
        test_images: As ``images``.
        test_labels: As ``labels``.
    """
    counts = np.bincount(labels)
    validation = [round(VALIDATION_SHARE * int(count)) for count in counts]
    order = _hash_order([str(i) for i in range(len(labels))])
    train, held_out, _ = _split(labels, order, validation, [0] * len(counts))
    return _dataset(
        name,
        (images[train], labels[train]),
        (images[held_out], labels[held_out]),
        (test_images, test_labels),
    )


def _split(labels: np.ndarray, order: np.ndarray, validation: list[int], test: list[int]) -> Split:
    """Split each class: the first in ``order`` validate, the next test, the others train."""
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for label, (held_out, tested) in enumerate(zip(validation, test, strict=True)):
        members = order[labels[order] == label]
        parts[1].append(members[:held_out])
        parts[2].append(members[held_out : held_out + tested])
        parts[0].append(members[held_out + tested :])
    train, held, last = (np.sort(np.concatenate(part)) for part in parts)
    return train, held, last


def _hash_order(names: Sequence[str]) -> np.ndarray:
    digests = [hashlib.sha256(name.encode()).digest() for name in names]
    return np.asarray(sorted(range(len(names)), key=digests.__getitem__), dtype=np.int64)


@isolated(threads=1)  # several hang after a fork
def _dataset(name: str, *parts: tuple[np.ndarray, np.ndarray]) -> Dataset:
    """Make the data set of three (images, labels) pairs: training, validation, test."""
    fingerprint = hashlib.sha256()
    tensors: list[Tensor] = []
    for images, labels in parts:
        for array in (np.ascontiguousarray(images), labels.astype(np.int64)):
            fingerprint.update(f"{array.dtype} {array.shape}".encode())
            fingerprint.update(array.tobytes())
            tensors.append(torch.from_numpy(array.copy()))
    train, train_labels, validation, validation_labels, test, test_labels = tensors
    mean, deviation = _statistics(train)
    return Dataset(
        name=name,
        train_images=train,
        train_labels=train_labels,
        validation_images=validation,
        validation_labels=validation_labels,
        test_images=test,
        test_labels=test_labels,
        classes=int(train_labels.max()) + 1,
        mean=mean,
        deviation=deviation,
        fingerprint=fingerprint.hexdigest(),
    )


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation per channel; slices avoid a float copy of all images."""
    count = images.numel() / images.shape[1]
    total, squares = (torch.zeros(images.shape[1], dtype=torch.float64) for _ in range(2))
    for first in range(0, len(images), 1000):
        values = images[first : first + 1000].to(torch.float64)
        total += values.sum((0, 2, 3))
        squares += values.square().sum((0, 2, 3))
    mean = total / count
    deviation = (squares / count - mean.square()).clamp_(min=0).sqrt_()
    deviation[deviation < 1e-6 * mean.abs() + 1e-12] = 1.0  # a constant channel
    return mean.float().view(1, -1, 1, 1), deviation.float().view(1, -1, 1, 1)


def check_class_count(count: int, where: str) -> None:
    """Raise InvalidDataset if there are fewer than two classes."""
    if count < 2:
        raise InvalidDataset(
            f"{where} has {count} class{'' if count == 1 else 'es'}: give at least 2"
        )
