"""Data sets: tensors in three fixed parts, and what may be asked of them.

How images come into the parts is told in ``nas_gym.training.images.splitting``.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

from nas_gym.errors import InvalidDataset
from nas_gym.networks.isolation import isolated
from nas_gym.options import check
from nas_gym.options.printable import printable
from nas_gym.training.images.checking import check_data
from nas_gym.training.images.splitting import (
    Shares,
    check_class_count,
    check_images,
    copy_groups,
    fill_parts,
    split_by_hash,
    split_rest,
)
from nas_gym.training.images.summary import NOTHING_READ, PARTS, DataSummary, Reading

__all__ = ["Dataset", "check_class_count", "split_dataset", "with_parts", "with_test_part"]

_Share = Annotated[float, Interval(ge=0, lt=1)]  # of a part; 0: none


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
    class_names: tuple[str, ...] = ()  # by label; empty: the labels themselves
    reading: Reading = NOTHING_READ  # what reading the files found
    white: float | None = None  # value of a white pixel; None: the values are no pixels

    def __post_init__(self) -> None:
        """Check that the parts fit each other; raise InvalidDataset if not."""
        check_data(self)
        shape = (1, self.image_shape[0], 1, 1)
        for name in ("mean", "deviation"):
            if tuple(getattr(self, name).shape) != shape:
                raise InvalidDataset(f"{printable(self.name)}: {name} is not of the shape {shape}")
        if not bool((self.deviation > 0).all()):
            raise InvalidDataset(f"{printable(self.name)}: deviation is not above 0 everywhere")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train_images.shape[1:]
        return int(channels), int(height), int(width)

    @cached_property
    def summary(self) -> DataSummary:
        """What it is, for people and records; computed at its first use."""
        return summary_of(self, _copies_in_words(self))

    def normalise(self, images: Tensor) -> Tensor:
        """Return float32 images; over the training part each channel has mean 0 and deviation 1."""
        mean, deviation = self.mean.to(images.device), self.deviation.to(images.device)
        # Not in place: ``to`` gives back images of floats themselves.
        return images.to(torch.float32).sub(mean).div_(deviation)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Dataset":
        """Return itself: nothing changes a data set, and its tensors may be large."""
        return self


def summary_of(data: Any, warnings: Sequence[str] = ()) -> DataSummary:
    """Return the summary of a ``Dataset``, or of what has its attributes.

    Args:
        data: The data set.
        warnings: Of the images themselves.
    """
    labels = [getattr(data, f"{part}_labels").numpy(force=True) for part in PARTS]
    counts = (np.bincount(of, minlength=data.classes)[: data.classes].tolist() for of in labels)
    names = data.class_names or range(data.classes)
    return DataSummary(
        name=printable(data.name),
        counts={
            printable(str(n)): c for n, c in zip(names, zip(*counts, strict=True), strict=True)
        },
        image_shape=data.image_shape,
        reading=data.reading,
        warnings=tuple(warnings),
    )


def split_dataset(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    shares: tuple[float, float] = (0.1, 0.1),
    names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    reading: Reading | None = None,
    white: float | None = None,
) -> Dataset:
    """Make a data set from all its images, split within each class.

    Exact copies of one image stay in one part where a class has enough other images.

    Args:
        name: For people and records.
        images: (N, channels, height, width), uint8 or float32.
        labels: (N,) whole numbers from 0.
        shares: Of validation and test, of each class's images; at least one image each.
        names: What the hash that orders images is made of; their numbers by default.
        class_names: For messages; the labels by default.
        reading: What reading its files found, for its summary.
        white: Value of a white pixel; by default 255 of whole numbers, 1 of floats from 0 to 1.

    Raises:
        InvalidDataset: Not such arrays, fewer than two classes, a class with fewer than three
            images, names that are not one each, or shares that leave a class nothing to train.
        InvalidOption: The shares are not two numbers from 0 to 1.
    """
    check_images(name, images, labels)
    shares = check("shares", shares, tuple[_Share, _Share])
    _check_names(name, labels, names, class_names)
    parts = split_by_hash(name, labels, copy_groups(images), shares, names, class_names)
    pairs = ((images[part], labels[part]) for part in parts)
    return _dataset(name, *pairs, class_names=class_names, reading=reading, white=white)


def _check_names(
    name: str, labels: np.ndarray, names: Sequence[str] | None, class_names: Sequence[str] | None
) -> None:
    wanted = {"names": (names, len(labels)), "class_names": (class_names, int(labels.max()) + 1)}
    for what, (given, count) in wanted.items():
        if given is not None and (len(given) != count or len(set(given)) != count):
            raise InvalidDataset(
                f"{printable(name)}: {what} has {len(set(given))} different names: give {count}"
            )


def with_test_part(
    name: str, images: np.ndarray, labels: np.ndarray, test_images: np.ndarray,
    test_labels: np.ndarray, validation: float | None = None,
) -> Dataset:  # fmt: skip
    """Make a data set that has its own test part; a tenth of its other images validate.

    Args:
        name: For people and records.
        images: (N, channels, height, width), uint8 or float32.
        labels: (N,) whole numbers from 0.
        test_images: As ``images``.
        test_labels: As ``labels``.
        validation: The share of the other images that validate, in (0, 1).

    Raises:
        InvalidDataset: Not such arrays.
    """
    for pair in ((images, labels), (test_images, test_labels)):
        check_images(name, *pair)
    if test_labels.max() > labels.max():
        raise InvalidDataset(
            f"{printable(name)}: its test part has the label {test_labels.max()}, and the other "
            f"images have labels up to {labels.max()}: give each part the same classes"
        )
    train, held_out = split_rest(labels, validation)
    return _dataset(
        name,
        (images[train], labels[train]),
        (images[held_out], labels[held_out]),
        (test_images, test_labels),
    )


def with_parts(
    name: str, images: np.ndarray, labels: np.ndarray, parts: np.ndarray, shares: Shares, *,
    names: Sequence[str], class_names: Sequence[str] | None, reading: Reading,
) -> Dataset:  # fmt: skip
    """Make a data set whose images say their part; a part that is missing comes from training.

    Args:
        name: For people and records.
        images: (N, channels, height, width), uint8 or float32.
        labels: (N,) whole numbers from 0, each class in the training part.
        parts: (N,) ``"train"``, ``"validation"`` or ``"test"``.
        shares: Of the training part, for the part that is missing; None: ``usual_shares``. (One of
            a part that is there says nothing.)
        names: What the hash that orders images is made of.
        class_names: For messages; the labels by default.
        reading: What reading its files found.

    Raises:
        InvalidDataset: A class has too few images.
    """
    chosen = fill_parts(
        name, labels, parts, shares, lambda some: copy_groups(images[some]), names, class_names
    )
    pairs = ((images[part], labels[part]) for part in chosen)
    return _dataset(name, *pairs, class_names=class_names, reading=reading)


@isolated(threads=1)  # several hang after a fork
def _dataset(
    name: str,
    *parts: tuple[np.ndarray, np.ndarray],
    class_names: Sequence[str] | None = None,
    reading: Reading | None = None,
    white: float | None = None,
) -> Dataset:
    """Make the data set of three (images, labels) pairs: training, validation, test."""
    fingerprint = hashlib.sha256()
    tensors: list[Tensor] = []
    for images, labels in parts:
        for array in (np.ascontiguousarray(images), labels.astype(np.int64)):
            fingerprint.update(f"{array.dtype} {array.shape}".encode())
            fingerprint.update(array.reshape(-1).view(np.uint8).data)
            own = array.base is None and array.flags.writeable
            tensors.append(torch.from_numpy(array if own else array.copy()))
    train, train_labels, validation, validation_labels, test, test_labels = tensors
    mean, deviation = _statistics(train)
    return Dataset(
        name=printable(name),
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
        class_names=tuple(map(printable, class_names or ())),
        reading=reading or NOTHING_READ,
        white=_white(train) if white is None else white,
    )


def _white(images: Tensor) -> float | None:
    """Return the value of a white pixel, by the type and the range of the values."""
    if not images.is_floating_point():
        return 255.0
    return 1.0 if float(images.min()) >= 0 and float(images.max()) <= 1 else None


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation per channel; slices avoid a float copy of all images."""
    count = images.numel() / images.shape[1]
    total, squares = (torch.zeros(images.shape[1], dtype=torch.float64) for _ in range(2))
    for first in range(0, len(images), 1000):
        values = images[first : first + 1000].to(torch.float64)
        total += values.sum((0, 2, 3))
        squares += values.square().sum((0, 2, 3))
    return mean_and_deviation(total, squares, count)


