"""A part of an image file as a square, decoded at no more pixels than are needed.

A JPEG can be decoded at a half, a quarter or an eighth of its size, many times faster; that is done
where what is cut out stays at least as large as what is wanted.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from PIL import Image, ImageOps

from nas_gym.training.images.decoding import as_seen, opened, orientation

RATIOS = (3 / 4, 4 / 3)  # width / height of a random crop, as torchvision's RandomResizedCrop
_TRIES = 10  # of one that is inside the image, as there
_SCALES = (8, 4, 2)
_ON_ITS_SIDE = (5, 6, 7, 8)  # orientation tags
Box = tuple[int, int, int, int]  # left, top, right, bottom
Choice = Callable[[int, int], Box]  # width and height as a viewer shows them -> what is cut out
_Exact = tuple[float, float, float, float]


class Square(NamedTuple):
    """A part of an image, and how it came to be: ``size`` and ``notes`` are as of a ``Picture``."""

    image: Image.Image  # RGB
    size: tuple[int, int]
    notes: frozenset[str]


def read_square(path: str, side: int, choose: Choice | None = None) -> Square:
    """Read a part of an image, resized to a square.

    What is decoded at full size is, to the bit, what ``read_picture`` gives of the middle, and what
    torchvision's transforms of a Pillow image give of another part.

    Args:
        path: Of the file.
        side: Of the square, in pixels.
        choose: Which part; by default the square in the middle.

    Raises:
        InvalidDataset: As for ``read_picture``.
    """
    with opened(path) as image:
        if image.format == "JPEG" and image.mode in ("L", "RGB"):
            size = _upright(image)
            box = choose(*size) if choose else None
            part = box or _middle(*size)
            if (scale := _scale(part, side)) > 1:
                image.draft(None, (image.width // scale, image.height // scale))
                seen, notes = as_seen(image)
                method = Image.Resampling.BILINEAR if choose else Image.Resampling.BICUBIC
                place = _scaled(part, scale, seen.size)
                return Square(seen.resize((side, side), method, place), size, notes)
            seen, notes = as_seen(image)
        else:
            seen, notes = as_seen(image)
            box = choose(*seen.size) if choose else None
        if box is None:
            return Square(ImageOps.fit(seen, (side, side)), seen.size, notes)
        cut = seen.crop(box).resize((side, side), Image.Resampling.BILINEAR)
        return Square(cut, seen.size, notes)


def random_box(width: int, height: int, least: float) -> Box:
    """Return a part of random area and shape, as torchvision's ``RandomResizedCrop`` draws it.

    It draws from torch's global generator.

    Args:
        width: Of the image, in pixels.
        height: The same.
        least: The least share of the image's area, in (0, 1].
    """
    area, logs = width * height, [math.log(ratio) for ratio in RATIOS]
    for _ in range(_TRIES):
        target = area * torch.empty(1).uniform_(least, 1.0).item()
        ratio = torch.exp(torch.empty(1).uniform_(*logs)).item()
        wide, high = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < wide <= width and 0 < high <= height:
            top = int(torch.randint(0, height - high + 1, (1,)).item())
            left = int(torch.randint(0, width - wide + 1, (1,)).item())
            return left, top, left + wide, top + high
    # The middle, as far as its shape allows.
    wide = min(width, round(height * RATIOS[1]))
    high = min(height, round(width / RATIOS[0]))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def _upright(image: Image.Image) -> tuple[int, int]:
    """Return width and height as a viewer shows them, before anything is decoded."""
    width, height = image.size
    return (height, width) if orientation(image) in _ON_ITS_SIDE else (width, height)


def _middle(width: int, height: int) -> _Exact:
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _scale(box: _Exact, side: int) -> int:
    """Return by how much the image may be made smaller while it is decoded; 1: by nothing."""
    least = min(box[2] - box[0], box[3] - box[1])
    return next((scale for scale in _SCALES if least >= scale * side), 1)


def _scaled(box: _Exact, scale: int, size: tuple[int, int]) -> _Exact:
    left, top, right, bottom = (place / scale for place in box)
    return left, top, min(right, size[0]), min(bottom, size[1])
