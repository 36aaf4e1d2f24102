"""The normal and the reduction cell side by side, as in Zoph et al. 2017, figure 4.

Below are the outputs of the two cells before, above is the cell's own output. An arrow enters the
operation that is applied to a hidden state; the two results of a block are added or concatenated.
"""

from typing import TYPE_CHECKING, Any

from nas_gym.drawing.figures import add_box, add_edges, blank_figure
from nas_gym.drawing.layered import Item
from nas_gym.search_spaces.nasnet_cell.genotype import CELLS, Block, Cell, CellGenotype
from nas_gym.search_spaces.nasnet_cell.layout import lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 14.0, 7.0  # inches, with up to five blocks per cell
HEIGHT_PER_BLOCK = 0.7  # inches more for each block beyond five
MARGIN = 0.3
TALLEST_ROW = 1.7  # inches from row to row
LABEL_WIDTH, LABEL_HEIGHT = 0.62, 0.3  # of the boxes of inputs and output

# Fill and border by the operation's kind, the first line of its label.
FAMILY_COLOURS = {
    "identity": ("#f4f4f4", "#8c8c8c"),
    "sep": ("#fde3c8", "#d9822b"),
    "dil sep": ("#f9cfc2", "#c9543a"),
    "dilated": ("#f9cfc2", "#c9543a"),
    "conv": ("#fff3b8", "#b8960a"),
    "avg": ("#d5ecd4", "#4c9a50"),
    "max": ("#d3e4f5", "#3f7fbf"),
}
NODE_COLOURS = ("#ffffff", "#444444")  # combine nodes, output
BACKGROUND = ("#f7f7fa", "#dcdce4")  # of a block
INPUT_COLOURS = ("#8a4fa3", "#12767f")  # edges of h_{i-1} and of h_i
BLOCK_COLOUR = "#555555"  # edges of block outputs
INPUT_LABELS = ("hᵢ₋₁", "hᵢ")
OUTPUT_LABEL = "hᵢ₊₁"


def draw_cells(genotype: CellGenotype, *, title: str | None = None) -> "Figure":
    """Draw both cells; the figure's size depends only on the number of blocks."""
    blocks = max(len(cell.blocks) for cell in genotype)
    return draw_unfinished_cells(genotype, blocks=blocks, title=title)


def draw_unfinished_cells(
    genotype: CellGenotype, *, blocks: int, title: str | None = None
) -> "Figure":
    """Draw as ``draw_cells``; a cell whose ``concat`` is empty has no output.

    Args:
        genotype: The blocks so far, perhaps none.
        blocks: Blocks of a finished cell; sets the figure's size.
        title: Written above the cells.
    """
    width, height = figure_size(blocks)
    figure, axes = blank_figure(width, height)
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    if title:
        axes.text(width / 2, height - 0.27, title, fontsize=13, **centred)
    half = width / 2
    for index, (name, cell) in enumerate(zip(CELLS, genotype, strict=True)):
        left = index * half
        heading = f"{name} cell".capitalize()
        axes.text(left + half / 2, height - 0.65, heading, fontsize=12, weight="bold", **centred)
        _CellPainter(axes, cell, left + MARGIN, left + half - MARGIN, height - 0.9).paint()
    axes.plot([half, half], [0.3, height - 0.6], color=BACKGROUND[1], linewidth=1)
    return figure


def figure_size(blocks: int) -> tuple[float, float]:
    """Return width and height, inches, of the drawing of cells with so many blocks."""
    return WIDTH, HEIGHT + HEIGHT_PER_BLOCK * max(0, blocks - 5)


