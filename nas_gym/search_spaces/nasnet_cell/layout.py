"""The places of a cell's parts: blocks in rows by dependency, edges between and beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from nas_gym.drawing.layered import Item, Link, Links, Placement, Rows, links_of, ordered, rows_of
from nas_gym.search_spaces.nasnet_cell.genotype import Cell

BLOCKS_IN_A_ROW = 5
BOX_WIDTH, BLOCK_GAP, LANE = 0.64, 0.18, 0.15  # widest box, between blocks, for a passing edge


@dataclass(frozen=True)
class CellLayout:
    """The drawing plan of one cell; its nodes are hidden states.

    0 and 1 are the cell's inputs, 2 + b is block b; a link's port is the block's branch, 0 or 1.
    """

    rows: Rows
    links: Links
    x: dict[tuple[int, Item], float]  # centre of an item, by its row
    box_width: float
    swapped: frozenset[int]  # blocks whose branch b is drawn on the left

    def branch_x(self, row: int, item: Item, branch: int | None) -> float:
        """Return the centre of a block's operation box, or of the item itself."""
        return self.x[row, item] + _offset(self.box_width, self.swapped, item, branch)


def lay_out(cell: Cell, left: float, right: float) -> CellLayout:
    """Place the blocks, inputs and passing edges of ``cell`` between ``left`` and ``right``."""
    layers = block_layers(cell)
    rows = _rows(cell, layers)
    links = links_of(rows, [(), (), *((b.input_a, b.input_b) for b in cell.blocks)])
    rows = ordered(rows, links)
    box = _box_width(rows, right - left)

    def centres(swapped: frozenset[int]) -> dict[tuple[int, Item], float]:
        width = partial(_item_width, box)
        enters = partial(_enters, box, swapped)
        return Placement(rows, links, width, enters, left, right).centres()

    swapped = _swapped_blocks(cell, links, centres(frozenset()))
    return CellLayout(rows, links, centres(swapped), box, swapped)


def block_layers(cell: Cell) -> tuple[int, ...]:
    """Return the row of each block, from 1: above all that it uses, at most five per row."""
    layers = [0, 0]
    for block in cell.blocks:
        layer = 1 + max(layers[block.input_a], layers[block.input_b])
        while layers.count(layer) >= BLOCKS_IN_A_ROW:
            layer += 1
        layers.append(layer)
    return tuple(layers[2:])


def _rows(cell: Cell, layers: Sequence[int]) -> Rows:
    born = (0, 0, *layers)
    reach = list(born)  # the row that the state's last use is in
    for block, layer in zip(cell.blocks, layers, strict=True):
        for state in (block.input_a, block.input_b):
            reach[state] = max(reach[state], layer)
    for state in cell.concat:
        reach[state] = max(born) + 1
    return rows_of(born, reach)


def _box_width(rows: Rows, width: float) -> float:
    """Return the width of the widest operation box with which every row fits."""
    box = BOX_WIDTH
    for row in rows[1:]:
        lanes = sum(item.passing for item in row)
        blocks = len(row) - lanes
        if blocks:
            box = min(box, (width - lanes * LANE - blocks * BLOCK_GAP) / (2 * blocks))
    return box


def _item_width(box: float, item: Item) -> float:
    return LANE if item.passing else 2 * box + BLOCK_GAP


def _offset(box: float, swapped: frozenset[int], item: Item, branch: int | None) -> float:
    """Return the distance from an item's centre to the centre of its branch."""
    if branch is None:
        return 0.0
    is_left = (branch == 0) != (item.node - 2 in swapped)
    return -box / 2 if is_left else box / 2


def _enters(box: float, swapped: frozenset[int], link: Link) -> float:
    return _offset(box, swapped, link.upper, link.port)


def _swapped_blocks(cell: Cell, links: Links, x: dict[tuple[int, Item], float]) -> frozenset[int]:
    """Return the additions whose branches cross less when drawn the other way round."""
    ends: dict[int, dict[int, float]] = {}
    for row, between in enumerate(links):
        for link in between:
            if link.port is not None:
                ends.setdefault(link.upper.node - 2, {})[link.port] = x[row, link.lower]
    return frozenset(
        b for b, end in ends.items() if cell.blocks[b].combine == "add" and end[0] > end[1]
    )
