"""How images come into the three parts: the same way on every machine.

The order of images within a class is that of a hash, so that a split depends on no random generator
and on no library version. Copies of one image come into one part.
"""

import hashlib
import os
from collections.abc import Callable, Sequence

import numpy as np

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.images.summary import PARTS

VALIDATION_SHARE = 0.1  # Zoph et al. 2017, appendix A.1: 45,000 / 5,000 of CIFAR's 50,000
TEST_SHARE = 0.1
ENOUGH = 300  # validation images: an accuracy's standard error is then below 0.03
LARGEST_SHARE = 0.3  # of validation, where images are too few for that
Shares = tuple[float | None, float | None]  # of validation and test; None: as is usual
Split = tuple[np.ndarray, np.ndarray, np.ndarray]  # indices of training, validation, test


def usual_shares(given: Shares, images: int) -> tuple[float, float]:
    """Return the shares of validation and test of a user's images where none are given.

    A tenth each; of fewer than 3,000 images more validate, until there are 300 or three tenths: the
    standard error of an accuracy on 60 images, 0.06, is as large as what cells differ by
    (benchmarks/results/photo_signal.md).
    """
    validation, test = given
    test = TEST_SHARE if test is None else test
    if validation is None:
        wanted = min(LARGEST_SHARE, max(VALIDATION_SHARE, ENOUGH / max(images, 1)))
        validation = min(wanted, (1 - test) / 2)  # some are left to train
    return validation, test


