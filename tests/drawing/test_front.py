import numpy as np
import pytest

from nas_gym.drawing.front import NAMED, draw_front
from nas_gym.envs.objectives import pareto_front


@pytest.mark.parametrize("objectives", [2, 3])
def test_every_child_is_a_point_and_the_front_has_numbers(objectives):
    points = np.random.default_rng(0).random((60, objectives)) * [1, *[1e6] * (objectives - 1)]
    points[:, 1:] *= -1
    front = points[pareto_front(points)]
    figure = draw_front(
        points,
        front,
        ["accuracy", "parameters", "latency, s"][:objectives],
        [1, -1, -1][:objectives],
    )
    panels = figure.axes
    assert [axes.get_xlabel() for axes in panels] == ["parameters", "latency, s"][: objectives - 1]
    for column, axes in enumerate(panels, start=1):
        every, members = axes.get_lines()
        assert len(every.get_xdata()) == 60
        np.testing.assert_allclose(members.get_xdata(), -front[:, column])  # as they were
        np.testing.assert_allclose(members.get_ydata(), front[:, 0])
        assert [text.get_text() for text in axes.texts][:2] == ["1", "2"]


def test_of_a_large_front_some_are_named():
    x = np.linspace(0, 1, 500)
    front = np.stack([x, 1 - x], 1)
    figure = draw_front(front, front, ["a", "b"], [1, 1], title="all of it")
    assert len(figure.axes[0].texts) <= NAMED
