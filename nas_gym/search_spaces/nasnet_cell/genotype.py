"""The genotype of NASNet's cells (Zoph et al. 2017, section 3.2), and its JSON.

A cell is a list of blocks. Each block takes two hidden states, an operation on each, and a way to
combine the two results. Hidden states are numbered as they come into being: 0 is h_{i-1} (the
output of the cell before the previous one), 1 is h_i (the output of the previous cell), 2 is the
output of the cell's first block, and so on. The authors' published code (TensorFlow slim) numbers
the first two the other way round.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nas_gym.errors import InvalidGenotype, unknown_name

# Zoph et al. 2017, section 3.2: the 13 operations, in the paper's order.
NASNET_OPERATIONS = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dilated_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
# Real et al. 2018, section 3.1: eight operations, combined only by addition.
AMOEBANET_OPERATIONS = (
    "identity",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dilated_sep_conv_3x3",
    "conv_1x7_7x1",
)
# Pham et al. 2018, micro search space: five operations, combined only by addition.
ENAS_OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")
# Operations of published cells that no space above has (Liu et al. 2018, DARTS).
OPERATIONS = tuple(
    dict.fromkeys((*NASNET_OPERATIONS, *AMOEBANET_OPERATIONS, "dilated_sep_conv_5x5"))
)
COMBINES = ("add", "concat")
CONCATS = ("unused", "all")
CELLS = ("normal", "reduction")
MOST_BLOCKS = 50  # of a cell


class Block(NamedTuple):
    """Two hidden states, an operation on each, and how the results are combined."""

    input_a: int  # hidden state, 0 = h_{i-1}, 1 = h_i, 2 + b = output of block b
    input_b: int
    operation_a: str
    operation_b: str
    combine: str = "add"  # "add" or "concat" (along the filters)


class Cell(NamedTuple):
    """The blocks of a cell and the hidden states whose concatenation is its output."""

    blocks: tuple[Block, ...]
    concat: tuple[int, ...]  # hidden states, in the order of their channels


class CellGenotype(NamedTuple):
    """A NASNet architecture: what is stacked between reductions, and what reduces."""

    normal: Cell
    reduction: Cell

    def to_json(self) -> dict[str, Any]:
        """Return JSON data that ``genotype_from_json`` reads back."""
        return {name: _cell_to_json(cell) for name, cell in zip(CELLS, self, strict=True)}


def concat_by_rule(blocks: Sequence[Block], rule: str) -> tuple[int, ...]:
    """Return the hidden states a cell outputs: all block outputs, or those no block uses."""
    states = range(2, 2 + len(blocks))
    if rule == "all":
        return tuple(states)
    used = 0  # bit s: state s is used
    for block in blocks:
        used |= 1 << block[0] | 1 << block[1]
    return tuple([state for state in states if not used >> state & 1])


def with_concat(genotype: CellGenotype, rule: str) -> CellGenotype:
    """Return the same blocks with the concat rule ``"unused"`` or ``"all"``."""
    return CellGenotype(*(Cell(c.blocks, concat_by_rule(c.blocks, rule)) for c in genotype))


def genotype_from_json(data: object) -> CellGenotype:
    """Return the genotype that ``CellGenotype.to_json`` wrote, checked.

    Raises:
        InvalidGenotype: A part is missing, unknown, or refers to a state that does not exist yet.
        UnknownName: An operation or a way to combine that is not known.
    """
    if not isinstance(data, Mapping) or set(data) != set(CELLS):
        raise InvalidGenotype(
            f"a genotype is a JSON object with the keys {' and '.join(map(repr, CELLS))}, "
            f"not {_shown(data)}"
        )
    return CellGenotype(*(_cell_from_json(name, data[name]) for name in CELLS))


def check_cell(name: str, cell: Cell) -> None:
    """Raise InvalidGenotype or UnknownName if ``cell`` cannot be built."""
    if len(cell.blocks) > MOST_BLOCKS:
        raise InvalidGenotype(f"{name} has {len(cell.blocks)} blocks: give at most {MOST_BLOCKS}")
    for b, block in enumerate(cell.blocks):
        where = f"{name} block {b}"
        for state in (block.input_a, block.input_b):
            if isinstance(state, bool) or not isinstance(state, int) or not 0 <= state < b + 2:
                raise InvalidGenotype(
                    f"{where} takes hidden state {state!r}: expected 0 to {b + 1} "
                    "(0 = cell before last, 1 = last cell, then this cell's earlier blocks)"
                )
        for operation in (block.operation_a, block.operation_b):
            if operation not in OPERATIONS:
                raise unknown_name(f"operation in {where}", operation, OPERATIONS)
        if block.combine not in COMBINES:
            raise unknown_name(f"combine in {where}", block.combine, COMBINES)
    states = range(2 + len(cell.blocks))
    for state in cell.concat:
        if isinstance(state, bool) or not isinstance(state, int) or state not in states:
            raise InvalidGenotype(f"{name} concat has state {state!r}: expected 0 to {states[-1]}")
    if not cell.concat or len(set(cell.concat)) < len(cell.concat):
        raise InvalidGenotype(f"{name} concat is {cell.concat}: give at least one state, each once")


def _cell_to_json(cell: Cell) -> dict[str, Any]:
    blocks = [  # written out: twice as fast as _asdict, and every episode ends with it
        {
            "input_a": block[0],
            "input_b": block[1],
            "operation_a": block[2],
            "operation_b": block[3],
            "combine": block[4],
        }
        for block in cell.blocks
    ]
    return {"blocks": blocks, "concat": list(cell.concat)}


def _cell_from_json(name: str, data: object) -> Cell:
    if not isinstance(data, Mapping) or set(data) != set(Cell._fields):
        raise InvalidGenotype(
            f"{name} is a JSON object with the keys 'blocks' and 'concat', not {_shown(data)}"
        )
    blocks, concat = data["blocks"], data["concat"]
    if not isinstance(blocks, list) or not blocks or not isinstance(concat, list):
        raise InvalidGenotype(f"{name}: 'blocks' and 'concat' are JSON lists, 'blocks' not empty")
    for b, block in enumerate(blocks[: MOST_BLOCKS + 1]):
        if not isinstance(block, Mapping) or set(block) != set(Block._fields):
            raise InvalidGenotype(
                f"{name} block {b} is a JSON object with the keys "
                f"{', '.join(Block._fields)}, not {_shown(block)}"
            )
    cell = Cell(tuple(Block(**block) for block in blocks[: MOST_BLOCKS + 1]), tuple(concat))
    check_cell(name, cell)
    return cell


def _shown(data: object) -> str:
    text = f"one with the keys {', '.join(map(str, data))}" if isinstance(data, Mapping) else ""
    return text or repr(data)[:60]