def split_by_hash(
    name: str,
    labels: np.ndarray,
    groups: Sequence[bytes],
    shares: tuple[float, float],
    names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Split:
    """Split within each class; of each at least one image validates and one tests.

    Args:
        name: Of the data set, for messages.
        labels: (N,) whole numbers from 0.
        groups: (N,) the same for copies of one image (``copy_groups``); empty: not known.
        shares: Of validation and test, of each class's images; 0: no such part.
        names: What the hash is made of; the images' numbers by default.
        class_names: For messages; the labels by default.

    Raises:
        InvalidDataset: A class has too few images.
    """
    counts = np.bincount(labels) if len(labels) else np.zeros(0, dtype=np.int64)
    check_class_count(len(counts), printable(name))
    validation, test = (
        [max(1, round(share * int(count))) if share else 0 for count in counts] for share in shares
    )
    least = 1 + sum(share > 0 for share in shares)
    for label, count in enumerate(counts):
        what = f"class {printable(str(class_names[label] if class_names else label))}"
        if count < least:
            raise InvalidDataset(
                f"{printable(name)}: {what} has {count} images: each class needs at least {least}, "
                "to train, to validate and to test"
                + ("" if class_names else " (classes are numbered from 0 without gaps)")
            )
        if validation[label] + test[label] >= count:
            raise InvalidDataset(
                f"{printable(name)}: {what} has {count} images, of which {validation[label]} would "
                f"validate and {test[label]} test, so that none trains: give smaller shares"
            )
    order = hash_order(names if names is not None else [str(i) for i in range(len(labels))])
    return _split(labels, order, validation, test, groups)


def fill_parts(
    name: str, labels: np.ndarray, parts: np.ndarray, shares: Shares,
    groups: Callable[[np.ndarray], Sequence[bytes]], names: Sequence[str],
    class_names: Sequence[str] | None,
) -> list[np.ndarray]:  # fmt: skip
    """Return the indices of training, validation and test, of images that say their part.

    A part that is missing comes from training.

    Args:
        name: Of the data set, for messages.
        labels: (N,) whole numbers from 0, each class in each part.
        parts: (N,) ``"train"``, ``"validation"`` or ``"test"``.
        shares: Of the training part, for the part that is missing; None: ``usual_shares``. (One of
            a part that is there says nothing.)
        groups: Returns what ``split_by_hash`` takes as such, for the images of these indices.
        names: What the hash that orders images is made of.
        class_names: For messages; the labels by default.

    Raises:
        InvalidDataset: A class has too few images.
    """
    chosen = [np.flatnonzero(parts == part) for part in PARTS]
    wanted = usual_shares(shares, len(chosen[0]))
    missing = [0.0 if len(c) else share for c, share in zip(chosen[1:], wanted, strict=True)]
    if not any(missing):
        return chosen
    train = chosen[0]
    found = split_by_hash(
        name, labels[train], groups(train), (missing[0], missing[1]),
        [names[int(i)] for i in train], class_names,
    )  # fmt: skip
    taken = [train[part] for part in found]
    split_off = zip(chosen[1:], taken[1:], strict=True)
    return [taken[0], *(own if len(own) else new for own, new in split_off)]


def split_rest(labels: np.ndarray, share: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Split images that have a test part apart: the indices of training and validation.

    Args:
        labels: (N,) whole numbers from 0.
        share: Of validation, of each class's images; None: a tenth.
    """
    counts = np.bincount(labels)
    share = VALIDATION_SHARE if share is None else share
    validation = [round(share * int(count)) for count in counts]
    order = hash_order([str(i) for i in range(len(labels))])
    train, held_out, _ = _split(labels, order, validation, [0] * len(counts), None)
    return train, held_out


def sample_of(labels: np.ndarray, share: float) -> np.ndarray:
    """Return the indices of a share of each class's images, at least one, in rising order.

    Args:
        labels: (N,) whole numbers from 0.
        share: In (0, 1]; what a smaller one has, a larger one has as well.
    """
    counts = np.bincount(labels)
    wanted = [min(int(count), max(1, round(share * int(count)))) for count in counts]
    order = hash_order([str(i) for i in range(len(labels))])
    return _split(labels, order, wanted, [0] * len(counts), None)[1]


def copy_groups(images: np.ndarray) -> list[bytes]:
    """Return a digest of each image (N, …): the same for exact copies."""
    if not len(images):
        return []
    whole = np.ascontiguousarray(images).reshape(len(images), -1)
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in whole]


def check_images(name: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Raise InvalidDataset unless these are images and labels as ``split_dataset`` takes them."""
    for what, array in (("images", images), ("labels", labels)):
        if not isinstance(array, np.ndarray):
            raise InvalidDataset(
                f"{printable(name)}: {what} is a {type(array).__name__}: give a numpy array"
            )
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32) or 0 in images.shape:
        raise InvalidDataset(
            f"{printable(name)}: images is {images.dtype} {images.shape}: expected uint8 or "
            "float32 of the shape (N, channels, height, width)"
        )
    if not np.isfinite(images).all():
        raise InvalidDataset(
            f"{printable(name)}: images has values that are not finite: take them out"
        )
    check_labels(name, labels, len(images))
    if int(labels.max()) >= len(labels):
        raise InvalidDataset(
            f"{printable(name)}: label {labels.max()} among {len(labels)} images: number classes "
            "from 0 without gaps"
        )


def check_labels(name: str, labels: np.ndarray, count: int, what: str = "labels") -> None:
    """Raise InvalidDataset unless these are ``count`` whole numbers from 0.

    Args:
        name: Of the data set, for messages.
        labels: To be checked.
        count: Of the images.
        what: The name of the array.
    """
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        advice = _advice(labels, count).replace("labels", what)
        raise InvalidDataset(
            f"{printable(name)}: {what} is {labels.dtype} {labels.shape}: expected {count} "
            f"whole numbers, one per image{advice}"
        )
    if labels.min() < 0:
        raise InvalidDataset(
            f"{printable(name)}: label {labels.min()} is negative: number classes from 0"
        )


def _advice(labels: np.ndarray, count: int) -> str:
    """Return what makes labels of labels in one of the forms that are usual elsewhere."""
    if labels.ndim == 2 and len(labels) == count:
        return "; save labels.ravel()" if labels.shape[1] == 1 else "; save labels.argmax(axis=1)"
    if labels.shape != (count,):
        return ""
    if labels.dtype.kind in "SUO":
        return "; save numpy.unique(labels, return_inverse=True)[1]"
    if labels.dtype.kind == "b" or (labels.dtype.kind == "f" and (labels == labels // 1).all()):
        return "; save labels.astype(int)"
    return ""


def check_class_count(count: int, where: str) -> None:
    """Raise InvalidDataset if there are fewer than two classes."""
    if count < 2:
        raise InvalidDataset(
            f"{where} has {count} class{'' if count == 1 else 'es'}: give at least 2"
        )


def _split(
    labels: np.ndarray,
    order: np.ndarray,
    validation: list[int],
    test: list[int],
    groups: Sequence[bytes] | None,
) -> Split:
    """Split each class: the first in ``order`` validate, the next test, the others train."""
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for label, (held_out, tested) in enumerate(zip(validation, test, strict=True)):
        members = order[labels[order] == label]
        cut = held_out, held_out + tested
        chosen = _copies_together(members, groups, held_out, tested) if groups else None
        for part, indices in zip(parts, chosen or _turned(members, cut), strict=True):
            part.append(indices)
    train, held, last = (np.sort(np.concatenate(part)) for part in parts)
    return train, held, last


def _turned(members: np.ndarray, cut: tuple[int, int]) -> Split:
    """Return what trains, validates and tests, of members in the order of the last two first."""
    held_out, tested, rest = np.split(members, cut)
    return rest, held_out, tested


def _copies_together(
    members: np.ndarray, groups: Sequence[bytes], held_out: int, tested: int
) -> Split | None:
    """Split a class without cutting a group of copies; None if nothing is there to be kept.

    Groups go, in the order of their first members, where there is room for all of one; so a part
    may be smaller than it was asked for. None also if a part would be left without an image.
    """
    together: dict[bytes, list[int]] = {}
    for member in members:
        together.setdefault(groups[member], []).append(int(member))
    if len(together) == len(members):
        return None
    rooms = [held_out, tested]
    parts: tuple[list[int], ...] = ([], [], [])
    for group in together.values():
        fitting = [part for part, room in enumerate(rooms) if len(group) <= room]
        if fitting:
            rooms[fitting[0]] -= len(group)
        parts[(*fitting, 2)[0]].extend(group)
    if any(wanted and not part for wanted, part in zip((held_out, tested, 1), parts, strict=True)):
        return None
    first, second, rest = (np.asarray(part, dtype=np.int64) for part in parts)
    return rest, first, second


def hash_order(names: Sequence[str]) -> np.ndarray:
    """Return the indices of names in the order of their hashes."""
    digests = [hashlib.sha256(os.fsencode(name)).digest() for name in names]
    return np.asarray(sorted(range(len(names)), key=digests.__getitem__), dtype=np.int64)
