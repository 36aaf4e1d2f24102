"""NAS-Bench-201's cells as pictures and words."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest

import nas_gym  # noqa: F401
from nas_gym.drawing import rgb_array, save
from nas_gym.search_spaces.nasbench201.drawing import HEIGHT, WIDTH
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.rendering import draw_genotype, draw_partial


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_edge_is_labelled(tmp_path) -> None:
    figure = draw_genotype(NASBench201(), (0, 1, 2, 3, 4, 0), title="mine")
    labels = ["none", "skip", "conv 1x1", "conv 3x3", "avg 3x3", "none"]
    assert texts(figure) == ["mine", *labels, "input", "1", "2", "output"]
    assert save(figure, tmp_path / "cell.svg").stat().st_size > 1000


def test_an_unfinished_cell_shows_what_is_open() -> None:
    figure = draw_partial(NASBench201(), (3, 0))
    assert texts(figure)[:4] == [
        "choice 3, now open: node2.operation1", "conv 3x3", "none", "?"
    ]  # fmt: skip


def test_labels_do_not_overlap() -> None:
    figure = draw_genotype(NASBench201(), (3, 3, 3, 3, 3, 3))
    rgb_array(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y1 <= HEIGHT * 100
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
def test_the_environment_renders_each_step(mode: str) -> None:
    env = gym.make("NASBench201-v0", render_mode=mode)
    env.reset(seed=0)
    frames = [env.render()]
    for action in (3, 0, 1, 2, 3, 4):
        env.step(np.int64(action))
        frames.append(env.render())
    if mode == "ansi":
        assert frames[1].splitlines()[0] == "node1.operation0: nor_conv_3x3"
        assert frames[-1].startswith("|nor_conv_3x3~0|+|none~0|skip_connect~1|")
    else:
        assert {frame.shape for frame in frames} == {(int(HEIGHT * 100), int(WIDTH * 100), 3)}
        assert all((a != b).any() for a, b in pairwise(frames))
