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

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.memory import check_memory

LARGEST = 178_956_970  # pixels of one image: where Pillow takes it for an attack
_BYTES_PER_PIXEL = 16  # at most, while an image is turned and its colours are converted
# Not read: what needs another program, what Pillow only recognises, and what is no picture.
# Of FITS, Pillow minds no BZERO, without which its 16 bits are others.
_UNREAD = {"EPS", "WMF", "GRIB", "BUFR", "HDF5", "MPEG", "PDF", "FITS"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Tags of EXIF and TIFF.
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANES, _SIGNS = 0x0112, 258, 262, 284, 339
_STEPS = {"L;2": 85, "L;4": 17}  # of grey in a PNG of so many bits
_SCREEN = 2.2  # the gamma of a screen, as PNG's specification says
# Formats whose writers leave the fourth byte zero and mean nothing by it.
_NO_ALPHA = {"BMP", "DIB", "TGA", "ICO"}

TURNED = "turned as their orientation tag says"
CUT = "of 16 bits, cut to their high byte"
DARK = "of 16 bits that never reach 256 and so become black"
UNIT = "of floats from 0 to 1"
BYTES = "of floats from 0 to 255"
ON_WHITE = "transparent, laid on white"
PROFILE = "changed from their colour profile to sRGB"
GAMMA = "made brighter or darker as the gamma in the file says"
CONVERTED = "in other colours than RGB or grey, converted"
FIRST = "of several frames, of which the first counts"


class Picture(NamedTuple):
    """What the network sees of a file, and how it came to be."""

    pixels: np.ndarray  # (3, side, side) uint8
    size: tuple[int, int]  # width and height as a viewer shows them
    notes: frozenset[str]  # of the constants above


@cache
def readable() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the suffixes of images (``.jpg``), and the formats, that are read."""
    Image.init()
    formats = tuple(sorted(set(Image.OPEN) - _UNREAD))
    suffixes = {s for s, of in Image.registered_extensions().items() if of in formats}
    return frozenset(suffixes), formats


def read_picture(path: str, side: int) -> Picture:
    """Read an image, cut to a square about its centre and resized to ``side`` pixels.

    Raises:
        InvalidDataset: It is damaged, cut off, too large, or of no known range; the file is named.
    """
    try:
        formats = readable()[1]
        with _as_asked(), open(path, "rb") as file, Image.open(file, formats=formats) as image:
            return _picture(image, side)
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


def _picture(image: Image.Image, side: int) -> Picture:
    width, height = image.size
    if width * height > LARGEST:
        raise InvalidDataset(
            f"has {width} x {height} pixels, and an image may have {LARGEST:,}: make it smaller"
        )
    check_memory(width * height * _BYTES_PER_PIXEL, f"({width} x {height} pixels)")
    notes = {FIRST} if getattr(image, "is_animated", False) else set()
    _check_tiff(image)
    _scale_key(image)
    before = _orientation(image)  # that of TIFF is gone once it is loaded, which turns it
    image.load()
    if image.format == "TIFF":
        notes |= {TURNED} if before in _TURNS else set()
    elif (turn := _TURNS.get(_orientation(image))) is not None:
        image = _turned(image, turn)
        notes.add(TURNED)
    seen = _in_colour(image, notes)
    square = ImageOps.fit(seen, (side, side))
    return Picture(np.asarray(square).transpose(2, 0, 1), image.size, frozenset(notes))


def _check_tiff(image: Image.Image) -> None:
    """Refuse what Pillow reads as something else, without a word."""
    tags: Any = getattr(image, "tag_v2", {})
    bits, signs = max(tags.get(_BITS_PER_SAMPLE, (8,))), tags.get(_SIGNS, (1,))
    if tags.get(_PLANES) == 2 and bits > 8 and len(tags.get(_BITS_PER_SAMPLE, ())) > 1:
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


def _orientation(image: Image.Image) -> int:
    """Return the orientation tag; 1 if there is none, or if the tags are damaged."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # viewers show such an image as it is stored
        return 1


class _Meaning(NamedTuple):
    """What the colours of an image mean, if they are not sRGB."""

    profile: bytes  # empty: none
    gamma: float | None  # that a PNG without a profile was written with

    @classmethod
    def of(cls, image: Image.Image) -> "_Meaning":
        """Return what the file says."""
        profile, gamma = image.info.get("icc_profile") or b"", image.info.get("gamma")
        if profile or image.format != "PNG" or "srgb" in image.info or not gamma:
            return cls(bytes(profile), None)
        return cls(b"", gamma if abs(gamma * _SCREEN - 1) > 0.05 else None)


def _in_colour(image: Image.Image, notes: set[str]) -> Image.Image:
    """Return RGB of 8 bits, and note what had to be done."""
    meaning, key = _Meaning.of(image), image.info.get("transparency")
    if image.mode == "I" or image.mode.startswith("I;16"):
        seen = _in_srgb(_from_integers(image, notes), meaning, notes)
        if not isinstance(key, int):
            return seen
        return _laid(seen, Image.fromarray(np.asarray(image) != key).convert("L"), notes)
    if image.mode == "F":
        image = _from_floats(image, notes)
    elif image.has_transparency_data:
        return _on_white(image, meaning, notes)
    return _in_srgb(image, meaning, notes)


def _from_integers(image: Image.Image, notes: set[str]) -> Image.Image:
    values = np.asarray(image)
    lowest, highest = int(values.min()), int(values.max())
    tags: Any = getattr(image, "tag_v2", {})
    whole = 16
    inverted = tags.get(_PHOTOMETRIC) == 0  # white is zero, which Pillow minds in 8 bits only
    if image.mode == "I":
        ambiguous = 0 < highest < 256 and image.format != "PPM"  # Pillow scales that to 16 bits
        if lowest < 0 or highest > 0xFFFF or ambiguous:
            raise InvalidDataset(
                f'holds whole numbers of 32 bits (mode "I") from {lowest} to {highest}, whose full '
                "scale is not known: save it with 8 or 16 bits"
            )
    else:
        whole = max(8, int(tags.get(_BITS_PER_SAMPLE, (16,))[0]))
    if inverted:
        values = (1 << whole) - 1 - values
    notes.add(DARK if 0 < highest < 256 and whole == 16 else CUT)
    return Image.fromarray((values >> (whole - 8)).astype(np.uint8))


def _from_floats(image: Image.Image, notes: set[str]) -> Image.Image:
    values = np.asarray(image)
    lowest, highest = float(values.min()), float(values.max())
    if not (lowest >= 0 and highest <= 255):  # NaN is in no order
        raise InvalidDataset(
            f'holds floats (mode "F") from {lowest:g} to {highest:g}, and only 0 to 1 or 0 to 255 '
            "can be shown: rescale it, or save it with 8 or 16 bits"
        )
    if highest > 0:  # black is black on either scale
        notes.add(UNIT if highest <= 1 else BYTES)
    scale = 255.0 if highest <= 1 else 1.0
    bytes_ = np.rint(values * scale).astype(np.uint8)
    tags: Any = getattr(image, "tag_v2", {})
    return Image.fromarray(255 - bytes_ if tags.get(_PHOTOMETRIC) == 0 else bytes_)


def _on_white(image: Image.Image, meaning: _Meaning, notes: set[str]) -> Image.Image:
    of, whole = image.format, image.convert("RGBA")
    grey = image.mode in ("L", "LA", "La")  # which stays grey, for a profile of grey
    colours = _in_srgb(whole.getchannel("R") if grey else whole.convert("RGB"), meaning, notes)
    alpha = whole.getchannel("A")
    if alpha.getextrema() == (0, 0) and of in _NO_ALPHA:
        return colours
    return _laid(colours, alpha, notes)


def _laid(colours: Image.Image, alpha: Image.Image, notes: set[str]) -> Image.Image:
    """Return colours on white, as far as they can be seen through."""
    if alpha.getextrema() == (255, 255):
        return colours
    notes.add(ON_WHITE)
    return Image.composite(colours, Image.new("RGB", colours.size, "white"), alpha)


def _in_srgb(image: Image.Image, meaning: _Meaning, notes: set[str]) -> Image.Image:
    """Return RGB as the file means it; a damaged profile counts for nothing."""
    profile = meaning.profile
    if image.mode not in ("1", "L", "P", "RGB", "RGBX"):
        notes.add(CONVERTED)
    if image.mode not in ("L", "CMYK", "LAB"):
        image = image.convert("RGB")
    transform = _transform(profile, image.mode) if profile or image.mode == "LAB" else None
    if transform is None:
        return _as_on_a_screen(image.convert("RGB"), meaning.gamma, notes)
    notes.add(PROFILE if profile else CONVERTED)
    changed: Image.Image = transform.apply(image)
    return changed


def _as_on_a_screen(image: Image.Image, gamma: float | None, notes: set[str]) -> Image.Image:
    if gamma is None:
        return image
    notes.add(GAMMA)
    table = np.rint(255 * (np.arange(256) / 255) ** (1 / (gamma * _SCREEN))).astype(int)
    return image.point(table.tolist() * 3)


@lru_cache(64)
def _transform(profile: bytes, mode: str) -> Any:
    """Return what turns colours into sRGB; None if they are, or if the profile is of no use."""
    try:
        from PIL import ImageCms

        own = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
        if own is None:
            source: Any = ImageCms.createProfile("LAB")
        else:
            source, facts = own, own.profile
            space = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}[mode]
            if facts.xcolor_space.strip() != space:
                return None
            if mode == "RGB" and "srgb" in (facts.profile_description or "").lower():
                return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except Exception:  # as viewers, which then show the colours as they are stored
        return None
