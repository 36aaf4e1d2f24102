"""Random changes of images and labels, each image its own way.

Crops, flips and squares are drawn for the whole batch from a generator of its own, so that any
number of processes sees the same images; what is torchvision's draws from torch's global generator.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_gym.errors import InvalidOption
from nas_gym.training.images.recipe import Recipe

_ALL = slice(None)


def augment(
    images: Tensor, recipe: Recipe, random: torch.Generator, rows: slice | Tensor = _ALL,
    batch: int | None = None,
) -> Tensor:  # fmt: skip
    """Crop, flip and cut out at random, each image its own way.

    Args:
        images: (images, channels, height, width), normalised, so that zero is the mean colour.
        recipe: Says which of the three, and how much.
        random: A generator on the CPU.
        rows: Which rows of the batch the images are.
        batch: Images of the batch; by default as many as there are.
    """
    count = len(images) if batch is None else batch
    if recipe.crop_padding:
        images = _random_crops(images, recipe.crop_padding, random, rows, count)
    if recipe.flip:
        flipped = torch.rand(count, generator=random)[rows] < 0.5
        images = torch.where(_per_image(flipped, images), images.flip(3), images)
    if recipe.cutout:
        squares = _random_squares(images, recipe.cutout, random, rows, count)
        images = images.masked_fill(squares, 0.0)
    return images


def _random_crops(
    images: Tensor, padding: int, random: torch.Generator, rows: slice | Tensor, batch: int
) -> Tensor:
    """Crop at random to the images' own size after padding with zeros."""
    count, channels, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    corners = torch.randint(2 * padding + 1, (2, batch, 1), generator=random)[:, rows]
    down = (corners[0] + torch.arange(height)).to(images.device)[:, None, :, None]
    across = (corners[1] + torch.arange(width)).to(images.device)[:, None, None, :]
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[image, channel, down, across]


def _random_squares(
    images: Tensor, side: int, random: torch.Generator, rows: slice | Tensor, batch: int
) -> Tensor:
    """Return a mask of one square per image; centred on any pixel, it may reach over the edge."""
    inside = []
    for size in images.shape[2:]:
        first = torch.randint(size, (batch, 1), generator=random)[rows] - side // 2
        place = torch.arange(size)
        inside.append(((place >= first) & (place < first + side)).to(images.device))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device)[:, None, None, None]


def before_normalising(recipe: Recipe, size: tuple[int, int]) -> list[Any]:
    """Return torchvision's transforms of an image whose values are pixels.

    Args:
        recipe: Says which.
        size: Height and width of what they give.
    """
    if not (recipe.resized_crop or recipe.rand_augment or recipe.trivial_augment):
        return []
    from torchvision.transforms import v2

    transforms: list[Any] = []
    if recipe.resized_crop:
        transforms.append(v2.RandomResizedCrop(size, (recipe.resized_crop, 1.0), antialias=True))
    if recipe.rand_augment:
        transforms.append(v2.RandAugment(recipe.rand_augment, recipe.rand_magnitude))
    if recipe.trivial_augment:
        transforms.append(v2.TrivialAugmentWide())
    return transforms


def after_normalising(recipe: Recipe) -> list[Any]:
    """Return torchvision's transforms of a normalised image, in which zero is the mean colour."""
    if not recipe.random_erasing:
        return []
    from torchvision.transforms import v2

    return [v2.RandomErasing(recipe.random_erasing)]


def check_pixels(recipe: Recipe, channels: int, white: float | None, whole: bool) -> None:
    """Raise InvalidOption for a change of pixels, if the data has none that torchvision knows.

    Args:
        recipe: Says what is changed.
        channels: Of an image.
        white: The value of a white pixel, if they are pixels.
        whole: Whether the values are whole numbers.
    """
    known = whole and white == 255 and channels in (1, 3)
    for option in ("rand_augment", "trivial_augment"):
        if getattr(recipe, option) and not known:
            raise InvalidOption(
                f"{option} is {getattr(recipe, option)!r}, and the images are no pixels from 0 to "
                "255 in 1 or 3 channels, which it needs: leave it out"
            )


def check_cutout(recipe: Recipe, size: tuple[int, int]) -> None:
    """Raise InvalidOption if nothing of an image is ever left.

    Args:
        recipe: Says how large a square is cut out.
        size: Height and width of an image, in pixels.
    """
    if recipe.cutout >= 2 * max(size) - 1 and recipe.cutout:  # wherever its centre is
        raise InvalidOption(
            f"cutout is {recipe.cutout}, and nothing would ever be left of images of "
            f"{size[0]} x {size[1]} pixels: give a smaller one (--set recipe.cutout="
            f"{max(size) // 4}) or another recipe"
        )


def each_by_itself(images: Tensor, transforms: list[Any]) -> Tensor:
    """Return the images after the transforms, which draw anew for each of them."""
    if not transforms:
        return images
    changed = []
    for image in images:
        for transform in transforms:
            image = transform(image)
        changed.append(image)
    return torch.stack(changed)


def mixing(recipe: Recipe, classes: int) -> Callable[[Tensor, Tensor], Any] | None:
    """Return what mixes the images of a batch, and their labels, two by two; None: nothing does.

    It takes images (batch, channels, height, width) and labels (batch,), and returns the images and
    probabilities (batch, classes).
    """
    if not (recipe.mixup or recipe.cutmix):
        return None
    from torchvision.transforms import v2

    given = {v2.MixUp: recipe.mixup, v2.CutMix: recipe.cutmix}
    ways: list[Any] = [
        way(alpha=alpha, num_classes=classes) for way, alpha in given.items() if alpha
    ]
    return ways[0] if len(ways) == 1 else v2.RandomChoice(ways)  # type: ignore[no-any-return]
