"""Drawings: what they show, their pixels and files, and that none fails."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from nas_gym.drawing import draw_learning_curve, rgb_array, save
from nas_gym.drawing.curves import running_mean
from nas_gym.errors import InvalidOption, InvalidTokens, StoreError, UnknownName
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Choice, Pick, decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.drawing import (
    FAMILY_COLOURS,
    LABELS,
    cells_as_text,
    draw_cells,
    operation_in_words,
)
from nas_gym.search_spaces.nasnet_cell.genotype import OPERATIONS, Block, Cell, CellGenotype
from nas_gym.search_spaces.nasnet_cell.layout import BLOCK_GAP, LANE, block_layers, lay_out
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A, PUBLISHED
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rendering import (
    choices_in_words,
    draw_genotype,
    draw_partial,
    draw_tokens,
    genotype_as_text,
    render_tokens,
)

NASNET_A_IN_WORDS = """\
normal cell
  b0 = sep 5x5(h) + sep 3x3(h-1)
  b1 = sep 5x5(h-1) + sep 3x3(h-1)
  b2 = avg 3x3(h) + identity(h-1)
  b3 = avg 3x3(h-1) + avg 3x3(h-1)
  b4 = sep 3x3(h) + identity(h)
  output = concat(h-1, b0, b1, b2, b3, b4)
