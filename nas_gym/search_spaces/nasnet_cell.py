"""NASNet's space: a normal and a reduction cell (Zoph et al. 2017, section 3.2 and appendix A).

A cell is a list of blocks. Each block picks two hidden states, an operation for each, and how the
two results are combined. Hidden states are numbered as they come into being: 0 is h_{i-1} (the
output of the cell before the previous one), 1 is h_i (the output of the previous cell), 2 is the
output of the cell's first block, and so on. The papers' published code (TensorFlow slim) numbers
the first two the other way round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from nas_gym.errors import InvalidGenotype, InvalidOption, unknown_name
from nas_gym.search_spaces.grammar import Pick, Task

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
# Real et al. 2018, section 3.1: eight operations, combined by addition alone.
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
# Pham et al. 2018, micro search space: five operations, combined by addition alone.
ENAS_OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")
# Operations of published cells that no space above has (Liu et al. 2018, DARTS).
OPERATIONS = tuple(
    dict.fromkeys((*NASNET_OPERATIONS, *AMOEBANET_OPERATIONS, "dilated_sep_conv_5x5"))
)
COMBINES = ("add", "concat")
CONCATS = ("unused", "all")
CELLS = ("normal", "reduction")
_CellPicks = tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]  # per block: names, states


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
        """JSON data that ``genotype_from_json`` reads back."""
        return {name: _cell_to_json(cell) for name, cell in zip(CELLS, self, strict=True)}


@dataclass(frozen=True)
class NASNetCell:
    """The space of NASNet cells; 50 tokens and 5.23e36 token lists by default.

    Args:
        blocks: Blocks a cell, B; at least 1 (5 in the paper).
        operations: Names from ``OPERATIONS``.
        combines: ``("add", "concat")`` (NASNet) or ``("add",)`` (Real et al., ENAS; then it is
            no token).
        concat: What a cell outputs: ``"unused"``, the block outputs that no block of the cell
            uses (Zoph et al. 2017, section 3.2, step 5), or ``"all"`` block outputs (as DARTS).
    """

    blocks: int = 5
    operations: tuple[str, ...] = NASNET_OPERATIONS
    combines: tuple[str, ...] = COMBINES
    concat: str = "unused"

    static = True
    mutation_groups = (
        ("input_a", "input_b"),
        ("operation_a", "operation_b"),
        ("combine",),
    )

    def __post_init__(self) -> None:
        if not isinstance(self.blocks, int) or self.blocks < 1:
            raise InvalidOption(f"blocks is {self.blocks!r}: give a whole number of 1 or more")
        for field, known in (("operations", OPERATIONS), ("combines", COMBINES)):
            # JSON gives lists; the space must stay hashable.
            values = tuple(getattr(self, field))
            object.__setattr__(self, field, values)
            for value in values:
                if value not in known:
                    raise unknown_name(field.removesuffix("s"), value, known)
            if not values or len(set(values)) < len(values):
                raise InvalidOption(f"{field} is {values!r}: give at least one name, each once")
        if self.concat not in CONCATS:
            raise unknown_name("concat rule", self.concat, CONCATS)

    @property
    def max_length(self) -> int:
        """Five tokens a block (four where there is one way to combine), two cells."""
        return 2 * self.blocks * (5 if len(self.combines) > 1 else 4)

    @property
    def max_options(self) -> int:
        """The largest of: operations, hidden states of the last block, ways to combine."""
        return max(len(self.operations), self.blocks + 1, len(self.combines))

    @cached_property
    def _picks(self) -> tuple[_CellPicks, ...]:
        """Names and hidden states of each block, made once: ``choose`` runs for every child."""
        return tuple(
            tuple(
                (tuple(f"{cell}.block{b}.{f}" for f in Block._fields), tuple(range(2 + b)))
                for b in range(self.blocks)
            )
            for cell in CELLS
        )

    def choose(self, pick: Pick) -> CellGenotype:
        """Normal cell, then reduction cell; a block is input A, input B, op A, op B, combine."""
        return CellGenotype(*(self._choose_cell(pick, cell) for cell in self._picks))

    def _choose_cell(self, pick: Pick, picks: _CellPicks) -> Cell:
        operations, combines = self.operations, self.combines
        only = combines[0] if len(combines) == 1 else None
        blocks = tuple(
            [
                Block(
                    pick(input_a, states),
                    pick(input_b, states),
                    pick(operation_a, operations),
                    pick(operation_b, operations),
                    only or pick(combine, combines),
                )
                for (input_a, input_b, operation_a, operation_b, combine), states in picks
            ]
        )
        return Cell(blocks, concat_by_rule(blocks, self.concat))

    def answers(self, genotype: CellGenotype) -> dict[str, object]:
        """The option picked for each choice: what ``tokens_of`` reads."""
        return {
            f"{name}.block{b}.{field}": value
            for name, cell in zip(CELLS, genotype, strict=True)
            for b, block in enumerate(cell.blocks)
            for field, value in block._asdict().items()
        }

    def canonical_key(self, genotype: CellGenotype) -> str:
        """Equal for genotypes that differ only in names: see ``canonical_cell``."""
        return canonical_key(genotype)

    def genotype_from_json(self, data: object) -> CellGenotype:
        """The genotype in JSON data, checked; raises InvalidGenotype."""
        return genotype_from_json(data)

    def build(self, genotype: CellGenotype, task: Task) -> Any:
        """The network of Zoph et al. 2017, figure 2: ``nas_gym.networks.nasnet.NASNet``."""
        from nas_gym.networks.nasnet import NASNet

        return NASNet(genotype, task)


def concat_by_rule(blocks: Sequence[Block], rule: str) -> tuple[int, ...]:
    """The hidden states a cell outputs: all block outputs, or those that no block uses."""
    states = range(2, 2 + len(blocks))
    if rule == "all":
        return tuple(states)
    used = [block[0] for block in blocks] + [block[1] for block in blocks]
    return tuple([state for state in states if state not in used])


def with_concat(genotype: CellGenotype, rule: str) -> CellGenotype:
    """The same blocks with the concat rule ``"unused"`` or ``"all"``."""
    return CellGenotype(*(Cell(c.blocks, concat_by_rule(c.blocks, rule)) for c in genotype))


# ---------------------------------------------------------------- canonical form


class CanonicalCell(NamedTuple):
    """A cell in canonical form, and how the given cell's parts map to it."""

    cell: Cell
    order: tuple[int, ...]  # block of the given cell at each canonical place
    swapped: tuple[bool, ...]  # whether that block's two branches changed places


