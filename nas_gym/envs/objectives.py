"""The Pareto front: the points that no other one beats in every respect."""

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidOption


def pareto_front(points: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the indices of the points that no other dominates, ascending.

    A point dominates another if it is at least as large in every column and larger in one: turn the
    sign of what should be small, such as parameters. Equal points do not dominate each other, so
    all copies of a point of the front are in it.

    Takes time proportional to points times members of the front, and memory to points.

    Args:
        points: (points, objectives) finite numbers; there may be no points, but not no objectives.

    Raises:
        InvalidOption: Not of that shape, or not finite.
    """
    values = np.asarray(points, np.float64)
    if values.ndim != 2 or values.shape[1] == 0 or not np.isfinite(values).all():
        raise InvalidOption(
            f"points are an array of shape {values.shape}"
            f"{'' if np.isfinite(values).all() else ' with values that are not finite'}: give "
            "finite numbers, a row for each point and a column for each objective"
        )
    # The first of what is left in this order is dominated by nothing that is left.
    left = np.lexsort(-values.T[::-1])
    front = []
    while left.size:
        best = values[left[0]]
        equal = (values[left] == best).all(axis=1)
        front.append(left[equal])
        left = left[(values[left] > best).any(axis=1)]
    return np.sort(np.concatenate(front)) if front else np.empty(0, np.int64)
