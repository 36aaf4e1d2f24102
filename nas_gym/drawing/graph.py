"""A picture of any graph without circles: a box per node, in rows from below, an arrow per edge.

Edges that skip a row have a lane beside the boxes, in a colour of their node's own.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zlib import crc32

from nas_gym.drawing.figures import LANE_COLOURS, Edge, add_box, add_edges, blank_figure
from nas_gym.drawing.layered import (
    Item,
    Link,
    Links,
    Placement,
    Rows,
    links_of,
    ordered,
    rows_of,
    rows_of_nodes,
)
from nas_gym.drawing.plain import plain_style
from nas_gym.drawing.table import cut
from nas_gym.options.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, HEADING = 0.3, 0.5  # inches
PITCH, TALLEST = 0.8, 60.0  # inches from row to row, and of all rows
NARROWEST, WIDEST = 4.0, 40.0  # inches of all boxes of a row
GAP, LANE = 0.25, 0.18  # inches between boxes, and for a passing edge
SLIMMEST_BOX, AROUND = 0.8, 0.3  # inches, and of a box beside its label
FONT = 9.5  # points
LONGEST = 32  # letters of a label; a longer one is shortened
ARRIVAL = 0.16  # inches between the tips of arrows that enter a box

END_COLOURS = ("#ffffff", "#444444")  # of nodes that read nothing, or that nobody reads
# Fill and border by a label's first word.
COLOURS = {
    "conv": ("#fff3b8", "#b8960a"),
    "sep": ("#fde3c8", "#d9822b"),
    "max": ("#d3e4f5", "#3f7fbf"),
    "pool": ("#d3e4f5", "#3f7fbf"),
    "avg": ("#d5ecd4", "#4c9a50"),
    "skip": ("#f4f4f4", "#8c8c8c"),
    "identity": ("#f4f4f4", "#8c8c8c"),
}
OTHER_COLOURS = (
    *(("#eadcf2", "#8a4fa3"), ("#d2ebe9", "#12767f"), ("#f9cfc2", "#c9543a")),
    *(("#e3e6fa", "#5b6ee1"), ("#eadfd6", "#6b5344")),
)
STRAIGHT = "#555555"


@plain_style()
def draw_graph(
    labels: Sequence[str], inputs: Sequence[Sequence[int]], *, title: str | None = None
) -> "Figure":
    """Draw a graph.

    Args:
        labels: One per node, at least one; a long one is shortened.
        inputs: The nodes that each node reads, each once, without a circle.
        title: Written above.
    """
    words = [cut(printable(" ".join(label.split())), LONGEST) for label in labels]
    plan = _Plan(words, inputs, HEADING if title else MARGIN)
    figure, axes = blank_figure(plan.width, plan.height)
    if title:
        axes.text(plan.width / 2, plan.height - 0.27, title, fontsize=13, ha="center", va="center")
    _Painter(axes, plan, words).paint()
    return figure


class _Plan:
    """Where everything is; all lengths are inches."""

    def __init__(
        self, words: Sequence[str], inputs: Sequence[Sequence[int]], heading: float
    ) -> None:
        rows = rows_of(*rows_of_nodes(inputs))
        self.links: Links = links_of(rows, inputs)
        self.rows: Rows = ordered(rows, self.links)
        boxes = [max(SLIMMEST_BOX, _length(word) + AROUND) for word in words]

        def width(item: Item) -> float:
            return LANE if item.passing else boxes[item.node] + GAP

        widest = max(sum(map(width, row)) for row in self.rows)
        self.scale = min(1.0, WIDEST / widest)  # of all widths, and of the font
        self.boxes = [self.scale * box for box in boxes]
        inside = max(NARROWEST, self.scale * widest)
        self.x = Placement(
            self.rows, self.links, lambda item: self.scale * width(item), lambda _: 0.0,
            MARGIN, MARGIN + inside,
        ).centres()  # fmt: skip
        self.pitch = min(PITCH, TALLEST / len(self.rows))
        self.box = 0.45 * self.pitch  # height of a node
        self.width = inside + 2 * MARGIN
        self.height = MARGIN + self.pitch * len(self.rows) + heading
        read_by_some = {each for read in inputs for each in read}
        self.inner = {node for node, read in enumerate(inputs) if read} & read_by_some

    def arrives(self, row: int) -> float:
        """Return the lower border of a row's boxes."""
        return MARGIN + self.pitch * (row + 0.5) - self.box / 2

    def leaves(self, row: int) -> float:
        """Return the upper border of a row's boxes."""
        return self.arrives(row) + self.box

    def tips(self, row: int) -> dict[Link, float]:
        """Return where the links from a row end: arrows into a box stand side by side, in order."""
        into: dict[Item, list[Link]] = {}
        for link in sorted(self.links[row], key=lambda each: self.x[row, each.lower]):
            into.setdefault(link.upper, []).append(link)
        ends = {}
        for item, links in into.items():
            step = min(ARRIVAL, self.boxes[item.node] / (len(links) + 1))
            for place, link in enumerate(links):
                ends[link] = self.x[row + 1, item] + step * (place - (len(links) - 1) / 2)
        return ends


class _Painter:
    """A painter of one graph; boxes lie in front of the edges."""

    def __init__(self, axes: "Axes", plan: _Plan, words: Sequence[str]) -> None:
        self.axes, self.plan, self.words = axes, plan, words
        self.font = min(FONT * plan.scale, 27.0 * plan.box)

    def paint(self) -> None:
        """Paint all."""
        self._edges()
        for row, items in enumerate(self.plan.rows):
            for item in items:
                if not item.passing:
                    self._node(row, item)

    def _edges(self) -> None:
        edges: dict[int, list[Edge]] = {}
        skipping: set[int] = set()
        for row in range(len(self.plan.links)):
            for link, x in self.plan.tips(row).items():
                start = self.plan.x[row, link.lower], self.plan.leaves(row)
                end = x, self.plan.arrives(row + 1)
                beyond = self.plan.leaves(row + 1) if link.upper.passing else None
                edges.setdefault(link.lower.node, []).append((start, end, beyond))
                skipping |= {link.upper.node} if link.upper.passing else set()
        lanes = {node: lane for lane, node in enumerate(sorted(skipping))}
        for node, mine in edges.items():
            lane = lanes.get(node)
            colour = STRAIGHT if lane is None else LANE_COLOURS[lane % len(LANE_COLOURS)]
            add_edges(self.axes, mine, colour)

    def _node(self, row: int, item: Item) -> None:
        node, words = item.node, self.words[item.node]
        colours = _colours(words) if node in self.plan.inner else END_COLOURS
        x, y = self.plan.x[row, item], self.plan.arrives(row) + self.plan.box / 2
        width = self.plan.boxes[node]
        add_box(self.axes, x, y, width, self.plan.box, colours, words, self.font)


def _colours(words: str) -> tuple[str, str]:
    """Return fill and border: nodes of one first word have the same ones in every picture."""
    first = re.match(r"[^\W\d_]*", words.lower())
    kind = first.group() if first else ""
    return COLOURS.get(kind, OTHER_COLOURS[crc32(kind.encode()) % len(OTHER_COLOURS)])


def _length(words: str) -> float:
    """Return how many inches of a line a text takes."""
    from matplotlib.textpath import TextPath

    return (
        float(TextPath((0, 0), words, size=FONT).get_extents().width) / 72 if words.strip() else 0.0
    )
