"""One image file, as a viewer shows it: decoded, upright, 8 bits of RGB, cut to a square.

- Orientation tags are obeyed before anything is cut.
- 16 bits become 8 by the high byte of the type's full scale, as in viewers. Whole numbers of 32
  bits have no full scale: 0 to 65,535 are read as 16 bits, and images that go beyond, or that never
  reach 256 and could as well be 8 bits, are refused.
- Floats are 0 to 1, or 0 to 255; others are refused.
- What is transparent lies on white.
- An embedded colour profile other than sRGB is applied, so that CMYK, Lab and wide-gamut images
  have the colours that a viewer shows; so is the gamma that a PNG names instead.
- Of several frames or pages the first counts.

Whatever a decoder raises becomes one ``InvalidDataset`` that names the file.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.images.colours import BITS_PER_SAMPLE, in_colour
from nas_gym.training.memory import check_memory

LARGEST = 178_956_970  # pixels of one image: where Pillow takes it for an attack
_BYTES_PER_PIXEL = 16  # at most, while an image is turned and its colours are converted
# Not read: what needs another program, what Pillow only recognises, and what is no picture.
# Of FITS, Pillow minds no BZERO, without which its 16 bits are others.
_UNREAD = {"EPS", "WMF", "GRIB", "BUFR", "HDF5", "MPEG", "PDF", "FITS"}
_USUAL = ("JPEG", "PNG")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION, _PLANES, _SIGNS = 0x0112, 284, 339  # tags of EXIF and TIFF
_STEPS = {"L;2": 85, "L;4": 17}  # of grey in a PNG of so many bits

TURNED = "turned as their orientation tag says"
FIRST = "of several frames, of which the first counts"


class Picture(NamedTuple):
    """What the network sees of a file, and how it came to be.

    ``notes`` are of the constants here and in ``nas_gym.training.images.colours``.
    """

    pixels: np.ndarray  # (3, side, side) uint8
    size: tuple[int, int]  # width and height as a viewer shows them
    notes: frozenset[str]


@cache
def readable() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the suffixes of images (``.jpg``), and the formats, that are read."""
    Image.init()
    # Their first bytes are tried in this order, and the usual ones are of no other format.
    formats = tuple(sorted(set(Image.OPEN) - _UNREAD, key=lambda of: (of not in _USUAL, of)))
    suffixes = {s for s, of in Image.registered_extensions().items() if of in formats}
    return frozenset(suffixes), formats


def read_picture(path: str, side: int) -> Picture:
    """Read an image, cut to a square about its centre and resized to ``side`` pixels.

    Raises:
        InvalidDataset: It is damaged, cut off, too large, or of no known range; the file is named.
    """
    with opened(path) as image:
        return _cut(image, side)


def picture_of(image: Any, side: int) -> Picture:
    """Do as ``read_picture`` with an image in memory, or a file.

    Args:
        image: Pillow's, or an array (height, width) or (height, width, 3), uint8; or a path.
        side: Pixels.

    Raises:
        InvalidDataset: It is none of these, or cannot be read.
    """
    if isinstance(image, str | bytes | os.PathLike):
        return read_picture(os.fsdecode(image), side)
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise InvalidDataset(
                f"an image is an array {image.shape} of {image.dtype}: give (height, width) or "
                "(height, width, 3), uint8 from 0 to 255"
            )
        image = Image.fromarray(image)
    if not isinstance(image, Image.Image):
        raise InvalidDataset(
            f"an image is a {type(image).__name__}: give a path, an image of Pillow's, or an array"
        )
    try:
        with _as_asked():
            return _cut(image, side)
    except InvalidDataset as error:
        raise InvalidDataset(f"an image {error}") from None
    except Exception as error:  # as of files
        raise InvalidDataset(f"an image cannot be read ({error}): repair it") from error


def _cut(image: Image.Image, side: int) -> Picture:
    seen, notes = as_seen(image)
    square = ImageOps.fit(seen, (side, side))
    return Picture(np.asarray(square).transpose(2, 0, 1), seen.size, notes)


