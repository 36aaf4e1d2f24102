import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_gym.envs.objectives import pareto_front
from nas_gym.errors import InvalidOption

# Few different numbers, so that points are equal in some columns or all.
points = st.integers(1, 4).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(-2, 2), min_size=columns, max_size=columns), min_size=1, max_size=30
    )
)


def dominates(one, other):
    at_least = all(a >= b for a, b in zip(one, other, strict=True))
    return at_least and any(a > b for a, b in zip(one, other, strict=True))


@given(points)
def test_the_front_is_what_nothing_dominates(rows):
    slow = [i for i, row in enumerate(rows) if not any(dominates(other, row) for other in rows)]
    assert pareto_front(rows).tolist() == slow


def test_one_column_and_no_points():
    assert pareto_front([[3], [5], [4], [5]]).tolist() == [1, 3]
    assert pareto_front(np.empty((0, 2))).tolist() == []


@pytest.mark.parametrize("bad", [[1.0, 2.0], [[1.0, np.nan]], [[np.inf]], np.empty((3, 0))])
def test_what_it_cannot_compare_is_an_error(bad):
    with pytest.raises(InvalidOption, match="a row for each point"):
        pareto_front(bad)
