"""The learning curve."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from nas_gym.drawing import draw_learning_curve, rgb_array, save
from nas_gym.drawing.curves import running_mean


def drawn(figure: Figure) -> dict[str, np.ndarray]:
    """The points of each line, by its label: shape (2, points)."""
    lines = figure.axes[0].lines
    return {str(line.get_label()): np.array(line.get_data(), dtype=float) for line in lines}


def test_learning_curve_shows_rewards_best_mean_and_failures() -> None:
    rewards = [0.2, None, 0.5, 0.4, float("nan"), *[0.45] * 17, 0.6, 0.1]
    figure = draw_learning_curve(rewards, title="run", ylabel="accuracy")
    lines = drawn(figure)
    assert lines["reward"].shape == (2, 22)
    assert lines["failed: 2"][0].tolist() == [2, 5]
    best = lines["best so far: 0.6 at request 23"]
    assert best[1, [0, 1, 2, -3, -2, -1]].tolist() == [0.2, 0.5, 0.5, 0.6, 0.6, 0.6]
    assert lines["mean of the last 2"][1, :3].tolist() == pytest.approx([0.2, 0.35, 0.45])
    assert figure.axes[0].get_ylabel() == "accuracy"
    assert figure.axes[0].get_title() == "run"


@pytest.mark.parametrize("rewards", [[], [0.5], [None], [None, None, 0.1]])
def test_learning_curve_of_few_requests(rewards: list[float | None]) -> None:
    assert rgb_array(draw_learning_curve(rewards)).shape == (500, 900, 3)


def test_learning_curve_of_many_requests_is_a_small_file(tmp_path: Path) -> None:
    rewards = np.random.default_rng(0).random(100_000).tolist()
    path = save(draw_learning_curve(rewards), tmp_path / "curve.svg")
    assert path.stat().st_size < 3e6


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(1, 10))
def test_running_mean_is_the_mean_of_the_last(rewards: list[float], window: int) -> None:
    slow = [np.mean(rewards[max(0, i + 1 - window) : i + 1]) for i in range(len(rewards))]
    assert running_mean(np.array(rewards), window) == pytest.approx(slow, abs=1e-9)