@contextmanager
def opened(path: str) -> Iterator[Image.Image]:
    """Open an image, which is not decoded yet.

    Raises:
        InvalidDataset: As for ``read_picture``, also for what is done with it in the block.
    """
    try:
        formats = readable()[1]
        with _as_asked(), open(path, "rb") as file, Image.open(file, formats=formats) as image:
            width, height = image.size
            if width * height > LARGEST:
                raise InvalidDataset(
                    f"has {width} x {height} pixels, and an image may have {LARGEST:,}: make it "
                    "smaller"
                )
            yield image
    except InvalidDataset as error:
        raise InvalidDataset(f"{printable(path)} {error}") from None
    except Exception as error:  # decoders raise whatever their bytes lead them to
        raise InvalidDataset(
            f"{printable(path)} cannot be read as an image ({_reason(error, path)}): repair it or "
            "take it away"
        ) from error


def _reason(error: Exception, path: str) -> str:
    if isinstance(error, UnidentifiedImageError):
        return _unknown(path)
    if isinstance(error, Image.DecompressionBombError):
        return f"it says that it has more than {LARGEST:,} pixels"
    told = str(getattr(error, "strerror", None) or error)
    words = printable(" ".join(told.split()))[:200].replace(printable(path), "it")
    return words or type(error).__name__


def _unknown(path: str) -> str:
    """Return what is unknown about the content of a file."""
    with open(path, "rb") as file:
        start = file.read(4)
    if not start:
        return "it is empty"
    if start in (b"II*\0", b"MM\0*"):
        return "it is damaged, or a TIFF with bits or bands that cannot be read here"
    return "its content is of no known format"


@contextmanager
def _as_asked() -> Iterator[None]:
    """Refuse what is cut off whatever other code asked Pillow for, and keep its warnings quiet."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def as_seen(image: Image.Image) -> tuple[Image.Image, frozenset[str]]:
    """Return all of an image as a viewer shows it, RGB of 8 bits, and how it came to be.

    Args:
        image: As ``opened`` gives it.
    """
    width, height = image.size
    check_memory(width * height * _BYTES_PER_PIXEL, f"({width} x {height} pixels)")
    notes = {FIRST} if getattr(image, "is_animated", False) else set()
    _check_tiff(image)
    _scale_key(image)
    before = orientation(image)  # that of TIFF is gone once it is loaded, which turns it
    image.load()
    if image.format == "TIFF":
        notes |= {TURNED} if before in _TURNS else set()
    elif (turn := _TURNS.get(orientation(image))) is not None:
        image = _turned(image, turn)
        notes.add(TURNED)
    return in_colour(image, notes), frozenset(notes)


def _check_tiff(image: Image.Image) -> None:
    """Refuse what Pillow reads as something else, without a word."""
    tags: Any = getattr(image, "tag_v2", {})
    bits, signs = max(tags.get(BITS_PER_SAMPLE, (8,))), tags.get(_SIGNS, (1,))
    if tags.get(_PLANES) == 2 and bits > 8 and len(tags.get(BITS_PER_SAMPLE, ())) > 1:
        raise InvalidDataset(
            f"is a TIFF of {bits} bits with its colours in separate planes, which cannot be read "
            "here: save it with 8 bits, or with the colours of each pixel together"
        )
    if bits == 8 and 2 in signs:
        raise InvalidDataset(
            "is a TIFF of 8 bits with a sign, whose zero is no black: save it without signs"
        )


def _scale_key(image: Image.Image) -> None:
    """Scale the grey that is transparent as Pillow scales the pixels of a PNG of 2 or 4 bits.

    To be called first: whatever loads the image takes away how it is stored.
    """
    key, tiles = image.info.get("transparency"), getattr(image, "tile", None)
    if image.format == "PNG" and image.mode == "L" and isinstance(key, int) and tiles:
        image.info["transparency"] = key * _STEPS.get(str(tiles[0].args), 1)


def _turned(image: Image.Image, turn: Image.Transpose) -> Image.Image:
    turned = image.transpose(turn)
    turned.format = image.format
    return turned


def orientation(image: Image.Image) -> int:
    """Return the orientation tag; 1 if there is none, or if the tags are damaged."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # viewers show such an image as it is stored
        return 1
