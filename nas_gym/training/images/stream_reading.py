"""What a data worker does: it reads the images of a batch, each varied in its own way.

How an image is varied depends on the seed that comes with it, and on nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import get_worker_info

from nas_gym.errors import NASGymError
from nas_gym.training.images.augmentation import before_normalising
from nas_gym.training.images.colours import BYTES, UNIT
from nas_gym.training.images.crops import random_box, read_square
from nas_gym.training.images.recipe import Recipe


class Request(NamedTuple):
    """The images that a data worker is asked for."""

    paths: Sequence[str]
    seeds: Sequence[int] | None  # of how each is varied; None: not at all


class Images(NamedTuple):
    """Images that were asked for."""

    pixels: Tensor  # (images, side, side, 3) uint8
    scales: Mapping[str, str]  # those of floats that were met -> a file that has it


class Refusal(NamedTuple):
    """Why they cannot be read; an error itself would come with the worker's traceback."""

    kind: type[NASGymError]
    text: str


class ImageReader:
    """Reads images as they are asked for: a data set in torch's sense.

    Args:
        side: Of the images, in pixels.
        recipe: Says how those with a seed are varied, before they are normalised.
    """

    def __init__(self, side: int, recipe: Recipe) -> None:
        self.side, self.recipe = side, recipe

    @cached_property
    def transforms(self) -> list[Any]:
        """Torchvision's transforms of an image that is cut to its size."""
        return before_normalising(replace(self.recipe, resized_crop=0.0), (self.side, self.side))

    def __getitem__(self, request: Request) -> Images | Refusal:
        """Return the images of a request, in shared memory if this is a worker."""
        pixels = torch.empty((len(request.paths), self.side, self.side, 3), dtype=torch.uint8)
        if get_worker_info() is not None:
            pixels.share_memory_()  # type: ignore[no-untyped-call]
        array, scales = pixels.numpy(), {}
        try:
            with own_random_state():
                for index, path in enumerate(request.paths):
                    seed = None if request.seeds is None else request.seeds[index]
                    array[index], notes = self._read(path, seed)
                    scales.update(dict.fromkeys(notes & {UNIT, BYTES}, path))
        except NASGymError as error:
            return Refusal(type(error), str(error))
        return Images(pixels, scales)

    def _read(self, path: str, seed: int | None) -> tuple[np.ndarray, frozenset[str]]:
        if seed is None:
            square = read_square(path, self.side)
            return np.asarray(square.image), square.notes
        set_seed(seed)
        least = self.recipe.resized_crop
        square = read_square(path, self.side, partial(random_box, least=least) if least else None)
        image = square.image
        if self.recipe.flip and torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for transform in self.transforms:
            image = transform(image)
        return np.asarray(image), square.notes


@contextmanager
def own_random_state() -> Iterator[None]:
    """Give back, after the block, the state of the generator that transforms draw from."""
    before = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(before)


def set_seed(seed: int) -> None:
    """Seed what transforms draw from; the device's generator is not among it."""
    torch.default_generator.manual_seed(seed)
