"""The canonical form of a cell: equal for cells that compute the same function."""

from collections.abc import Mapping
from typing import NamedTuple

from nas_gym.search_spaces.nasnet_cell.genotype import Block, Cell, CellGenotype


class CanonicalCell(NamedTuple):
    """A cell in canonical form, and how the given cell's parts map to it."""

    cell: Cell
    order: tuple[int, ...]  # block of the given cell at each canonical place
    swapped: tuple[bool, ...]  # whether that block's two branches changed places


def canonical_cell(cell: Cell) -> CanonicalCell:
    """Return the form shared by all cells that differ only in names.

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
    """Return a string equal for genotypes whose two cells have equal canonical forms."""
    return "|".join([_cell_key(cell) for cell in genotype])


def _cell_key(cell: Cell) -> str:
    sequence, place = _smallest_order(cell, _alive_blocks(cell), {0: 0, 1: 1})
    parts = ["%d.%s %d.%s %s" % code for code in sequence]  # noqa: UP031 (the fastest way)
    concat = sorted([place[state] for state in cell.concat])
    return f"{'; '.join(parts)} > {concat}"


_Code = tuple[int, str, int, str, str]  # states by canonical number, operations, combine


def _alive_blocks(cell: Cell) -> list[int]:
    """Return the blocks that the output depends on, in their order."""
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
    """Find the lexicographically smallest list of block codes over all topological orders.

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
