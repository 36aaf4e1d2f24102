"""A recurrent cell as a tree, as in Zoph & Le 2016, figures 5 and 8.

Below each leaf are x_t and h_{t-1}, above the root is h_t. A node combines its two inputs, below,
and applies its function, above; so the cell state c_t leaves between the two. Where c_{t-1} comes
in, a node of its own stands above the one whose output it changes.
"""

from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from nas_gym.drawing.figures import add_box, add_edges, add_wire, blank_figure
from nas_gym.search_spaces.rnn_cell.genotype import RNNCellGenotype

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, HEADING = 0.35, 0.55  # inches
LEAF = 1.25  # inches from leaf to leaf; less if there are many
WIDTH, NARROWEST = 10.7, 0.9  # inches: of a usual figure, and from leaf to leaf
ROW = 1.15  # inches from row to row
HALF = 0.27  # height of a combination or a function, inches
INJECTION = 2 * HALF + 0.12  # inches more in the row of the injection
LABEL = 0.26  # height of the labels of inputs and outputs, inches
INPUTS, OUTPUT = 2.3 * LABEL, 2.2 * LABEL  # inches below the leaves and above the root

COMBINATION_COLOURS = {
    "add": ("#fff3b8", "#b8960a"),
    "elem_mult": ("#fde3c8", "#d9822b"),
    "max": ("#eadcf2", "#8a4fa3"),
}
ACTIVATION_COLOURS = ("#d3e4f5", "#3f7fbf")
OPEN_COLOURS = ("#fafafa", "#c9c9cf")
X_COLOURS, H_COLOURS = ("#ffffff", "#8a4fa3"), ("#ffffff", "#12767f")
C_COLOURS = ("#ffffff", "#b3261e")
EDGE = "#555555"


class PartialNode(NamedTuple):
    """A node as far as it is chosen; None stands for what is open."""

    combination: str | None = None
    activation: str | None = None


class PartialTree(NamedTuple):
    """A cell of which some parts may be open."""

    nodes: tuple[PartialNode, ...]  # 2 B - 1
    inject: PartialNode = PartialNode()
    cell_output: int | None = None
    cell_input: int | None = None

    @property
    def base(self) -> int:
        """B, the number of leaves."""
        return (len(self.nodes) + 1) // 2


def draw_tree(genotype: RNNCellGenotype, *, title: str | None = None) -> "Figure":
    """Draw the whole cell; the figure's size depends only on the number of leaves."""
    nodes = tuple(PartialNode(n.combination, n.activation) for n in genotype.nodes)
    inject = PartialNode(genotype.inject.combination, genotype.inject.activation)
    tree = PartialTree(nodes, inject, genotype.cell_output, genotype.cell_input)
    return draw_unfinished_tree(tree, title=title)


def draw_unfinished_tree(tree: PartialTree, *, title: str | None = None) -> "Figure":
    """Draw as ``draw_tree``; what is open is pale and has a question mark."""
    width, height = figure_size(tree.base)
    figure, axes = blank_figure(width, height)
    if title:
        axes.text(width / 2, height - 0.27, title, fontsize=13, ha="center", va="center")
    _TreePainter(axes, tree).paint()
    return figure


def figure_size(base: int) -> tuple[float, float]:
    """Return width and height, inches, of the drawing of a tree with so many leaves."""
    rows = (2 * base - 2).bit_length()
    tree = ROW * (rows - 1) + 2 * HALF + INJECTION
    height = MARGIN + INPUTS + tree + OUTPUT + HEADING
    return 2 * MARGIN + max(base * _leaf_pitch(base), 4.0), height


def _leaf_pitch(base: int) -> float:
    return min(LEAF, max(NARROWEST, (WIDTH - 2 * MARGIN) / base))


class Places(NamedTuple):
    """The nodes' places: leaves at 0, 1, 2, … from the left, an inner node between its two."""

    column: tuple[float, ...]  # of each node
    depth: tuple[int, ...]  # edges up to the root


def lay_out(base: int) -> Places:
    """Find places in which no edge crosses another one and each leads to the next row."""
    count = 2 * base - 1
    depth = [0] * count
    for node in reversed(range(base, count)):
        for child in _children(node, base):
            depth[child] = depth[node] + 1
    column = [0.0] * count
    for place, leaf in enumerate(_leaves(count - 1, base)):
        column[leaf] = float(place)
    for node in range(base, count):
        column[node] = fmean(column[child] for child in _children(node, base))
    return Places(tuple(column), tuple(depth))


def _children(node: int, base: int) -> tuple[int, int]:
    """Return the two nodes that an inner node combines, as ``RNNCellGenotype.children``."""
    return 2 * (node - base), 2 * (node - base) + 1


def _leaves(node: int, base: int) -> list[int]:
    """Return the leaves below a node, from left to right."""
    if node < base:
        return [node]
    return [leaf for child in _children(node, base) for leaf in _leaves(child, base)]