def canonical_cell(cell: Cell) -> CanonicalCell:
    """The form shared by all cells that differ in names alone.

    Blocks that reach no output are dropped; the branches of an addition are sorted; blocks are
    numbered so that their list is the smallest of all topological orders; the output's states are
    sorted (the next layer's weights absorb the order of channels). Concatenation inside a block
    keeps its order.
    """
    sequence, place = _smallest_order(cell, _alive_blocks(cell), {0: 0, 1: 1})
    order = tuple(state - 2 for state in place if state > 1)
    blocks, swapped = [], []
    for b, (state_a, operation_a, state_b, operation_b, combine) in zip(
        order, sequence, strict=True
    ):
        blocks.append(Block(state_a, state_b, operation_a, operation_b, combine))
        given = cell.blocks[b]
        swapped.append((place[given.input_a], given.operation_a) != (state_a, operation_a))
    concat = tuple(sorted(place[state] for state in cell.concat))
    return CanonicalCell(Cell(tuple(blocks), concat), order, tuple(swapped))


def canonical_key(genotype: CellGenotype) -> str:
    """A string equal for genotypes whose two cells have equal canonical forms."""
    return "|".join([_cell_key(cell) for cell in genotype])


def _cell_key(cell: Cell) -> str:
    sequence, place = _smallest_order(cell, _alive_blocks(cell), {0: 0, 1: 1})
    parts = ["%d.%s %d.%s %s" % code for code in sequence]  # noqa: UP031 (the fastest way)
    concat = sorted([place[state] for state in cell.concat])
    return f"{'; '.join(parts)} > {concat}"