class _CellPainter:
    """A painter of one cell between ``left`` and ``right``, below ``top``; lengths are inches."""

    def __init__(self, axes: "Axes", cell: Cell, left: float, right: float, top: float) -> None:
        self.axes = axes
        self.cell = cell
        self.left, self.right = left, right
        self.layout = lay_out(cell, left, right)
        self.last_row = len(self.layout.rows) - 1
        space = top - MARGIN - 4 * LABEL_HEIGHT  # for the rows, without inputs and output
        self.pitch = min(TALLEST_ROW, space / max(1.0, self.last_row + 0.3))
        # A low cell stands in the middle of its space.
        spare = max(0.0, space - self.pitch * (self.last_row + 0.3))
        self.inputs_y = MARGIN + spare / 2 + LABEL_HEIGHT / 2
        self.box = min(0.42, 0.33 * self.pitch)  # height of an operation
        self.node = min(0.24, 0.2 * self.pitch)  # height of a combine node
        self.font = min(9.0, 13.8 * self.layout.box_width, 21.0 * self.box)  # points

    def paint(self) -> None:
        """Paint all; edges lie below the boxes."""
        self._edges()
        for item in self.layout.rows[0]:
            x, colours = self.layout.x[0, item], ("#ffffff", INPUT_COLOURS[item.node])
            self._label(x, self.inputs_y, INPUT_LABELS[item.node], colours)
        for row, items in enumerate(self.layout.rows[1:], start=1):
            for item in items:
                if not item.passing:
                    self._block(row, item)
        if self.cell.concat:
            self._output()

    def _leaves(self, row: int) -> float:
        """Return the height at which the edges that leave a row begin: its upper border."""
        return self.inputs_y + LABEL_HEIGHT / 2 + self.pitch * row

    def _arrives(self, row: int) -> float:
        """Return the height at which edges arrive at a row: the lower border of its operations."""
        return self._leaves(row) - self.node - 1.3 * self.box

    @property
    def _concat_from(self) -> float:
        """The lower border of the output's concatenation."""
        return self._leaves(self.last_row) + 0.3 * self.pitch

    def _edges(self) -> None:
        """Draw the edges; those of a hidden state share their way and have one colour."""
        for state in range(2 + len(self.cell.blocks)):
            curves = []
            for row, between in enumerate(self.layout.links):
                for link in between:
                    if link.lower.node == state:
                        start = self.layout.x[row, link.lower], self._leaves(row)
                        x = self.layout.branch_x(row + 1, link.upper, link.port)
                        end = x, self._arrives(row + 1)
                        beyond = self._leaves(row + 1) if link.upper.passing else None
                        curves.append((start, end, beyond))
            if state in self.cell.concat:
                x = next(
                    self.layout.x[self.last_row, item]
                    for item in self.layout.rows[self.last_row]
                    if item.node == state
                )
                curves.append(((x, self._leaves(self.last_row)), (x, self._concat_from), None))
            add_edges(self.axes, curves, INPUT_COLOURS[state] if state < 2 else BLOCK_COLOUR)

    def _block(self, row: int, item: Item) -> None:
        block = self.cell.blocks[item.node - 2]
        low, high = self._arrives(row), self._leaves(row)
        x, width = self.layout.x[row, item], self.layout.box_width
        add_box(self.axes, x, (low + high) / 2, 2 * width + 0.1, high - low + 0.12, BACKGROUND)
        node_y = high - self.node / 2
        for branch, operation in enumerate((block.operation_a, block.operation_b)):
            box_x = self.layout.branch_x(row, item, branch)
            line = [box_x, x], [low + self.box, node_y]
            self.axes.plot(*line, color=BLOCK_COLOUR, linewidth=1, zorder=3)
            kind, size = LABELS[operation]
            label = f"{kind}\n{size}" if size else kind
            y, colours = low + self.box / 2, FAMILY_COLOURS[kind]
            add_box(self.axes, box_x, y, width - 0.06, self.box, colours, label, self.font)
        node_width = 1.2 * width * (0.56 if block.combine == "add" else 0.82)
        font = self.font - 0.5
        add_box(self.axes, x, node_y, node_width, self.node, NODE_COLOURS, block.combine, font)
        name: dict[str, Any] = {"ha": "right", "va": "center", "color": "#888888"}
        self.axes.text(x + width, node_y, f"b{item.node - 2}", fontsize=font, **name)

    def _output(self) -> None:
        row = self.last_row
        ends = [self.layout.x[row, i] for i in self.layout.rows[row] if i.node in self.cell.concat]
        width = min(max(ends) - min(ends) + 0.9, self.right - self.left)
        x = (min(ends) + max(ends)) / 2
        x = min(max(x, self.left + width / 2), self.right - width / 2)
        y = self._concat_from + LABEL_HEIGHT / 2
        add_edges(self.axes, [((x, y), (x, y + 1.3 * LABEL_HEIGHT), None)], BLOCK_COLOUR)
        add_box(self.axes, x, y, width, LABEL_HEIGHT, NODE_COLOURS, "concat", 10.0)
        self._label(x, y + 1.8 * LABEL_HEIGHT, OUTPUT_LABEL, NODE_COLOURS)

    def _label(self, x: float, y: float, text: str, colours: tuple[str, str]) -> None:
        add_box(self.axes, x, y, LABEL_WIDTH, LABEL_HEIGHT, colours, text, 11.0)


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
    """Return a short name for an operation: ``sep_conv_5x5`` is ``sep 5x5``."""
    return " ".join(LABELS[operation]).rstrip()


def state_in_words(state: int) -> str:
    """Name a state: ``h-1`` and ``h`` are the inputs h_{i-1} and h_i, ``b0`` block 0's output."""
    return ("h-1", "h")[state] if state < 2 else f"b{state - 2}"


def cells_as_text(genotype: CellGenotype) -> str:
    """Write both cells, one line per block and one for the output; no line break at the end."""
    lines: list[str] = []
    for name, cell in zip(CELLS, genotype, strict=True):
        lines += [f"{name} cell", *(f"  {line}" for line in _cell_lines(cell))]
    return "\n".join(lines)


def _cell_lines(cell: Cell) -> list[str]:
    lines = [f"b{b} = {_block_in_words(block)}" for b, block in enumerate(cell.blocks)]
    return [*lines, f"output = concat({', '.join(map(state_in_words, cell.concat))})"]


def _block_in_words(block: Block) -> str:
    a = f"{operation_in_words(block.operation_a)}({state_in_words(block.input_a)})"
    b = f"{operation_in_words(block.operation_b)}({state_in_words(block.input_b)})"
    return f"{a} + {b}" if block.combine == "add" else f"concat({a}, {b})"
