"""Architectures in words: for ``render_mode="ansi"``, the terminal, and the labels of a picture."""

from collections.abc import Sequence

from nas_gym.errors import InvalidTokens
from nas_gym.search_spaces.cell_genotype import CELLS, Block, Cell, CellGenotype
from nas_gym.search_spaces.grammar import Choice

# Kind and size: the two lines of an operation's box.
LABELS = {
    "identity": ("identity", ""),
    "conv_1x3_3x1": ("conv", "1x3 3x1"),
    "conv_1x7_7x1": ("conv", "1x7 7x1"),
    "dilated_conv_3x3": ("dilated", "3x3"),
    "avg_pool_3x3": ("avg", "3x3"),
    "max_pool_3x3": ("max", "3x3"),
    "max_pool_5x5": ("max", "5x5"),
    "max_pool_7x7": ("max", "7x7"),
    "conv_1x1": ("conv", "1x1"),
    "conv_3x3": ("conv", "3x3"),
    "sep_conv_3x3": ("sep", "3x3"),
    "sep_conv_5x5": ("sep", "5x5"),
    "sep_conv_7x7": ("sep", "7x7"),
    "dilated_sep_conv_3x3": ("dil sep", "3x3"),
    "dilated_sep_conv_5x5": ("dil sep", "5x5"),
}


def operation_in_words(operation: str) -> str:
    """A short name for an operation: ``sep_conv_5x5`` is ``sep 5x5``."""
    return " ".join(LABELS[operation]).rstrip()


def state_in_words(state: int) -> str:
    """``h-1`` and ``h`` are the cell's inputs h_{i-1} and h_i, ``b0`` its first block's output."""
    return ("h-1", "h")[state] if state < 2 else f"b{state - 2}"


def cells_as_text(genotype: CellGenotype) -> str:
    """Both cells, one line a block and one for the output; no line break at the end."""
    lines: list[str] = []
    for name, cell in zip(CELLS, genotype, strict=True):
        lines += [f"{name} cell", *(f"  {line}" for line in _cell_lines(cell))]
    return "\n".join(lines)


def choices_in_words(choices: Sequence[Choice], tokens: Sequence[int]) -> str:
    """The tokens of an architecture of any space, complete or not: one line a choice.

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
    """Name and chosen option of each token; raises InvalidTokens for more tokens than choices."""
    if len(tokens) > len(choices):
        raise InvalidTokens(
            f"{len(tokens)} tokens were given for {len(choices)} choices: give one a choice"
        )
    return [
        (choice.name, str(choice.options[token % len(choice.options)]))
        for choice, token in zip(choices, tokens, strict=False)
    ]


def open_choice_in_words(choice: Choice) -> str:
    """The choice that is open, with its options: ``kernel: ? (1, 3, 5)``."""
    return f"{choice.name}: ? ({', '.join(map(str, choice.options))})"


def _cell_lines(cell: Cell) -> list[str]:
    lines = [f"b{b} = {_block_in_words(block)}" for b, block in enumerate(cell.blocks)]
    return [*lines, f"output = concat({', '.join(map(state_in_words, cell.concat))})"]


def _block_in_words(block: Block) -> str:
    a = f"{operation_in_words(block.operation_a)}({state_in_words(block.input_a)})"
    b = f"{operation_in_words(block.operation_b)}({state_in_words(block.input_b)})"
    return f"{a} + {b}" if block.combine == "add" else f"concat({a}, {b})"
