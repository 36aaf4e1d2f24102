"""The canonical form of a cell: equal for cells that compute the same function."""

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
    sequence, place = _smallest_order(cell, _alive_blocks(cell), _inputs_placed(cell), 2)
    order = tuple(sorted((b for b in range(len(cell.blocks)) if place[b + 2] >= 0),
                         key=lambda b: place[b + 2]))  # fmt: skip
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
    sequence, place = _smallest_order(cell, _alive_blocks(cell), _inputs_placed(cell), 2)
    parts = ["%d.%s %d.%s %s" % code for code in sequence]  # noqa: UP031 (the fastest way)
    concat = sorted([place[state] for state in cell.concat])
    return f"{'; '.join(parts)} > {concat}"


_Code = tuple[int, str, int, str, str]  # states by canonical number, operations, combine


def _alive_blocks(cell: Cell) -> list[int]:
    """Return the blocks that the output depends on, in their order."""
    blocks = cell.blocks
    needed = 0  # bit s: state s is needed
    for state in cell.concat:
        needed |= 1 << state
    alive = []
    for b in range(len(blocks) - 1, -1, -1):
        if needed >> (b + 2) & 1:
            alive.append(b)
            needed |= 1 << blocks[b][0] | 1 << blocks[b][1]
    return alive[::-1]


def _inputs_placed(cell: Cell) -> list[int]:
    """Return the canonical number of each hidden state, -1 for those without one yet."""
    return [0, 1] + [-1] * len(cell.blocks)


def _smallest_order(
    cell: Cell, waiting: list[int], place: list[int], placed: int
) -> tuple[list[_Code], list[int]]:
    """Return the lexicographically smallest list of block codes over all topological orders.

    Greedy, because an earlier place decides; only blocks with equal codes need both tries.
    Blocks of equal codes that are read alike may still differ in whether they go to the output:
    the smallest concatenation decides then. Written out, since every child's key is made here.

    Args:
        cell: The whole cell.
        waiting: Its blocks without a number.
        place: The canonical number of each hidden state, -1 for those without; is filled.
        placed: States with a number.

    Returns:
        The codes, and the canonical number of each hidden state.
    """
    blocks, concat = cell
    sequence: list[_Code] = []
    ready: list[tuple[_Code, int]] = []  # blocks whose inputs have their numbers
    while True:
        blocked = []
        for b in waiting:
            state_a, state_b, operation_a, operation_b, combine = blocks[b]
            a, c = place[state_a], place[state_b]
            if a < 0 or c < 0:
                blocked.append(b)
            elif combine == "add" and (c < a or (a == c and operation_b < operation_a)):
                ready.append(((c, operation_b, a, operation_a, combine), b))
            else:
                ready.append(((a, operation_a, c, operation_b, combine), b))
        if not ready:
            return sequence, place
        waiting = blocked
        ready.sort(reverse=True)
        code, first = ready.pop()
        sequence.append(code)
        if ready and ready[-1][0] == code:
            ready.reverse()
            tied = [first, *(b for other, b in ready if other == code)]
            left = [first, *(b for _, b in ready), *waiting]
            tries = []
            for b in tied:
                tried = [*place]
                tried[b + 2] = placed
                tries.append(_smallest_order(cell, [w for w in left if w != b], tried, placed + 1))
            rest, place = min(tries, key=lambda t: (t[0], sorted(t[1][s] for s in concat)))
            return sequence + rest, place
        place[first + 2] = placed
        placed += 1
