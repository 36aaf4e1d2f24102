"""The places of a cell's parts: blocks in rows by dependency, edges between and beside them.

The layered method of Sugiyama et al. 1981: rows by dependency, an edge that skips a row gets a
place of its own in it, the order within a row is by barycentres, and places are then pulled
straight. Edges of one hidden state share their way. All lengths are inches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from nas_gym.search_spaces.nasnet_cell.genotype import Cell

BLOCKS_IN_A_ROW = 5
SWEEPS = 8  # over the rows, for the order and again for the places
BOX_WIDTH, BLOCK_GAP, LANE = 0.64, 0.18, 0.15  # widest box, between blocks, for a passing edge


class Item(NamedTuple):
    """A place in a row: of a hidden state as it comes into being, or of its edge passing by."""

    state: int  # 0 and 1 are the cell's inputs, 2 + b is block b
    passing: bool


class Link(NamedTuple):
    """An edge from a row to the next."""

    lower: Item
    upper: Item
    branch: int | None  # the block's branch (0 or 1) that it enters; None: it passes by


@dataclass(frozen=True)
class CellLayout:
    """The drawing plan of one cell."""

    rows: tuple[tuple[Item, ...], ...]  # from the inputs upwards, each from left to right
    links: tuple[tuple[Link, ...], ...]  # links[r]: from row r to row r + 1
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
    links = _links(cell, rows)
    rows = _ordered(rows, links)
    box = _box_width(rows, right - left)
    placement = _Placement(rows, links, box, left, right)
    swapped = _swapped_blocks(cell, links, placement.centres())
    x = replace(placement, swapped=swapped).centres()
    return CellLayout(rows, links, x, box, swapped)


def block_layers(cell: Cell) -> tuple[int, ...]:
    """Return the row of each block, from 1: above all that it uses, at most five per row."""
    layers = [0, 0]
    for block in cell.blocks:
        layer = 1 + max(layers[block.input_a], layers[block.input_b])
        while layers.count(layer) >= BLOCKS_IN_A_ROW:
            layer += 1
        layers.append(layer)
    return tuple(layers[2:])


def _rows(cell: Cell, layers: Sequence[int]) -> tuple[tuple[Item, ...], ...]:
    born = (0, 0, *layers)
    top = max(layers, default=0) + 1
    reach = list(born)  # the row that the state's last use is in
    for block, layer in zip(cell.blocks, layers, strict=True):
        for state in (block.input_a, block.input_b):
            reach[state] = max(reach[state], layer)
    for state in cell.concat:
        reach[state] = top
    return tuple(
        tuple(
            Item(state, passing=born[state] < row)
            for state in range(len(born))
            if born[state] == row or born[state] < row < reach[state]
        )
        for row in range(top)
    )


def _links(cell: Cell, rows: Sequence[Sequence[Item]]) -> tuple[tuple[Link, ...], ...]:
    links = []
    for lower_row, upper_row in pairwise(rows):
        below = {item.state: item for item in lower_row}
        between = []
        for item in upper_row:
            if item.passing:
                between.append(Link(below[item.state], item, None))
            else:
                block = cell.blocks[item.state - 2]
                between.append(Link(below[block.input_a], item, 0))
                between.append(Link(below[block.input_b], item, 1))
        links.append(tuple(between))
    return tuple(links)


def _ordered(
    rows: tuple[tuple[Item, ...], ...], links: Sequence[Sequence[Link]]
) -> tuple[tuple[Item, ...], ...]:
    """Return the rows in the order with the fewest crossings that the sweeps come by."""
    best, fewest = rows, _crossings(rows, links)
    current = list(rows)
    for _ in range(SWEEPS):
        for row in range(1, len(current)):
            current[row] = _by_barycentre(current[row], current[row - 1], links[row - 1], up=True)
        for row in range(len(current) - 2, 0, -1):
            current[row] = _by_barycentre(current[row], current[row + 1], links[row], up=False)
        crossings = _crossings(current, links)
        if crossings < fewest:
            best, fewest = tuple(current), crossings
    return best


def _by_barycentre(
    row: tuple[Item, ...], fixed: Sequence[Item], links: Sequence[Link], *, up: bool
) -> tuple[Item, ...]:
    place = {item: (index + 0.5) / len(fixed) for index, item in enumerate(fixed)}
    neighbours: dict[Item, list[float]] = {item: [] for item in row}
    for link in links:
        item, other = (link.upper, link.lower) if up else (link.lower, link.upper)
        neighbours[item].append(place[other])
    own = {item: (index + 0.5) / len(row) for index, item in enumerate(row)}
    return tuple(sorted(row, key=lambda item: fmean(neighbours[item] or [own[item]])))


def _crossings(rows: Sequence[Sequence[Item]], links: Sequence[Sequence[Link]]) -> int:
    total = 0
    for (lower_row, upper_row), between in zip(pairwise(rows), links, strict=True):
        lower = {item: index for index, item in enumerate(lower_row)}
        upper = {item: index for index, item in enumerate(upper_row)}
        ends = [(lower[link.lower], upper[link.upper]) for link in between]
        total += sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(ends) for c, d in ends[:i])
    return total


def _box_width(rows: Sequence[Sequence[Item]], width: float) -> float:
    """Return the width of the widest operation box with which every row fits."""
    box = BOX_WIDTH
    for row in rows[1:]:
        lanes = sum(item.passing for item in row)
        blocks = len(row) - lanes
        if blocks:
            box = min(box, (width - lanes * LANE - blocks * BLOCK_GAP) / (2 * blocks))
    return box


def _item_width(item: Item, box: float) -> float:
    return LANE if item.passing else 2 * box + BLOCK_GAP


def _offset(box: float, swapped: frozenset[int], item: Item, branch: int | None) -> float:
    """Return the distance from an item's centre to the centre of its branch."""
    if branch is None:
        return 0.0
    is_left = (branch == 0) != (item.state - 2 in swapped)
    return -box / 2 if is_left else box / 2


