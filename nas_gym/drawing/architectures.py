"""The architectures of any search space, drawn or in words, finished or not.

A space may have a drawing of its own, ``draw(genotype) -> matplotlib.figure.Figure``, and words of
its own, ``to_text(genotype) -> str``. Without them NASNet's cells are drawn as in the papers,
NAS-Bench-201's as a graph, and other genotypes as a table of choices.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_gym.drawing import cell_graphs, cells, tables
from nas_gym.drawing.figures import DPI, rgb_array
from nas_gym.drawing.words import cells_as_text, choices_in_words
from nas_gym.errors import unknown_name
from nas_gym.search_spaces.cell_genotype import CELLS, Block, Cell, CellGenotype, concat_by_rule
from nas_gym.search_spaces.grammar import Choice, ChoiceTable, SearchSpace, trace
from nas_gym.search_spaces.nasbench201 import NASBench201, NASBench201Genotype
from nas_gym.search_spaces.nasnet_cell import NASNetCell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RENDER_MODES = ("ansi", "rgb_array")


def draw_genotype(
    space: SearchSpace[Any], tokens: Sequence[int], *, title: str | None = None
) -> "Figure":
    """The finished architecture that ``tokens`` describe.

    Raises:
        InvalidTokens: Wrong length or type, or a token that is not an index into its options.
    """
    genotype, choices = trace(space, tokens)
    draw = getattr(space, "draw", None)
    if draw is not None:
        figure: Figure = draw(genotype)
        return figure
    if isinstance(genotype, CellGenotype):
        return cells.draw_cells(genotype, title=title)
    if isinstance(genotype, NASBench201Genotype):
        return cell_graphs.draw_cell_graph(genotype.operations, title=title)
    return tables.draw_tokens(choices, tokens, title=title)


def genotype_as_text(space: SearchSpace[Any], tokens: Sequence[int]) -> str:
    """The finished architecture in words; raises as ``draw_genotype`` does."""
    genotype, choices = trace(space, tokens)
    to_text = getattr(space, "to_text", None)
    if to_text is not None:
        return str(to_text(genotype))
    if isinstance(genotype, CellGenotype):
        return cells_as_text(genotype)
    return choices_in_words(choices, tokens)


def draw_partial(space: SearchSpace[Any], tokens: Sequence[int]) -> "Figure":
    """The architecture begun by ``tokens``, and which choice is open now.

    Of a NASNet cell the finished blocks are drawn, of a NAS-Bench-201 cell the edges chosen so far,
    of other architectures the table of choices.
    """
    choices, tokens = path(ChoiceTable(space), tokens)
    return _draw_path(space, choices, tokens)


def render_tokens(table: ChoiceTable, tokens: Sequence[int], mode: str) -> str | NDArray[np.uint8]:
    """What an environment's ``render()`` returns, for an architecture finished or not.

    Args:
        table: The choices of the environment's space.
        tokens: Those taken so far; any beyond the end of the architecture are ignored.
        mode: ``"ansi"`` for text, ``"rgb_array"`` for a picture: uint8, (height, width, 3), of the
            same size in every step.

    Raises:
        UnknownName: Another mode.
    """
    if mode not in RENDER_MODES:
        raise unknown_name("render mode", mode, RENDER_MODES)
    choices, taken = path(table, tokens)
    finished = len(choices) == len(taken)
    if mode == "ansi":
        if finished:
            return genotype_as_text(table.space, taken)
        return choices_in_words(choices, taken)
    if finished:
        figure = draw_genotype(table.space, taken)
    else:
        figure = _draw_path(table.space, choices, taken)
    figure.set_dpi(DPI)
    figure.set_size_inches(*_frame_size(table.space))
    return rgb_array(figure)


def path(table: ChoiceTable, tokens: Sequence[int]) -> tuple[tuple[Choice, ...], tuple[int, ...]]:
    """The choices that tokens answer, with the open one as the last, and the tokens, folded."""
    choices: list[Choice] = []
    taken: list[int] = []
    while (choice := table.after(tuple(taken))) is not None:
        choices.append(choice)
        if len(taken) == len(tokens):
            break
        taken.append(int(tokens[len(taken)]) % len(choice.options))
    return tuple(choices), tuple(taken)


def _draw_path(
    space: SearchSpace[Any], choices: Sequence[Choice], tokens: Sequence[int]
) -> "Figure":
    title = None
    if len(choices) > len(tokens):
        title = f"choice {len(choices)}, now open: {choices[-1].name}"
    if isinstance(space, NASNetCell):
        begun = _begun_cells(space, choices, tokens)
        return cells.draw_unfinished_cells(begun, blocks=space.blocks, title=title)
    if isinstance(space, NASBench201):
        chosen = [c.options[t] for c, t in zip(choices, tokens, strict=False)]
        return cell_graphs.draw_cell_graph(chosen, title=title)
    return tables.draw_tokens(choices, tokens, title=title)


def _begun_cells(
    space: NASNetCell, choices: Sequence[Choice], tokens: Sequence[int]
) -> CellGenotype:
    """The finished blocks; a cell has its output when all its blocks are finished."""
    picked = {c.name: c.options[t] for c, t in zip(choices, tokens, strict=False)}
    if len(space.combines) == 1:
        combines = {f"{c}.block{b}.combine" for c in CELLS for b in range(space.blocks)}
        picked |= dict.fromkeys(combines, space.combines[0])
    begun = []
    for cell in CELLS:
        blocks: list[Block] = []
        for b in range(space.blocks):
            names = [f"{cell}.block{b}.{field}" for field in Block._fields]
            if all(name in picked for name in names):
                blocks.append(Block(*(picked[name] for name in names)))
        concat = concat_by_rule(blocks, space.concat) if len(blocks) == space.blocks else ()
        begun.append(Cell(tuple(blocks), concat))
    return CellGenotype(*begun)


def _frame_size(space: SearchSpace[Any]) -> tuple[float, float]:
    if isinstance(space, NASNetCell):
        return cells.figure_size(space.blocks)
    if isinstance(space, NASBench201):
        return cell_graphs.WIDTH, cell_graphs.HEIGHT
    return tables.WIDTH, tables.HEIGHT
