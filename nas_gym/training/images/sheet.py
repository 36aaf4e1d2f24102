"""A contact sheet: some images of each class, as the network sees them."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nas_gym.errors import InvalidOption
from nas_gym.options.printable import printable
from nas_gym.training.images.dataset import Dataset

COLUMNS = 8  # images of a class
ROWS = 40  # classes, at most
_TILE = 64  # pixels of an image's longer side on the sheet, at least
_LARGEST = 256  # and at most
_MARGIN = 4
_TEXT = 18  # height of a line in pixels


def save_sheet(data: Dataset, path: Path) -> None:
    """Draw up to eight training images of each class, and write them to an image file.

    Raises:
        InvalidOption: The file's suffix is that of no image, or it cannot be written.
    """
    check_sheet(path)
    sheet = draw_sheet(data)
    try:
        sheet.save(path)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidOption(
            f"{printable(path)} cannot be written ({getattr(error, 'strerror', None) or error}): "
            "give another --contact-sheet"
        ) from None


def check_sheet(path: Path) -> None:
    """Raise InvalidOption if the file's suffix is that of no image that can be written."""
    Image.init()
    known = {suffix for suffix, of in Image.registered_extensions().items() if of in Image.SAVE}
    if path.suffix.lower() not in known:
        raise InvalidOption(
            f"{printable(path)} is no name of an image file: end it in .png or .jpg"
        )


def draw_sheet(data: Dataset) -> Image.Image:
    """Return the sheet: a line of words and a row of images per class."""
    labels = data.train_labels.numpy(force=True)
    counts = list(data.summary.counts.items())[:ROWS]
    height, width = data.image_shape[1:]
    longest = max(height, width)
    scale = min(max(1, -(-_TILE // longest)), _LARGEST / longest)
    tall, broad = max(1, round(height * scale)), max(1, round(width * scale))
    high, wide = tall + _MARGIN, broad + _MARGIN
    lowest, highest = _range(data)
    row = high + _TEXT
    size = (COLUMNS * wide + _MARGIN, len(counts) * row + _MARGIN + _TEXT)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for label, (name, count) in enumerate(counts):
        top = label * row + _MARGIN
        _write(draw, (_MARGIN, top), f"{name}: {sum(count)}", font)
        for column, index in enumerate(np.flatnonzero(labels == label)[:COLUMNS]):
            pixels = data.train_images[int(index)].numpy(force=True).astype(np.float64)
            tile = _tile((pixels - lowest) / (highest - lowest))
            tile = tile.resize((broad, tall), Image.Resampling.NEAREST)
            sheet.paste(tile, (_MARGIN + column * wide, top + _TEXT))
    if (more := len(data.summary.counts) - ROWS) > 0:
        _write(draw, (_MARGIN, ROWS * row + _MARGIN), f"and {more} more classes", font)
    return sheet


def _range(data: Dataset) -> tuple[float, float]:
    """Return the values that are black and white: 0 and 255 of bytes, unless these stay low."""
    lowest, highest = (float(value) for value in data.train_images.aminmax())
    if not data.train_images.is_floating_point() and highest > 64:
        return 0.0, 255.0
    return lowest, highest if highest > lowest else lowest + 1


def _tile(pixels: np.ndarray) -> Image.Image:
    """Return an image of values (channels, height, width) in [0, 1]."""
    values = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
    return Image.fromarray(values[:3].transpose(1, 2, 0) if len(values) > 1 else values[0])


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], words: str, font: Any) -> None:
    """Write a line; letters that the font cannot draw are spelt out."""
    try:
        draw.text(place, words, fill="black", font=font)
    except UnicodeEncodeError:  # Pillow without FreeType knows Latin letters only
        plain = words.encode("ascii", "backslashreplace").decode()
        draw.text(place, plain, fill="black", font=font)