@dataclass(frozen=True)
class _Placement:
    """Items pulled to what they are linked with, as near as the order in their row allows."""

    rows: Sequence[Sequence[Item]]
    links: Sequence[Sequence[Link]]
    box: float
    left: float
    right: float
    swapped: frozenset[int] = frozenset()

    def centres(self) -> dict[tuple[int, Item], float]:
        """Return the centre of each item of each row; the whole cell in the middle."""
        middle = (self.left + self.right) / 2
        x = {(row, item): middle for row, items in enumerate(self.rows) for item in items}
        upwards = range(len(self.rows))
        for row in [*upwards, *reversed(upwards)] * SWEEPS:
            pulls = self._pulls(x, row)
            wanted = [fmean(pulls[item] or [middle]) for item in self.rows[row]]
            widths = [self._width(item) for item in self.rows[row]]
            places = _nearest_in_order(wanted, widths, self.left, self.right)
            x.update({(row, i): place for i, place in zip(self.rows[row], places, strict=True)})
        left = min(centre - self._width(item) / 2 for (_, item), centre in x.items())
        right = max(centre + self._width(item) / 2 for (_, item), centre in x.items())
        return {key: centre + middle - (left + right) / 2 for key, centre in x.items()}

    def _pulls(self, x: dict[tuple[int, Item], float], row: int) -> dict[Item, list[float]]:
        """Return where the links of a row's items would have them; straight ways count more."""
        pulls: dict[Item, list[float]] = {item: [] for item in self.rows[row]}
        for link in self.links[row - 1] if row else ():
            place = x[row - 1, link.lower] - self._offset(link)
            pulls[link.upper] += [place] * _straightness(link)
        for link in self.links[row] if row < len(self.links) else ():
            place = x[row + 1, link.upper] + self._offset(link)
            pulls[link.lower] += [place] * _straightness(link)
        return pulls

    def _offset(self, link: Link) -> float:
        return _offset(self.box, self.swapped, link.upper, link.branch)

    def _width(self, item: Item) -> float:
        return LANE if item.passing else 2 * self.box + BLOCK_GAP


def _straightness(link: Link) -> int:
    """Return a link's weight: long edges pass rows straight (Gansner et al. 1993)."""
    return (1, 2, 8)[link.lower.passing + link.upper.passing]


def _nearest_in_order(
    wanted: Sequence[float], widths: Sequence[float], left: float, right: float
) -> list[float]:
    """Return the centres nearest to ``wanted`` (least squares) that keep order and borders.

    It is isotonic regression by pooling adjacent violators, after the widths are taken out.
    """
    starts = [sum(widths[:i]) + widths[i] / 2 for i in range(len(widths))]
    pools: list[tuple[float, int]] = []  # mean, members
    for value in (w - s for w, s in zip(wanted, starts, strict=True)):
        mean, members = value, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean = (before * count + mean * members) / (count + members)
            members += count
        pools.append((mean, members))
    slack = right - sum(widths)
    means = [min(max(mean, left), slack) for mean, members in pools for _ in range(members)]
    return [mean + start for mean, start in zip(means, starts, strict=True)]


def _swapped_blocks(
    cell: Cell, links: Sequence[Sequence[Link]], x: dict[tuple[int, Item], float]
) -> frozenset[int]:
    """Return the additions whose branches cross less when drawn the other way round."""
    ends: dict[int, dict[int, float]] = {}
    for row, between in enumerate(links):
        for link in between:
            if link.branch is not None:
                ends.setdefault(link.upper.state - 2, {})[link.branch] = x[row, link.lower]
    return frozenset(
        b for b, end in ends.items() if cell.blocks[b].combine == "add" and end[0] > end[1]
    )