reduction cell
  b0 = sep 5x5(h) + sep 7x7(h-1)
  b1 = max 3x3(h) + sep 7x7(h-1)
  b2 = avg 3x3(h) + sep 5x5(h-1)
  b3 = identity(b1) + avg 3x3(b0)
  b4 = sep 3x3(b0) + max 3x3(h)
  output = concat(b1, b2, b3, b4)"""


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


@st.composite
def genotypes(draw: st.DrawFn, most_blocks: int = 8) -> CellGenotype:
    """Random cells of 1 to 8 blocks, with either concat rule."""
    blocks = draw(st.integers(1, most_blocks))
    space = NASNetCell(
        blocks=blocks, operations=OPERATIONS, concat=draw(st.sampled_from(["unused", "all"]))
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return decode(space, random_tokens(space, rng))


# ---------------------------------------------------------------- words


def test_nasnet_a_in_words() -> None:
    assert cells_as_text(NASNET_A) == NASNET_A_IN_WORDS


def test_concatenated_block_in_words() -> None:
    cell = Cell((Block(1, 0, "conv_1x7_7x1", "dilated_conv_3x3", "concat"),), (2,))
    lines = cells_as_text(CellGenotype(cell, cell)).splitlines()
    assert lines[1:3] == [
        "  b0 = concat(conv 1x7 7x1(h), dilated 3x3(h-1))",
        "  output = concat(b0)",
    ]


def test_every_operation_has_its_own_words_and_a_colour() -> None:
    assert set(LABELS) == set(OPERATIONS)
    assert len({operation_in_words(operation) for operation in OPERATIONS}) == len(OPERATIONS)
    assert {kind for kind, _ in LABELS.values()} == set(FAMILY_COLOURS)


def test_choices_in_words_shows_the_open_choice_and_hides_later_ones() -> None:
    choices = (Choice("depth", (1, 2)), Choice("layer0.kernel", (3, 5)), Choice("later", ("a",)))
    assert choices_in_words(choices, [1]) == "depth: 2\nlayer0.kernel: ? (3, 5)"
    assert choices_in_words(choices[:1], [3]) == "depth: 2"  # folds, as an environment does
    with pytest.raises(InvalidTokens, match="4 tokens were given for 3 choices"):
        choices_in_words(choices, [0, 0, 0, 0])


# ---------------------------------------------------------------- layout


@given(genotypes())
@settings(max_examples=60, deadline=None)
def test_blocks_stand_above_their_inputs_and_nothing_overlaps(genotype: CellGenotype) -> None:
    for cell in genotype:
        layers = (0, 0, *block_layers(cell))
        for b, block in enumerate(cell.blocks):
            assert layers[b + 2] > max(layers[block.input_a], layers[block.input_b])
        layout = lay_out(cell, 0.0, 6.4)
        for row, items in enumerate(layout.rows):
            border = 0.0
            for item in items:
                width = LANE if item.passing else 2 * layout.box_width + BLOCK_GAP
                assert layout.x[row, item] - width / 2 >= border - 1e-9
                border = layout.x[row, item] + width / 2
            assert border <= 6.4 + 1e-9


@given(genotypes())
@settings(max_examples=60, deadline=None)
def test_every_branch_is_linked_to_its_hidden_state(genotype: CellGenotype) -> None:
    for cell in genotype:
        layout = lay_out(cell, 0.0, 6.4)
        arrived = {
            (link.upper.state - 2, link.branch): link.lower.state
            for between in layout.links
            for link in between
            if link.branch is not None
        }
        wanted = {(b, i): cell.blocks[b][i] for b in range(len(cell.blocks)) for i in (0, 1)}
        assert arrived == wanted
        assert set(cell.concat) <= {item.state for item in layout.rows[-1]}


def test_nasnet_a_normal_cell_is_one_row_and_reduction_cell_two() -> None:
    assert block_layers(NASNET_A.normal) == (1, 1, 1, 1, 1)
    assert block_layers(NASNET_A.reduction) == (1, 1, 1, 2, 2)


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize("name", PUBLISHED)
def test_picture_of_a_published_cell_shows_all_its_parts(name: str) -> None:
    genotype = PUBLISHED[name]
    figure = draw_cells(genotype, title=name)
    shown = texts(figure)
    wanted = ["hᵢ₋₁", "hᵢ", "hᵢ₊₁", "concat"]
    for cell in genotype:
        wanted += [f"b{b}" for b in range(len(cell.blocks))]
        for block in cell.blocks:
            wanted += ["\n".join(LABELS[op]).rstrip() for op in block[2:4]]
            wanted.append(block.combine)
    wanted += ["hᵢ₋₁", "hᵢ", "hᵢ₊₁", "concat", "Normal cell", "Reduction cell", name]
    assert sorted(shown) == sorted(wanted)
    # One arrow a branch, one a state of the output, one out of it.
    arrows = [len(c.get_paths()) for c in figure.axes[0].collections if type(c) is PolyCollection]
    assert sum(arrows) == sum(2 * len(c.blocks) + len(c.concat) + 1 for c in genotype)


# As wide as a cell gets: the edges that pass its rows reach both margins.
WIDE_INPUTS = ((0, 1), (2, 2), (1, 1), (4, 0), (2, 1), (0, 6), (1, 2))
WIDE_CELL = Cell(
    tuple(Block(a, b, "sep_conv_7x7", "identity", "concat") for a, b in WIDE_INPUTS),
    tuple(range(2, 9)),
)


@given(genotypes())
@example(CellGenotype(WIDE_CELL, WIDE_CELL))
@settings(max_examples=15, deadline=None)
def test_random_cells_are_drawn_at_a_size_that_depends_on_blocks_alone(
    genotype: CellGenotype,
) -> None:
    pixels = rgb_array(draw_cells(genotype))
    blocks = len(genotype.normal.blocks)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (700 + 70 * max(0, blocks - 5), 1400, 3)
    assert (pixels[0] == 255).all()  # nothing touches the borders
    assert (pixels[:, [0, -1]] == 255).all()
    assert (pixels < 128).any(axis=2).sum() > 2000  # dark pixels: text and lines


def test_output_of_a_cell_that_passes_an_input_on() -> None:
    cell = Cell((Block(1, 1, "identity", "identity"),), (0, 1))  # its block reaches no output
    assert "hᵢ₊₁" in texts(draw_cells(CellGenotype(cell, cell)))


# ---------------------------------------------------------------- any space


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


def test_partial_cells_show_finished_blocks_and_the_open_choice() -> None:
    space = NASNetCell(blocks=2, combines=("add",))
    tokens = random_tokens(space, np.random.default_rng(0))
    shown = texts(draw_partial(space, tokens[:7]))
    assert "choice 8, now open: normal.block1.operation_b" in shown
    assert "b0" in shown
    assert "b1" not in shown
    assert "hᵢ₊₁" not in shown
    assert texts(draw_partial(space, tokens[:8])).count("hᵢ₊₁") == 1  # normal cell is finished
    assert texts(draw_partial(space, tokens)) == texts(draw_genotype(space, tokens))


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


@pytest.mark.parametrize("count", [0, 1, 33, 90, 1000])
def test_tables_of_any_length_have_one_size(count: int) -> None:
    choices = [Choice(f"a.long.name.of.layer{i}.kernel" * 3, ("x" * 100,)) for i in range(count)]
    figure = draw_tokens(choices, [0] * count, title="table")
    assert rgb_array(figure).shape == (700, 1400, 3)
    if count == 1000:
        assert "841 choices before" in texts(figure)


# ---------------------------------------------------------------- learning curve


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


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("suffix", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_saved_files_are_of_their_kind_and_the_same_each_time(
    tmp_path: Path, suffix: str, begin: bytes
) -> None:
    first, second = (
        save(draw_cells(NASNET_A), tmp_path / f"{name}{suffix}").read_bytes() for name in "ab"
    )
    assert first.startswith(begin)
    assert first == second


def test_svg_names_every_operation(tmp_path: Path) -> None:
    svg = save(draw_cells(NASNET_A), tmp_path / "cells.svg").read_text(encoding="utf-8")
    labels = re.findall(r"<!-- (.*?) -->", svg)
    operations = [op for cell in NASNET_A for block in cell.blocks for op in block[2:4]]
    for kind in ("sep", "avg", "max", "identity"):
        assert labels.count(kind) == sum(LABELS[op][0] == kind for op in operations)
    assert labels.count("5x5") == sum(LABELS[op][1] == "5x5" for op in operations)
    assert labels.count("add") == 10


def test_bad_paths_get_one_clear_sentence(tmp_path: Path) -> None:
    figure = draw_cells(NASNET_A)
    with pytest.raises(InvalidOption, match=r"'cells\.jpeg'.*\.png, \.svg, \.pdf"):
        save(figure, tmp_path / "cells.jpeg")
    with pytest.raises(StoreError, match="give a folder that exists"):
        save(figure, tmp_path / "missing" / "cells.png")


def test_needs_no_display_no_pyplot_and_no_matplotlib_before_the_first_drawing() -> None:
    program = (
        "import sys, nas_gym.drawing as d\n"
        "assert not {'matplotlib', 'torch'} & set(sys.modules)\n"
        "from nas_gym.search_spaces.nasnet_cell.published import NASNET_A\n"
        "from nas_gym.search_spaces.nasnet_cell.drawing import draw_cells\n"
        "d.rgb_array(draw_cells(NASNET_A)); d.rgb_array(d.draw_learning_curve([0.5]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_concat_rules_draw_differently() -> None:
    space = NASNetCell()
    tokens = random_tokens(space, np.random.default_rng(1))
    one = rgb_array(draw_genotype(space, tokens))
    assert not np.array_equal(one, rgb_array(draw_genotype(replace(space, concat="all"), tokens)))
