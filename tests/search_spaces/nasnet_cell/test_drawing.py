"""NASNet's cells as pictures and words."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from nas_gym.drawing import rgb_array, save
from nas_gym.search_spaces.grammar import decode
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
    draw_genotype,
    draw_partial,
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


@pytest.mark.slow
@given(genotypes())
@settings(max_examples=60, deadline=None)
def test_every_branch_is_linked_to_its_hidden_state(genotype: CellGenotype) -> None:
    for cell in genotype:
        layout = lay_out(cell, 0.0, 6.4)
        arrived = {
            (link.upper.node - 2, link.port): link.lower.node
            for between in layout.links
            for link in between
            if link.port is not None
        }
        wanted = {(b, i): cell.blocks[b][i] for b in range(len(cell.blocks)) for i in (0, 1)}
        assert arrived == wanted
        assert set(cell.concat) <= {item.node for item in layout.rows[-1]}


def test_nasnet_a_normal_cell_is_one_row_and_reduction_cell_two() -> None:
    assert block_layers(NASNET_A.normal) == (1, 1, 1, 1, 1)
    assert block_layers(NASNET_A.reduction) == (1, 1, 1, 2, 2)


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


@pytest.mark.slow
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


def test_svg_names_every_operation(tmp_path: Path) -> None:
    svg = save(draw_cells(NASNET_A), tmp_path / "cells.svg").read_text(encoding="utf-8")
    labels = re.findall(r"<!-- (.*?) -->", svg)
    operations = [op for cell in NASNET_A for block in cell.blocks for op in block[2:4]]
    for kind in ("sep", "avg", "max", "identity"):
        assert labels.count(kind) == sum(LABELS[op][0] == kind for op in operations)
    assert labels.count("5x5") == sum(LABELS[op][1] == "5x5" for op in operations)
    assert labels.count("add") == 10


@pytest.mark.slow
def test_concat_rules_draw_differently() -> None:
    space = NASNetCell()
    tokens = random_tokens(space, np.random.default_rng(1))
    one = rgb_array(draw_genotype(space, tokens))
    assert not np.array_equal(one, rgb_array(draw_genotype(replace(space, concat="all"), tokens)))
