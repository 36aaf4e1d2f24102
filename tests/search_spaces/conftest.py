"""What is in a figure: helpers of the tests of drawings, as fixtures."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

Look = Callable[..., Any]


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def _arrows(figure: Figure) -> int:
    """Of upright edges."""
    found = figure.axes[0].collections
    return sum(len(c.get_paths()) for c in found if isinstance(c, PolyCollection))


def _wires(figure: Figure) -> list[FancyArrowPatch]:
    return [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]


def _dots(figure: Figure) -> list[tuple[float, float]]:
    return [(x, y) for line in figure.axes[0].lines for x, y in np.transpose(line.get_data())]


def _check_boxes(figure: Figure) -> None:
    """All boxes lie inside the figure and those with a label do not overlap."""
    width, height = figure.get_size_inches()
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    sides = [(b.get_x(), b.get_x() + b.get_width(), b.get_y(), b.get_y() + b.get_height())
             for b in boxes if b.get_zorder() > 1]  # fmt: skip
    for left, right, low, high in sides:
        assert left > 0.05
        assert right < width - 0.05
        assert low > 0.05
        assert high < height - 0.45  # below the title
    for (a, b, c, d), (e, f, g, h) in combinations(sides, 2):
        assert b <= e + 1e-9 or f <= a + 1e-9 or d <= g + 1e-9 or h <= c + 1e-9


def _check_labels(figure: Figure) -> None:
    """Each text inside a box fits into it, and no two texts overlap."""
    canvas: Any = figure.canvas
    canvas.draw()
    dpi = figure.dpi
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    centres = {(round(b.get_x() + b.get_width() / 2, 6), round(b.get_y() + b.get_height() / 2, 6)):
               b for b in boxes if b.get_zorder() > 1}  # fmt: skip
    fitted = 0
    for text in figure.axes[0].texts:
        box = centres.get(tuple(round(float(p), 6) for p in text.get_position()))
        if box is not None:
            extent = text.get_window_extent()
            assert extent.width < box.get_width() * dpi, text.get_text()
            assert extent.height < box.get_height() * dpi, text.get_text()
            fitted += 1
    assert fitted == len(centres)
    extents = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a, b in combinations(extents, 2))


@pytest.fixture(scope="session")
def texts() -> Look:
    return _texts


@pytest.fixture(scope="session")
def arrows() -> Look:
    return _arrows


@pytest.fixture(scope="session")
def wires() -> Look:
    return _wires


@pytest.fixture(scope="session")
def dots() -> Look:
    return _dots


@pytest.fixture(scope="session")
def check_boxes() -> Look:
    return _check_boxes


@pytest.fixture(scope="session")
def check_labels() -> Look:
    return _check_labels
