"""The hypervolume of a front: how much of the space of objectives it dominates, exactly."""

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from nas_gym.envs.objectives import Floats, checked_points, pareto_front
from nas_gym.errors import InvalidOption

MOST = 3  # objectives


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the volume that is dominated by some point and dominates the reference.

    Zitzler & Thiele 1998, "Multiobjective optimization using evolutionary algorithms". Exact, in
    O(n log n) for 2 objectives and, by a sweep over the third (Beume et al. 2009, "On the
    complexity of computing the hypervolume indicator"), for 3, but for moving a list's entries.

    Args:
        points: (points, objectives) finite, larger is better; 1 to 3 objectives.
        reference: (objectives,) finite. What is not better in every objective adds nothing.

    Raises:
        InvalidOption: Other shapes, numbers that are not finite, or more objectives.
    """
    values = checked_points(points)
    low = checked_points(np.asarray(reference, np.float64)[None])[0]
    if low.shape != values.shape[1:] or len(low) > MOST:
        raise InvalidOption(
            f"hypervolume of {values.shape[1]} objectives with a reference of {len(low)}: give 1 "
            f"to {MOST}, and one number for each"
        )
    above = values[(values > low).all(axis=1)] - low
    if not len(above):
        return 0.0
    # A box without extent in the missing objectives has a size of 1 there.
    boxes = np.pad(above, ((0, 0), (0, MOST - len(low))), constant_values=1.0)
    return _volume(boxes[pareto_front(boxes)])


def _volume(boxes: Floats) -> float:
    """Return the volume of the union of boxes (n, 3) from the origin to a corner, > 0."""
    staircase = _Staircase()
    volume, area = 0.0, 0.0
    order = boxes[np.argsort(-boxes[:, 2], kind="stable")].tolist()
    for (x, y, height), (*_, below) in zip(order, [*order[1:], (0.0, 0.0, 0.0)], strict=True):
        area += staircase.add(x, y)
        volume += area * (height - below)
    return volume


class _Staircase:
    """The union of rectangles from the origin: corners to the right are lower."""

    def __init__(self) -> None:
        self._x: list[float] = []  # ascending
        self._y: list[float] = []  # descending

    def add(self, x: float, y: float) -> float:
        """Add a rectangle, and return by how much the area grows."""
        xs, ys = self._x, self._y
        end = bisect_left(xs, x)  # corners from here on reach as far to the right
        right = ys[end] if end < len(xs) else 0.0
        if right >= y:
            return 0.0
        gained, below, edge, start = 0.0, right, x, end
        while start and ys[start - 1] <= y:  # corners that the new one covers
            start -= 1
            gained += (edge - xs[start]) * (y - below)
            edge, below = xs[start], ys[start]
        gained += (edge - (xs[start - 1] if start else 0.0)) * (y - below)
        if end < len(xs) and xs[end] == x:
            end += 1
        xs[start:end], ys[start:end] = [x], [y]
        return gained