class _TreePainter:
    """A painter of one cell; all lengths are inches."""

    def __init__(self, axes: "Axes", tree: PartialTree) -> None:
        self.axes, self.tree = axes, tree
        base = tree.base
        self.places = lay_out(base)
        self.pitch = _leaf_pitch(base)
        self.scale = self.pitch / LEAF
        self.node_width = 0.64 * self.scale
        self.font = 9.0 * max(self.scale, 0.8)
        self.rows = max(self.places.depth)
        width = figure_size(base)[0]
        self.left = (width - base * self.pitch) / 2 + self.pitch / 2

    def paint(self) -> None:
        """Paint all; boxes lie in front of the edges."""
        base, root = self.tree.base, len(self.tree.nodes) - 1
        edges = []
        for node in range(base, root + 1):
            for child, side in zip(_children(node, base), (-1, 1), strict=True):
                end = self._x(node) + side * 0.2 * self.node_width, self._low(node)
                edges.append(((self._x(child), self._leaves(child)), end, None))
        top = self._leaves(root) + 0.9 * LABEL
        edges.append(((self._x(root), self._leaves(root)), (self._x(root), top), None))
        add_edges(self.axes, edges, EDGE)
        for node, parts in enumerate(self.tree.nodes):
            self._node(self._x(node), self._low(node), parts)
            self._name(node)
            if node < base:
                self._inputs(node)
        self._label(self._x(root), top + LABEL / 2, "hₜ", H_COLOURS)
        if self.tree.cell_input is not None:
            self._injection(self.tree.cell_input)
        if self.tree.cell_output is not None:
            self._cell_output(self.tree.cell_output)

    def _x(self, node: int) -> float:
        return self.left + self.pitch * self.places.column[node]

    def _low(self, node: int) -> float:
        """Return the lower border of a node; rows above the injection's make room for it."""
        depth = self.places.depth
        injected = self.tree.cell_input
        raised = INJECTION if injected is not None and depth[node] < depth[injected] else 0.0
        return MARGIN + INPUTS + ROW * (self.rows - depth[node]) + raised

    def _leaves(self, node: int) -> float:
        """Return the height at which a node's output leaves it, or the injection above it."""
        injected = INJECTION if node == self.tree.cell_input else 0.0
        return self._low(node) + 2 * HALF + injected

    def _outside(self, node: int) -> int:
        """Return the side where no edge to the parent passes: -1 is the left, 1 the right."""
        return -1 if node % 2 == 0 and node < len(self.tree.nodes) - 1 else 1

    def _node(self, x: float, low: float, parts: PartialNode) -> None:
        """Draw the combination below, the function above."""
        combination, activation = parts
        words = "?" if combination is None else COMBINATION_WORDS[combination]
        colours = COMBINATION_COLOURS.get(combination or "", OPEN_COLOURS)
        add_box(self.axes, x, low + HALF / 2, self.node_width, HALF, colours, words, self.font)
        colours = OPEN_COLOURS if activation is None else ACTIVATION_COLOURS
        words, y = activation or "?", low + 1.5 * HALF
        add_box(self.axes, x, y, self.node_width, HALF, colours, words, self.font)

    def _name(self, node: int) -> None:
        """Write the node's number, on the side where no cell state is."""
        side = -self._outside(node)
        x = self._x(node) + side * (self.node_width / 2 + 0.05)
        self.axes.text(
            *(x, self._low(node) + 0.5 * HALF, str(node)),
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=self.font - 1,
            color="#888888",
        )

    def _inputs(self, leaf: int) -> None:
        low = self._low(leaf)
        edges = []
        for side, text, colours in ((-1, "xₜ", X_COLOURS), (1, "hₜ₋₁", H_COLOURS)):
            x, top = self._x(leaf) + side * 0.27 * self.pitch * 0.8, low - 1.2 * LABEL
            end = self._x(leaf) + side * 0.2 * self.node_width, low
            edges.append(((x, top), end, None))
            self._label(x, top - LABEL / 2, text, colours)
        add_edges(self.axes, edges, EDGE)

    def _injection(self, node: int) -> None:
        x, low = self._x(node), self._low(node) + INJECTION
        add_edges(self.axes, [((x, low - INJECTION + 2 * HALF), (x, low), None)], EDGE)
        self._node(x, low, self.tree.inject)
        self._cell_state(node, low + 0.5 * HALF, "cₜ₋₁", inwards=True)

    def _cell_output(self, node: int) -> None:
        self._cell_state(node, self._low(node) + HALF, "cₜ", inwards=False)

    def _cell_state(self, node: int, y: float, text: str, *, inwards: bool) -> None:
        """Write a label beside a node, and draw an edge between the two."""
        side = self._outside(node)
        border = self._x(node) + side * self.node_width / 2
        x = border + side * 0.36 * self.scale
        points = [(border, y), (x - side * 0.2 * self.scale, y)]
        add_wire(self.axes, points[::-1] if inwards else points, C_COLOURS[1])
        self._label(x, y, text, C_COLOURS)

    def _label(self, x: float, y: float, text: str, colours: tuple[str, str]) -> None:
        width = 0.4 * self.scale
        add_box(self.axes, x, y, width, LABEL, colours, text, self.font)


COMBINATION_WORDS = {"add": "add", "elem_mult": "mult", "max": "max"}


def tree_as_text(genotype: RNNCellGenotype) -> str:
    """Write a cell as formulas, one line per value; ``*`` is by elements, ``a3'`` is a3 changed.

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


def _value(genotype: RNNCellGenotype, node: int) -> str:
    """Return the name of what a node passes on."""
    return f"a{node}'" if node == genotype.cell_input else f"a{node}"


def _combined(combination: str, a: str, b: str, *, leaf: bool = False) -> str:
    if combination == "add":
        return f"{a} + {b}"
    if combination == "elem_mult":
        return f"({a}) * ({b})" if leaf else f"{a} * {b}"
    return f"{combination}({a}, {b})"


def _applied(activation: str, value: str) -> str:
    return value if activation == "identity" else f"{activation}({value})"
