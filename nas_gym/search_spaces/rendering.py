"""Any architecture as text or as a picture, finished or not.

A space may say which graph an architecture is, ``graph(genotype)``: a mapping from each node's name
to its words and the names of the nodes that it reads, drawn in layers. Or it has a drawing of its
own, ``draw(genotype) -> matplotlib.figure.Figure`` (with ``title=None`` as a second argument if it
can carry one). It may have words of its own,
``to_text(genotype) -> str``, and a drawing of what is begun,
``draw_begun(picked, title) -> Figure`` with ``picked`` the option picked for each choice so far and
``frame_size`` its (width, height) in inches. Without them architectures are shown as a
table of choices.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nas_gym.drawing import table as canvas
from nas_gym.drawing.figures import DPI, rgb_array
from nas_gym.drawing.graph import draw_graph
from nas_gym.drawing.plain import plain_style
from nas_gym.errors import InvalidTokens, unknown_name
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Choice, SearchSpace, trace
from nas_gym.search_spaces.graph import graph_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

RENDER_MODES = ("ansi", "rgb_array")


@plain_style()
def draw_genotype(
    space: SearchSpace[Any], tokens: Sequence[int], *, title: str | None = None
) -> "Figure":
    """Draw the finished architecture that ``tokens`` describe.

    Args:
        space: A search space.
        tokens: A whole architecture of it.
        title: Written above the drawing; the space's ``draw`` must then take one.

    Raises:
        InvalidTokens: Wrong length or type, or a token that is not an index into its options.
        InvalidSpace: The space's ``graph`` returns none.
    """
    genotype, choices = trace(space, tokens)
    figure = drawn_by_space(space, genotype, title=title)
    return draw_tokens(choices, tokens, title=title) if figure is None else figure


@plain_style()
def drawn_by_space(
    space: SearchSpace[Any], genotype: Any, *, title: str | None = None
) -> "Figure | None":
    """Draw as ``draw_genotype`` does, by the genotype; None if the space says nothing of it."""
    draw = getattr(space, "draw", None)
    if draw is not None:
        figure: Figure = draw(genotype) if title is None else draw(genotype, title=title)
        return figure
    graph = graph_of(space, genotype)
    return None if graph is None else draw_graph(graph.labels, graph.inputs, title=title)


def genotype_as_text(space: SearchSpace[Any], tokens: Sequence[int]) -> str:
    """Write the finished architecture in words; raises as ``draw_genotype`` does."""
    genotype, choices = trace(space, tokens)
    to_text = getattr(space, "to_text", None)
    return choices_in_words(choices, tokens) if to_text is None else str(to_text(genotype))


@plain_style()
def draw_partial(space: SearchSpace[Any], tokens: Sequence[int]) -> "Figure":
    """Draw the architecture begun by ``tokens``, and which choice is open now.

    Of a NASNet cell the finished blocks are drawn, of a convolutional network its layers so far, of
    the others the parts chosen; a space without ``draw_begun`` gets the table of choices.
    """
    choices, tokens = path(ChoiceTable(space), tokens)
    return _draw_path(space, choices, tokens)


def draw_tokens(
    choices: Sequence[Choice], tokens: Sequence[int], *, title: str | None = None
) -> "Figure":
    """Draw a table of the choices and the options that ``tokens`` picked: for any space.

    Args:
        choices: The choices on the way; the first one beyond the tokens is shown as open.
        tokens: An index into the options of each choice.
        title: Written above the table.

    Raises:
        InvalidTokens: More tokens than choices.
    """
    rows = picked_options(choices, tokens)
    open_row = choices[len(tokens)].name if len(choices) > len(tokens) else None
    return canvas.draw_table(rows, open_row=open_row, title=title)


def render_tokens(
    table: ChoiceTable, tokens: Sequence[int], mode: str
) -> "str | NDArray[np.uint8]":
    """Return what an environment's ``render()`` shows of an architecture, finished or not.

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
    with plain_style():
        if finished and hasattr(table.space, "draw") and not hasattr(table.space, "draw_begun"):
            figure = draw_genotype(table.space, taken)
        else:
            figure = _draw_path(table.space, choices, taken)
        figure.set_dpi(DPI)
        figure.set_size_inches(*_frame_size(table.space))
        return rgb_array(figure)


def path(table: ChoiceTable, tokens: Sequence[int]) -> tuple[tuple[Choice, ...], tuple[int, ...]]:
    """Return the choices that tokens answer, the open one last, and the tokens, folded."""
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
    draw_begun = getattr(space, "draw_begun", None)
    if draw_begun is None:
        return draw_tokens(choices, tokens, title=title)
    picked = {c.name: c.options[t] for c, t in zip(choices, tokens, strict=False)}
    figure: Figure = draw_begun(picked, title)
    return figure


def _frame_size(space: SearchSpace[Any]) -> tuple[float, float]:
    width, height = getattr(space, "frame_size", (canvas.WIDTH, canvas.HEIGHT))
    return width, height


def choices_in_words(choices: Sequence[Choice], tokens: Sequence[int]) -> str:
    """Write an architecture of any space, complete or not, in words: one line per choice.

    Args:
        choices: The choices on the way. Those beyond the tokens are open: the first of them is
            shown with its options, the others are left out.
        tokens: An index into the options of each choice; beyond them it folds, as in the
            environments.

    Raises:
        InvalidTokens: More tokens than choices.
    """
    lines = [f"{name}: {option}" for name, option in picked_options(choices, tokens)]
    if len(choices) > len(tokens):
        lines.append(open_choice_in_words(choices[len(tokens)]))
    return "\n".join(lines)


def picked_options(choices: Sequence[Choice], tokens: Sequence[int]) -> list[tuple[str, str]]:
    """Return name and option of each token; raise InvalidTokens for more tokens than choices."""
    if len(tokens) > len(choices):
        raise InvalidTokens(
            f"{len(tokens)} tokens were given for {len(choices)} choices: give one per choice"
        )
    return [
        (choice.name, str(choice.options[token % len(choice.options)]))
        for choice, token in zip(choices, tokens, strict=False)
    ]


def open_choice_in_words(choice: Choice) -> str:
    """Write the open choice with its options: ``kernel: ? (1, 3, 5)``."""
    return f"{choice.name}: ? ({', '.join(map(str, choice.options))})"
