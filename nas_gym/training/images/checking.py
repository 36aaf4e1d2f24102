"""What a data set must be that somebody made by hand: else every child would fail, or learn wrong.

Used by ``nas_gym.training.images.dataset`` for its own class, and by the evaluator for others.
"""

from typing import Any

import torch
from torch import Tensor

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.options.scalars import python_number
from nas_gym.training.images.summary import PARTS


def check_data(data: Any) -> None:
    """Raise InvalidDataset unless the parts of a data set fit each other and its classes.

    Args:
        data: With the attributes of ``Dataset``. Its test part may be empty, or hidden (None),
            since no training sees it.
    """
    name = printable(data.name)
    classes = python_number(data.classes)
    if not isinstance(classes, int) or classes < 2:
        raise InvalidDataset(f"{name}: classes is {data.classes!r}: give a whole number, 2 or more")
    shapes = set()
    for part in PARTS:
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        if part == "test" and images is None and labels is None:
            continue
        _check_images(f"{name}: {part}_images", images)
        _check_labels(f"{name}: {part}_labels", labels, len(images), classes)
        if part != "test" and not len(labels):
            raise InvalidDataset(f"{name}: its {part} part is empty: give it images")
        shapes.add(tuple(images.shape[1:]) if len(images) else ())
    if len(shapes - {()}) > 1:
        raise InvalidDataset(
            f"{name}: its images are {' and '.join(map(str, sorted(shapes - {()})))}: make all of "
            "one (channels, height, width)"
        )


def _check_images(what: str, images: Any) -> None:
    if not isinstance(images, Tensor):
        raise InvalidDataset(f"{what} is a {type(images).__name__}: give a tensor")
    known = images.dtype == torch.uint8 or images.is_floating_point()
    if images.ndim != 4 or not known or 0 in images.shape[1:]:
        raise InvalidDataset(
            f"{what} is {images.dtype} {tuple(images.shape)}: give uint8 or floats of the shape "
            "(N, channels, height, width)"
        )
    if images.is_floating_point() and not bool(images.isfinite().all()):
        raise InvalidDataset(f"{what} has values that are not finite: take them out")


def _check_labels(what: str, labels: Any, count: int, classes: int) -> None:
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != (count,):
        told = f"{getattr(labels, 'dtype', type(labels).__name__)} {getattr(labels, 'shape', '')}"
        raise InvalidDataset(f"{what} is {told.strip()}: give an int64 tensor of {count} labels")
    if count and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InvalidDataset(
            f"{what} goes from {labels.min()} to {labels.max()}, and there are {classes} classes: "
            "number them from 0"
        )
