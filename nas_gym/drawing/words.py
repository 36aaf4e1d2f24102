"""Architectures in words: for ``render_mode="ansi"``, the terminal, and the labels of a picture."""

from collections.abc import Sequence

from nas_gym.errors import InvalidTokens
from nas_gym.search_spaces.cell_genotype import CELLS, Block, Cell, CellGenotype
from nas_gym.search_spaces.conv_net_genotype import ConvLayer, ConvNetGenotype
from nas_gym.search_spaces.enas_rnn_cell import ENASRNNCellGenotype
from nas_gym.search_spaces.grammar import Choice
from nas_gym.search_spaces.rnn_cell import RNNCellGenotype

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


# ---------------------------------------------------------------- convolutional networks


def network_as_text(genotype: ConvNetGenotype) -> str:
    """A whole convolutional network: one line a layer, and one for the classifier."""
    lines: list[str] = []
    for i, layer in enumerate(genotype.layers):
        if i in genotype.pools:
            lines.append(pool_in_words())
        inputs = _listed(layer.inputs) if layer.inputs else "image"
        words = layer_in_words(layer, genotype.block_layers)
        lines.append(f"layer {i}: {words} <- {inputs}")
    return "\n".join([*lines, f"classifier <- {_listed(loose_ends(genotype.layers))}"])


def layer_in_words(layer: ConvLayer, block_layers: int = 1) -> str:
    """For example ``conv 3x5, 48 filters, stride 2x1``, heights first."""
    size = f"{layer.filter_height}x{layer.filter_width}"
    words = f"conv {size}, {layer.filters} filters" if layer.type == "conv" else f"max pool {size}"
    if (layer.stride_height, layer.stride_width) != (1, 1):
        words += f", stride {layer.stride_height}x{layer.stride_width}"
    if layer.type == "conv" and block_layers > 1:
        words = f"{block_layers} dense x {words}"
    return words


def pool_in_words() -> str:
    """Of a fixed pool of the network."""
    return "max pool 2x2 of all outputs so far"


def loose_ends(layers: Sequence[ConvLayer]) -> tuple[int, ...]:
    """The layers that no layer reads; the last layer is always one."""
    read = {j for layer in layers for j in layer.inputs}
    return tuple(i for i in range(len(layers)) if i not in read)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


# ---------------------------------------------------------------- recurrent cells

COMBINATION_WORDS = {"add": "add", "elem_mult": "mult", "max": "max"}


def tree_as_text(genotype: RNNCellGenotype) -> str:
    """A recurrent cell as formulas, one line a value; ``*`` is by elements, ``a3'`` is a3 changed.

    W and M are matrices, x_t, h_{t-1} and c_{t-1} what the cell is given.
    """
    before = {}
    for i, node in enumerate(genotype.nodes):
        if i < genotype.base:
            parts = f"W{i} x_t", f"M{i} h_{{t-1}}"
        else:
            left, right = genotype.children(i)
            parts = _value(genotype, left), _value(genotype, right)
        before[i] = _combined(node.combination, *parts, leaf=i < genotype.base)
    lines = []
    for i, node in enumerate(genotype.nodes):
        lines.append(f"a{i} = {_applied(node.activation, before[i])}")
        if i == genotype.cell_input:
            injected = _combined(genotype.inject.combination, f"a{i}", "c_{t-1}")
            lines.append(f"a{i}' = {_applied(genotype.inject.activation, injected)}")
    root = _value(genotype, len(genotype.nodes) - 1)
    return "\n".join([*lines, f"c_t = {before[genotype.cell_output]}", f"h_t = {root}"])


def chain_as_text(genotype: ENASRNNCellGenotype) -> str:
    """ENAS's recurrent cell: one line a node, and one for the mean."""
    lines = [
        f"node {i}: {node.activation} <- {'x_t, h_{t-1}' if i == 0 else node.previous}"
        for i, node in enumerate(genotype.nodes)
    ]
    return "\n".join([*lines, f"h_t = mean of {_listed(unread_nodes(genotype))}"])


def unread_nodes(genotype: ENASRNNCellGenotype) -> tuple[int, ...]:
    """The nodes of ENAS's cell that no node reads."""
    read = {node.previous for node in genotype.nodes}
    return tuple(i for i in range(len(genotype.nodes)) if i not in read)


def _value(genotype: RNNCellGenotype, node: int) -> str:
    """The name of what a node passes on."""
    return f"a{node}'" if node == genotype.cell_input else f"a{node}"


def _combined(combination: str, a: str, b: str, *, leaf: bool = False) -> str:
    if combination == "add":
        return f"{a} + {b}"
    if combination == "elem_mult":
        return f"({a}) * ({b})" if leaf else f"{a} * {b}"
    return f"{combination}({a}, {b})"


def _applied(activation: str, value: str) -> str:
    return value if activation == "identity" else f"{activation}({value})"