_Code = tuple[int, str, int, str, str]  # states by canonical number, operations, combine


def _alive_blocks(cell: Cell) -> list[int]:
    """Blocks that the output depends on, in their order."""
    blocks = cell.blocks
    needed = set(cell.concat)
    alive = []
    for b in range(len(blocks) - 1, -1, -1):
        if b + 2 in needed:
            alive.append(b)
            needed.update(blocks[b][:2])
    return alive[::-1]


def _encode(block: Block, place: Mapping[int, int]) -> _Code:
    state_a, state_b, operation_a, operation_b, combine = block
    a, b = place[state_a], place[state_b]
    if combine == "add" and (b < a or (a == b and operation_b < operation_a)):
        return b, operation_b, a, operation_a, combine
    return a, operation_a, b, operation_b, combine


def _smallest_order(
    cell: Cell, waiting: list[int], place: dict[int, int]
) -> tuple[list[_Code], dict[int, int]]:
    """The lexicographically smallest list of block codes over all topological orders.

    Greedy, because an earlier place decides; only blocks with equal codes need both tries.
    Blocks of equal codes that are read alike may still differ in whether they go to the output:
    the smallest concatenation decides then.

    Returns:
        The codes, and the canonical number of each hidden state, in canonical order.
    """
    blocks, concat = cell
    sequence: list[_Code] = []
    ready: list[tuple[_Code, int]] = []  # blocks whose inputs have their numbers
    while True:
        blocked = []
        for b in waiting:
            block = blocks[b]
            if block[0] in place and block[1] in place:
                ready.append((_encode(block, place), b))
            else:
                blocked.append(b)
        if not ready:
            return sequence, place
        waiting = blocked
        ready.sort()
        code, first = ready.pop(0)
        sequence.append(code)
        if ready and ready[0][0] == code:
            left = [first, *(b for _, b in ready), *waiting]
            tries = [
                _smallest_order(cell, [w for w in left if w != b], place | {b + 2: len(place)})
                for b in [first, *(b for tied, b in ready if tied == code)]
            ]
            rest, place = min(
                tries, key=lambda tried: (tried[0], sorted(tried[1][s] for s in concat))
            )
            return sequence + rest, place
        place[first + 2] = len(place)


# ---------------------------------------------------------------- JSON


