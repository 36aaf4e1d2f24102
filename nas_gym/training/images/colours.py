"""The colours of an image as a viewer shows them: 8 bits of RGB.

16 bits, floats, transparency, profiles and gamma, as ``nas_gym.training.images.decoding`` tells.
"""

import io
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from nas_gym.errors import InvalidDataset

# Tags of TIFF.
BITS_PER_SAMPLE, PHOTOMETRIC = 258, 262
_SCREEN = 2.2  # the gamma of a screen, as PNG's specification says
# Formats whose writers leave the fourth byte zero and mean nothing by it.
_NO_ALPHA = {"BMP", "DIB", "TGA", "ICO"}

CUT = "of 16 bits, cut to their high byte"
DARK = "of 16 bits that never reach 256 and so become black"
UNIT = "of floats from 0 to 1"
BYTES = "of floats from 0 to 255"
ON_WHITE = "transparent, laid on white"
PROFILE = "changed from their colour profile to sRGB"
GAMMA = "made brighter or darker as the gamma in the file says"
CONVERTED = "in other colours than RGB or grey, converted"


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


def in_colour(image: Image.Image, notes: set[str]) -> Image.Image:
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
    inverted = tags.get(PHOTOMETRIC) == 0  # white is zero, which Pillow minds in 8 bits only
    if image.mode == "I":
        ambiguous = 0 < highest < 256 and image.format != "PPM"  # Pillow scales that to 16 bits
        if lowest < 0 or highest > 0xFFFF or ambiguous:
            raise InvalidDataset(
                f'holds whole numbers of 32 bits (mode "I") from {lowest} to {highest}, whose full '
                "scale is not known: save it with 8 or 16 bits"
            )
    else:
        whole = max(8, int(tags.get(BITS_PER_SAMPLE, (16,))[0]))
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
    return Image.fromarray(255 - bytes_ if tags.get(PHOTOMETRIC) == 0 else bytes_)


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
        image = _as_rgb(image)
    transform = _transform(profile, image.mode) if profile or image.mode == "LAB" else None
    if transform is None:
        return _as_on_a_screen(_as_rgb(image), meaning.gamma, notes)
    notes.add(PROFILE if profile else CONVERTED)
    changed: Image.Image = transform.apply(image)
    return changed


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


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
