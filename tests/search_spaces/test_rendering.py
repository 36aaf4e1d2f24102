"""Any architecture as text or as a picture, finished or not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from matplotlib.figure import Figure

import nas_gym  # noqa: F401
from nas_gym.drawing import rgb_array, save
from nas_gym.errors import InvalidTokens, UnknownName
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import Choice, Pick
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.search_spaces.rendering import (
    choices_in_words,
    draw_genotype,
    draw_partial,
    draw_tokens,
    genotype_as_text,
    render_tokens,
)
from nas_gym.search_spaces.rnn_cell.space import RNNCell

Look = Callable[..., Any]  # a helper of tests/search_spaces/conftest.py


@dataclass(frozen=True)
class Chain:
    """A conditional space without a drawing of its own."""

    max_length: int = 4
    max_options: int = 3

    def choose(self, pick: Pick, /) -> tuple[int, ...]:
        depth = pick("depth", (1, 2, 3))
        return tuple(pick(f"layer{i}.kernel", (3, 5)) for i in range(depth))


class DrawnChain(Chain):
    """One that has its own, of an odd size."""

    def draw(self, genotype: tuple[int, ...]) -> Figure:
        return Figure(figsize=(1 + len(genotype), 1))

    def to_text(self, genotype: tuple[int, ...]) -> str:
        return f"a chain of {genotype}"


def texts(figure: Figure) -> list[str]:
    """Every text in the figure's axes."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_choices_in_words_shows_the_open_choice_and_hides_later_ones() -> None:
    choices = (Choice("depth", (1, 2)), Choice("layer0.kernel", (3, 5)), Choice("later", ("a",)))
    assert choices_in_words(choices, [1]) == "depth: 2\nlayer0.kernel: ? (3, 5)"
    assert choices_in_words(choices[:1], [3]) == "depth: 2"  # folds, as an environment does
    with pytest.raises(InvalidTokens, match="4 tokens were given for 3 choices"):
        choices_in_words(choices, [0, 0, 0, 0])


def test_a_space_without_a_drawing_gets_a_table() -> None:
    assert texts(draw_genotype(Chain(), (1, 0, 1))) == [
        *("depth", "2", "layer0.kernel", "3", "layer1.kernel", "5"),
    ]
    assert genotype_as_text(Chain(), (1, 0, 1)) == "depth: 2\nlayer0.kernel: 3\nlayer1.kernel: 5"
    with pytest.raises(InvalidTokens, match="not complete"):
        draw_genotype(Chain(), (1, 0))


def test_a_space_may_bring_its_own_drawing_and_words() -> None:
    assert genotype_as_text(DrawnChain(), (1, 0, 1)) == "a chain of (3, 5)"
    assert draw_genotype(DrawnChain(), (1, 0, 1)).get_size_inches().tolist() == [3.0, 1.0]


@pytest.mark.few(1)
@pytest.mark.parametrize("space", [NASNetCell(blocks=1), NASNetCell(blocks=6), Chain()])
def test_frames_of_an_episode_have_one_size(space: NASNetCell | Chain) -> None:
    tokens = random_tokens(space, np.random.default_rng(0))
    table = ChoiceTable(space)
    ends = {0, 1, len(tokens) // 2, len(tokens) - 1, len(tokens)}
    frames = [render_tokens(table, tokens[:end], "rgb_array") for end in sorted(ends)]
    assert len({frame.shape for frame in frames if isinstance(frame, np.ndarray)}) == 1
    assert not np.array_equal(frames[0], frames[-1])


def test_frames_of_a_space_with_its_own_drawing_have_one_size() -> None:
    table = ChoiceTable(DrawnChain())
    frames = [render_tokens(table, tokens, "rgb_array") for tokens in ((), (1, 0), (1, 0, 1))]
    assert {np.shape(frame) for frame in frames} == {(700, 1400, 3)}


def test_rendered_text_ignores_tokens_after_the_end() -> None:
    table = ChoiceTable(Chain())
    assert render_tokens(table, (0, 1, 0, 0), "ansi") == "depth: 1\nlayer0.kernel: 5"
    assert render_tokens(table, (), "ansi") == "depth: ? (1, 2, 3)"
    with pytest.raises(UnknownName, match="did you mean 'rgb_array'"):
        render_tokens(table, (), "rgb")


@pytest.mark.few(2)
@pytest.mark.parametrize("count", [0, 1, 33, 90, 1000])
def test_tables_of_any_length_have_one_size(count: int) -> None:
    choices = [Choice(f"a.long.name.of.layer{i}.kernel" * 3, ("x" * 100,)) for i in range(count)]
    figure = draw_tokens(choices, [0] * count, title="table")
    assert rgb_array(figure).shape == (700, 1400, 3)
    if count == 1000:
        assert "841 choices before" in texts(figure)


@pytest.mark.parametrize(
    "space",
    [
        ConvNet(depth=(2, 4), types=("conv", "pool"), pools=(3,)),
        RNNCell(base=3),
        ENASRNNCell(nodes=4),
    ],
)
def test_what_is_begun_is_drawn_at_the_size_of_the_whole(check_boxes: Look, space: Any) -> None:
    tokens = random_tokens(space, np.random.default_rng(3))
    size = space.frame_size
    for end in (0, 5, len(tokens)):
        figure = draw_partial(space, tokens[:end])
        assert tuple(figure.get_size_inches()) == pytest.approx(size)
        check_boxes(figure)
    assert set(texts(draw_genotype(space, tokens))) == set(texts(draw_partial(space, tokens)))


@pytest.mark.parametrize("env_id", ["NASConvNet-v0", "NASRNNCell-v0"])
def test_environments_draw_their_episodes(env_id: str) -> None:
    env = gym.make(env_id, render_mode="rgb_array", evaluator="landscape")
    env.reset(seed=0)
    first: Any = env.render()
    env.step(np.int64(0))
    second: Any = env.render()
    assert first.shape == second.shape
    assert (first != second).any()


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["nas-v1-chain", "lstm-like"])
def test_files_are_the_same_each_time(name: str, tmp_path: Path) -> None:
    genotype, space = PUBLISHED[name]
    drawn: Any = space
    first, second = (
        save(drawn.draw(genotype, name), tmp_path / f"{run}.svg").read_bytes() for run in "ab"
    )
    assert first == second