def genotype_from_json(data: object) -> CellGenotype:
    """The genotype that ``CellGenotype.to_json`` wrote, checked.

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
    """Raise InvalidGenotype or UnknownName where ``cell`` cannot be built."""
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
    if not cell.concat or len(set(cell.concat)) < len(cell.concat):
        raise InvalidGenotype(f"{name} concat is {cell.concat}: give at least one state, each once")
    for state in cell.concat:
        if isinstance(state, bool) or not isinstance(state, int) or state not in states:
            raise InvalidGenotype(f"{name} concat has state {state!r}: expected 0 to {states[-1]}")


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
    for b, block in enumerate(blocks):
        if not isinstance(block, Mapping) or set(block) != set(Block._fields):
            raise InvalidGenotype(
                f"{name} block {b} is a JSON object with the keys "
                f"{', '.join(Block._fields)}, not {_shown(block)}"
            )
    cell = Cell(tuple(Block(**block) for block in blocks), tuple(concat))
    check_cell(name, cell)
    return cell


def _shown(data: object) -> str:
    text = f"one with the keys {', '.join(map(str, data))}" if isinstance(data, Mapping) else ""
    return text or repr(data)[:60]


# ---------------------------------------------------------------- published cells


def _published(
    normal: str, normal_concat: tuple[int, ...], reduction: str, reduction_concat: tuple[int, ...]
) -> CellGenotype:
    """Cells from a compact text: ``op(state)+op(state); ...``, all combined by addition."""

    def blocks(text: str) -> tuple[Block, ...]:
        parsed = []
        for block in text.split(";"):
            (op_a, a), (op_b, b) = (
                part.strip().rstrip(")").split("(") for part in block.split("+")
            )
            parsed.append(Block(int(a), int(b), op_a, op_b))
        return tuple(parsed)

    return CellGenotype(
        Cell(blocks(normal), normal_concat), Cell(blocks(reduction), reduction_concat)
    )


# Zoph et al. 2017, figure 4, with the concatenation of the published network (TensorFlow slim,
# nasnet_utils.py), which the paper's parameter counts follow; its text would concatenate less.
NASNET_A = _published(
    "sep_conv_5x5(1)+sep_conv_3x3(0); sep_conv_5x5(0)+sep_conv_3x3(0);"
    "avg_pool_3x3(1)+identity(0); avg_pool_3x3(0)+avg_pool_3x3(0); sep_conv_3x3(1)+identity(1)",
    (0, 2, 3, 4, 5, 6),
    "sep_conv_5x5(1)+sep_conv_7x7(0); max_pool_3x3(1)+sep_conv_7x7(0);"
    "avg_pool_3x3(1)+sep_conv_5x5(0); identity(3)+avg_pool_3x3(2); sep_conv_3x3(2)+max_pool_3x3(1)",
    (3, 4, 5, 6),
)
# Real et al. 2018, figure 5, as written in the DARTS authors' genotypes.py.
AMOEBANET_A = _published(
    "avg_pool_3x3(0)+max_pool_3x3(1); sep_conv_3x3(0)+sep_conv_5x5(2);"
    "sep_conv_3x3(0)+avg_pool_3x3(3); sep_conv_3x3(1)+identity(1); identity(0)+avg_pool_3x3(1)",
    (4, 5, 6),
    "avg_pool_3x3(0)+sep_conv_3x3(1); max_pool_3x3(0)+sep_conv_7x7(2);"
    "sep_conv_7x7(0)+avg_pool_3x3(1); max_pool_3x3(0)+max_pool_3x3(1);"
    "conv_1x7_7x1(0)+sep_conv_3x3(5)",
    (3, 4, 6),
)
# Liu et al. 2018 (DARTS), first and second order, as the authors' genotypes.py has them. Built by
# NASNet's rules here: an identity of stride 2 is one 1x1 convolution, not two.
DARTS_V1 = _published(
    "sep_conv_3x3(1)+sep_conv_3x3(0); identity(0)+sep_conv_3x3(1);"
    "identity(0)+sep_conv_3x3(1); sep_conv_3x3(0)+identity(2)",
    (2, 3, 4, 5),
    "max_pool_3x3(0)+max_pool_3x3(1); identity(2)+max_pool_3x3(0);"
    "max_pool_3x3(0)+identity(2); identity(2)+avg_pool_3x3(0)",
    (2, 3, 4, 5),
)
DARTS_V2 = _published(
    "sep_conv_3x3(0)+sep_conv_3x3(1); sep_conv_3x3(0)+sep_conv_3x3(1);"
    "sep_conv_3x3(1)+identity(0); identity(0)+dilated_sep_conv_3x3(2)",
    (2, 3, 4, 5),
    "max_pool_3x3(0)+max_pool_3x3(1); identity(2)+max_pool_3x3(1);"
    "max_pool_3x3(0)+identity(2); identity(2)+max_pool_3x3(1)",
    (2, 3, 4, 5),
)

PUBLISHED = {
    "nasnet-a": NASNET_A,
    "amoebanet-a": AMOEBANET_A,
    "darts-v1": DARTS_V1,
    "darts-v2": DARTS_V2,
}

# The spaces of two papers that search NASNet's cells with fewer choices.
AMOEBANET_CELL = NASNetCell(operations=AMOEBANET_OPERATIONS, combines=("add",))
ENAS_MICRO_CELL = NASNetCell(operations=ENAS_OPERATIONS, combines=("add",))
