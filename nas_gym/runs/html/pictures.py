"""Drawings of architectures as parts of a page: pictures that need no file."""

import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from nas_gym.drawing.plain import plain_style
from nas_gym.runs.html.svg import svg_address
from nas_gym.search_spaces.rendering import draw_genotype

_SIZE = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"')
PIXELS = 96 / 72  # per point


class Drawing(NamedTuple):
    """An image of a page."""

    address: str  # ``data:``
    width: int  # pixels
    height: int


def drawing(space: Any, tokens: Sequence[int]) -> Drawing:
    """Return an architecture's drawing.

    Within an image no script runs and nothing is fetched, whatever a user's ``draw`` returned.
    """
    text = io.StringIO()
    with plain_style():
        draw_genotype(space, tokens).savefig(text, format="svg", metadata={"Date": None})
    return picture_of(text.getvalue())


def kept_picture(svg: str) -> Drawing | None:
    """Return an SVG that an earlier report wrote; None if somebody cut or changed it."""
    try:
        return picture_of(svg)
    except (ET.ParseError, ValueError, KeyError):
        return None


def picture_of(svg: str) -> Drawing:
    """Return an SVG that matplotlib wrote."""
    size = _SIZE.search(svg)
    width, height = (0.0, 0.0) if size is None else map(float, size.groups())
    return Drawing(svg_address(svg), round(PIXELS * width), round(PIXELS * height))
