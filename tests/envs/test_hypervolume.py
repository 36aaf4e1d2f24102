"""The hypervolume, against moocore's and against boxes that are counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.envs.hypervolume import hypervolume
from nas_gym.errors import InvalidOption


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_it_counts_the_unit_boxes_that_a_point_covers(columns, count, seed):
    rng = np.random.default_rng(seed)
    points, reference = rng.integers(0, 6, (count, columns)), rng.integers(0, 3, columns)
    cells = np.stack(np.meshgrid(*[np.arange(5)] * columns, indexing="ij"), -1)
    cells = cells.reshape(-1, columns)
    covered = (points[:, None] >= cells + 1).all(2).any(0) & (cells >= reference).all(1)
    assert hypervolume(points, reference) == covered.sum()


@settings(deadline=None)
@given(st.integers(2, 3), st.integers(1, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_it_is_moocores(columns, count, seed, on_a_front):
    moocore = pytest.importorskip("moocore")
    points = np.random.default_rng(seed).random((count, columns))
    if on_a_front:
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    expected = moocore.hypervolume(points, ref=np.full(columns, 0.1), maximise=True)
    assert hypervolume(points, np.full(columns, 0.1)) == pytest.approx(expected, abs=1e-12)


def test_scales_do_not_matter_to_a_ratio():
    points = np.random.default_rng(0).random((40, 3))
    scale, shift = np.array([1e-3, 1e6, 7.0]), np.array([0.0, -1e6, 3.0])
    ratio = hypervolume(points[:5], np.zeros(3)) / hypervolume(points, np.zeros(3))
    moved = points * scale + shift
    assert hypervolume(moved[:5], shift) / hypervolume(moved, shift) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("points", "reference"),
    [([[1, 2]], [0]), ([[1, 2, 3, 4]], [0] * 4), ([[1, np.nan]], [0, 0]), ([[1]], [np.inf])],
)
def test_what_it_cannot_measure_is_an_error(points, reference):
    with pytest.raises(InvalidOption, match="give"):
        hypervolume(points, reference)
