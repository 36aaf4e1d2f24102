"""The architectures of any search space, drawn or in words, finished or not.

A space may have a drawing of its own, ``draw(genotype) -> matplotlib.figure.Figure``, and words of
its own, ``to_text(genotype) -> str``. Without them the spaces of ``nas_gym.drawing.kinds`` are
drawn as in their papers, and other genotypes as a table of choices.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_gym.drawing import tables
from nas_gym.drawing.figures import DPI, rgb_array
from nas_gym.drawing.kinds import kind_of
from nas_gym.drawing.words import choices_in_words
from nas_gym.errors import unknown_name
from nas_gym.search_spaces.grammar import Choice, ChoiceTable, SearchSpace, trace

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
    kind = kind_of(genotype)
    if kind is not None:
        return kind.draw(genotype, title)
    return tables.draw_tokens(choices, tokens, title=title)


def genotype_as_text(space: SearchSpace[Any], tokens: Sequence[int]) -> str:
    """The finished architecture in words; raises as ``draw_genotype`` does."""
    genotype, choices = trace(space, tokens)
    to_text = getattr(space, "to_text", None)
    if to_text is not None:
        return str(to_text(genotype))
    kind = kind_of(genotype)
    return choices_in_words(choices, tokens) if kind is None else kind.to_text(genotype)


def draw_partial(space: SearchSpace[Any], tokens: Sequence[int]) -> "Figure":
    """The architecture begun by ``tokens``, and which choice is open now.

    Of a NASNet cell the finished blocks are drawn, of a convolutional network its layers so far, of
    the others the parts chosen; of spaces without a drawing in this package the table of choices.
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
    if finished and hasattr(table.space, "draw"):
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
    kind = kind_of(space)
    if kind is None:
        return tables.draw_tokens(choices, tokens, title=title)
    picked = {c.name: c.options[t] for c, t in zip(choices, tokens, strict=False)}
    return kind.draw_begun(space, picked, title)


def _frame_size(space: SearchSpace[Any]) -> tuple[float, float]:
    kind = kind_of(space)
    return (tables.WIDTH, tables.HEIGHT) if kind is None else kind.frame_size(space)
