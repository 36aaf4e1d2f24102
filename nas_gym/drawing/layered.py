"""A layered layout of any graph: rows by dependency, edges between the rows and beside the nodes.

The layered method of Sugiyama et al. 1981: rows by dependency, an edge that skips a row gets a
place of its own in it, the order within a row is by barycentres, and places are then pulled
straight. Edges of one node share their way. All lengths are inches.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

MOST_NODES, MOST_LINKS = 100, 800  # of a small graph; an edge counts once per row that it passes
SWEEPS = 8  # over the rows, for the order and again for the places


class Item(NamedTuple):
    """A place in a row: of a node, or of its edge passing by."""

    node: int
    passing: bool


class Link(NamedTuple):
    """An edge from a row to the next."""

    lower: Item
    upper: Item
    port: int | None  # the number of the node's input that it is; None: it passes by


Rows = tuple[tuple[Item, ...], ...]  # from below, each from left to right
Links = tuple[tuple[Link, ...], ...]  # links[r]: from row r to row r + 1


def is_small(inputs: Sequence[Sequence[int]]) -> bool:
    """Return whether a graph can be taken in, as a picture and as a part of a page.

    Raises:
        graphlib.CycleError: It has a circle; the second argument are its nodes, the first one last.
    """
    born, reach = rows_of_nodes(inputs)
    lengths = sum(last - first for first, last in zip(born, reach, strict=True))
    return len(inputs) <= MOST_NODES and lengths + sum(map(len, inputs)) <= MOST_LINKS


def rows_of_nodes(inputs: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Return the row of each node, above all that it reads, and the row of its last reader.

    A node that reads nothing stands right below its first reader.
    """
    rows = [0] * len(inputs)
    for node in TopologicalSorter(dict(enumerate(inputs))).static_order():
        rows[node] = 1 + max((rows[each] for each in inputs[node]), default=-1)
    readers: list[list[int]] = [[] for _ in inputs]
    for node, read in enumerate(inputs):
        for each in read:
            readers[each].append(rows[node])
    for node, read in enumerate(inputs):
        if not read and readers[node]:
            rows[node] = min(readers[node]) - 1
    return rows, [max([row, *above]) for row, above in zip(rows, readers, strict=True)]


def rows_of(born: Sequence[int], reach: Sequence[int]) -> Rows:
    """Return the items of each row.

    Args:
        born: The row of each node, from 0.
        reach: The row of its last reader; its edge passes by in the rows between.
    """
    rows: list[list[Item]] = [[] for _ in range(max(born) + 1)]
    for node, (first, last) in enumerate(zip(born, reach, strict=True)):
        rows[first].append(Item(node, passing=False))
        for row in rows[first + 1 : last]:
            row.append(Item(node, passing=True))
    return tuple(map(tuple, rows))


def links_of(rows: Rows, inputs: Sequence[Sequence[int]]) -> Links:
    """Return the links between the rows; ``inputs`` are the nodes that each node reads."""
    links = []
    for lower_row, upper_row in pairwise(rows):
        below = {item.node: item for item in lower_row}
        between = []
        for item in upper_row:
            if item.passing:
                between.append(Link(below[item.node], item, None))
            else:
                read = enumerate(inputs[item.node])
                between += [Link(below[node], item, port) for port, node in read]
        links.append(tuple(between))
    return tuple(links)


def ordered(rows: Rows, links: Links) -> Rows:
    """Return the rows in the order with the fewest crossings that the sweeps come by."""
    best, fewest = rows, crossings(rows, links)
    current = list(rows)
    for _ in range(SWEEPS):
        for row in range(1, len(current)):
            current[row] = _by_barycentre(current[row], current[row - 1], links[row - 1], up=True)
        for row in range(len(current) - 2, 0, -1):
            current[row] = _by_barycentre(current[row], current[row + 1], links[row], up=False)
        count = crossings(current, links)
        if count < fewest:
            best, fewest = tuple(current), count
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


def crossings(rows: Sequence[Sequence[Item]], links: Sequence[Sequence[Link]]) -> int:
    """Count the pairs of links that cross."""
    total = 0
    for (lower_row, upper_row), between in zip(pairwise(rows), links, strict=True):
        lower = {item: index for index, item in enumerate(lower_row)}
        upper = {item: index for index, item in enumerate(upper_row)}
        seen: list[int] = []
        for _, end in sorted((lower[link.lower], upper[link.upper]) for link in between):
            total += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return total


@dataclass(frozen=True)
class Placement:
    """Items pulled to what they are linked with, as near as the order in their row allows."""

    rows: Rows
    links: Links
    width: Callable[[Item], float]
    offset: Callable[[Link], float]  # of where a link enters, from the centre of its upper item
    left: float
    right: float

    def centres(self) -> dict[tuple[int, Item], float]:
        """Return the centre of each item of each row; the whole graph in the middle."""
        middle = (self.left + self.right) / 2
        x = {(row, item): middle for row, items in enumerate(self.rows) for item in items}
        upwards = range(len(self.rows))
        for row in [*upwards, *reversed(upwards)] * SWEEPS:
            pulls = self._pulls(x, row)
            wanted = [fmean(pulls[item] or [middle]) for item in self.rows[row]]
            widths = [self.width(item) for item in self.rows[row]]
            places = _nearest_in_order(wanted, widths, self.left, self.right)
            x.update({(row, i): place for i, place in zip(self.rows[row], places, strict=True)})
        left = min(centre - self.width(item) / 2 for (_, item), centre in x.items())
        right = max(centre + self.width(item) / 2 for (_, item), centre in x.items())
        return {key: centre + middle - (left + right) / 2 for key, centre in x.items()}

    def _pulls(self, x: dict[tuple[int, Item], float], row: int) -> dict[Item, list[float]]:
        """Return where the links of a row's items would have them; straight ways count more."""
        pulls: dict[Item, list[float]] = {item: [] for item in self.rows[row]}
        for link in self.links[row - 1] if row else ():
            place = x[row - 1, link.lower] - self.offset(link)
            pulls[link.upper] += [place] * _straightness(link)
        for link in self.links[row] if row < len(self.links) else ():
            place = x[row + 1, link.upper] + self.offset(link)
            pulls[link.lower] += [place] * _straightness(link)
        return pulls


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