def mean_and_deviation(total: Tensor, squares: Tensor, count: float) -> tuple[Tensor, Tensor]:
    """Return mean and deviation per channel, (1, channels, 1, 1) each.

    Args:
        total: (channels,) float64, the sums of all values.
        squares: The same of their squares.
        count: Values of a channel.
    """
    mean = total / count
    deviation = (squares / count - mean.square()).clamp_(min=0).sqrt_()
    deviation[deviation < 1e-6 * mean.abs() + 1e-12] = 1.0  # a constant channel
    return mean.float().view(1, -1, 1, 1), deviation.float().view(1, -1, 1, 1)


def _copies_in_words(data: Dataset) -> list[str]:
    """Return a sentence for each kind of copy that makes figures better or worse than they are."""
    seen: dict[bytes, set[int]] = {}
    warnings, conflicting = [], 0
    for part in PARTS:
        groups = copy_groups(getattr(data, f"{part}_images").numpy(force=True))
        labels = getattr(data, f"{part}_labels").tolist()
        copies = sum(group in seen for group in groups)
        if part != "train" and copies:
            warnings.append(
                f"{copies} of {len(groups)} images of the {part} part are exact copies of images "
                f"of {'the training part' if part == 'validation' else 'other parts'}: its "
                "figures are better than they should be; take the copies away"
            )
        for group, label in zip(groups, labels, strict=True):
            known = seen.setdefault(group, set())
            conflicting += bool(known - {label})
            known.add(label)
    if conflicting:
        warnings.append(f"{conflicting} images are exact copies of images of another class")
    return warnings
