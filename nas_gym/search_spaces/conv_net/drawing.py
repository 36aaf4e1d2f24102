"""A convolutional network, layer by layer, as in Zoph & Le 2016, figure 7.

The layers stand in a column between the image, below, and the classifier, above. An edge to the
next layer is straight. For all others a layer has a lane to the right of the column, in a colour of
its own: a dot on it is an edge, to the layer at whose height the dot is. On the left are the
paper's repairs: a lane from the image to the layers for which no input was chosen, and one to the
classifier from the layers that no layer reads. A hollow dot is an input that is padded with zeros.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas_gym.drawing.figures import (
    LANE_COLOURS,
    add_box,
    add_edges,
    add_wire,
    blank_figure,
    listed,
)
from nas_gym.search_spaces.conv_net.genotype import ConvLayer, ConvNetGenotype
from nas_gym.search_spaces.conv_net.layout import lanes_of, loose_ends, padded_inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN = 0.3
HEADING, LEGEND = 0.5, 0.75  # inches above and below the column
PITCH, TALLEST = 0.52, 100.0  # inches from row to row, and of the whole column
LANE, WIDEST = 0.2, 6.0  # inches from lane to lane, and of all of them
BOX_WIDTH = 2.9  # inches; the other sizes of a box are parts of the pitch
LINE = 300.0  # letters times points that fit into a box
REPAIRS = 0.9  # inches to the left of the column

COLOURS = {"conv": ("#fff3b8", "#b8960a"), "pool": ("#d3e4f5", "#3f7fbf")}
END_COLOURS = ("#ffffff", "#444444")  # image and classifier
STRAIGHT, TAP = "#555555", "#9a9aa2"
FROM_IMAGE, LOOSE = "#8a4fa3", "#b3261e"
LEGENDS = {
    FROM_IMAGE: "no input chosen: reads the image",
    LOOSE: "read by no layer: goes to the classifier",
    STRAIGHT: "○  smaller input, padded with zeros",
}


def draw_network(genotype: ConvNetGenotype, *, title: str | None = None) -> "Figure":
    """Draw the whole network; the size depends on its depth and the number of its pools."""
    rows = len(genotype.layers) + len(genotype.pools)
    return draw_unfinished_network(genotype, rows=rows, finished=True, title=title)


def draw_unfinished_network(
    genotype: ConvNetGenotype, *, rows: int, finished: bool = False, title: str | None = None
) -> "Figure":
    """Draw the layers so far as ``draw_network`` does.

    Args:
        genotype: Its layers so far, perhaps none.
        rows: Layers and pools of the largest network that shall fit; sets the figure's size.
        finished: Whether there is a classifier.
        title: Written above the network.
    """
    width, height = figure_size(rows)
    figure, axes = blank_figure(width, height)
    if title:
        axes.text(width / 2, height - 0.27, title, fontsize=13, ha="center", va="center")
    _NetworkPainter(axes, genotype, rows, finished=finished).paint()
    return figure


def figure_size(rows: int) -> tuple[float, float]:
    """Return width and height, inches, of networks with so many layers and pools."""
    lanes = max(3.0, min(LANE * rows, WIDEST)) + LANE  # room for a title as well
    return 2 * MARGIN + REPAIRS + BOX_WIDTH + lanes, LEGEND + HEADING + (rows + 2) * _pitch(rows)


def _pitch(rows: int) -> float:
    return min(PITCH, TALLEST / (rows + 2))


class _NetworkPainter:
    """A painter of one network; all lengths are inches."""

    def __init__(
        self, axes: "Axes", genotype: ConvNetGenotype, rows: int, *, finished: bool
    ) -> None:
        self.axes = axes
        self.genotype, self.layers = genotype, genotype.layers
        self.finished = finished
        self.pitch = _pitch(rows)
        self.box = 0.62 * self.pitch  # height of a layer
        self.font = min(9.5, 18 * self.pitch)  # points
        self.left = MARGIN + REPAIRS
        self.right = self.left + BOX_WIDTH
        self.x = (self.left + self.right) / 2
        self.lanes = lanes_of(self.layers)
        self.padded = padded_inputs(self.layers)  # the last entry is the classifier's
        self.lane = min(LANE, WIDEST / max(1, len(self.lanes)))

    def paint(self) -> None:
        """Paint all; boxes lie in front of the edges."""
        depth = len(self.layers)
        self._end(self._row(-1), "image")
        for i, layer in enumerate(self.layers):
            words = layer_in_words(layer, self.genotype.block_layers)
            y, colours = self._row(i), COLOURS[layer.type]
            font = min(self.font, LINE / len(words))
            add_box(self.axes, self.x, y, BOX_WIDTH, self.box, colours, words, font)
            self._number(i)
        for place in self.genotype.pools:
            if place < depth or (place == depth and not self.finished):
                self._pool(place)
        self._straight()
        for source, lane in self.lanes.items():
            self._lane(source, self._lane_x(lane))
        self._taps()
        self._from_image()
        if self.finished:
            self._end(self._row(depth), "classifier")
            self._loose()
        self._legend()

    def _row(self, layer: int) -> float:
        """Return the height of a layer; -1 is the image, one past the last the classifier."""
        pools = sum(place <= layer for place in self.genotype.pools)
        return LEGEND + self.pitch * (layer + 1.5 + pools)

    def _lane_x(self, lane: int) -> float:
        """Return a lane's place; early layers' lanes are outside, so that fewer ways cross them."""
        return self.right + self.lane * (max(self.lanes.values()) - lane + 1.5)

    def _end(self, y: float, label: str) -> None:
        add_box(self.axes, self.x, y, 0.5 * BOX_WIDTH, self.box, END_COLOURS, label, self.font)

    def _number(self, i: int) -> None:
        style: dict[str, Any] = {"ha": "left", "va": "center", "color": "#777777", "zorder": 6}
        size = self.font - 1.5
        self.axes.text(self.left + 0.06, self._row(i), str(i), fontsize=size, **style)

    def _pool(self, place: int) -> None:
        """Draw a pool's bar, behind the lanes as well: it halves everything."""
        y = self._row(place) - self.pitch
        beyond = self._lane_x(0) + self.lane if self.lanes else self.right
        low = self.left - REPAIRS
        height = 0.62 * self.box
        add_box(self.axes, (low + beyond) / 2, y, beyond - low, height, ("#eaf2fb", "#c3d7ec"))
        words, size = pool_in_words(), self.font - 1
        add_box(self.axes, self.x, y, 0.8 * BOX_WIDTH, height, COLOURS["pool"], words, size)

    def _straight(self) -> None:
        """Draw the edges to the next layer, the first one from the image, the last one out."""
        starts = [i - 1 for i, layer in enumerate(self.layers) if i == 0 or i - 1 in layer.inputs]
        if self.finished:
            starts.append(len(self.layers) - 1)
        half = self.box / 2
        edges = [
            ((self.x, self._row(i) + half), (self.x, self._row(i + 1) - half), None) for i in starts
        ]
        add_edges(self.axes, edges, STRAIGHT)
        hollow = [i for i in starts if i in self.padded[i + 1]]
        for i in hollow:
            self._dots([self.x], [self._row(i + 1) - 0.59 * self.pitch], STRAIGHT, hollow=True)

    def _lane(self, source: int, x: float) -> None:
        """Draw a lane from the source up to its last reader, with a dot for each."""
        readers = [i for i, layer in enumerate(self.layers) if source in layer.inputs]
        readers = [i for i in readers if i > source + 1]
        colour = LANE_COLOURS[source % len(LANE_COLOURS)]
        out = self._row(source) + 0.25 * self.box
        points = [(self.right, out), (x, out), (x, self._tap_y(readers[-1]))]
        add_wire(self.axes, points, colour, arrow=False)
        for hollow in (False, True):
            heights = [self._tap_y(i) for i in readers if (source in self.padded[i]) is hollow]
            self._dots([x] * len(heights), heights, colour, hollow=hollow)

    def _taps(self) -> None:
        """Draw one line into each layer, from the farthest lane that it reads."""
        for i, layer in enumerate(self.layers):
            far = [self._lane_x(self.lanes[j]) for j in layer.inputs if j < i - 1]
            if far:
                y = self._tap_y(i)
                add_wire(self.axes, [(max(far), y), (self.right, y)], TAP)

    def _tap_y(self, layer: int) -> float:
        return self._row(layer) - 0.25 * self.box

    def _dots(
        self, x: Sequence[float], y: Sequence[float], colour: str, *, hollow: bool = False
    ) -> None:
        style: dict[str, Any] = {"marker": "o", "markersize": min(4.5, 10 * self.pitch)}
        fill = "white" if hollow else colour
        self.axes.plot(x, y, linestyle="", color=colour, markerfacecolor=fill, zorder=3, **style)

    def _from_image(self) -> None:
        """Draw the first repair; the first layer reads the image anyway."""
        readers = [i for i, layer in enumerate(self.layers) if i and not layer.inputs]
        if not readers:
            return
        x, start = self.left - 0.35 * REPAIRS, self.x - 0.25 * BOX_WIDTH
        heights = [self._tap_y(i) for i in readers]
        y = self._row(-1)
        points = [(start, y), (x, y), (x, heights[-1])]
        add_wire(self.axes, points, FROM_IMAGE, arrow=False, dashed=True)
        for height in heights:
            add_wire(self.axes, [(x, height), (self.left, height)], FROM_IMAGE)
        self._dots([x] * len(heights), heights, FROM_IMAGE)

    def _loose(self) -> None:
        """Draw the second repair; the last layer goes to the classifier anyway."""
        loose = loose_ends(self.layers)[:-1]
        if not loose:
            return
        heights = [self._row(i) + 0.25 * self.box for i in loose]
        x, y = self.left - 0.8 * REPAIRS, self._row(len(self.layers))
        end = self.x - 0.25 * BOX_WIDTH
        add_wire(self.axes, [(x, heights[0]), (x, y), (end, y)], LOOSE, dashed=True)
        for height in heights:
            add_wire(self.axes, [(self.left, height), (x, height)], LOOSE, arrow=False)
        for i, height in zip(loose, heights, strict=True):
            self._dots([x], [height], LOOSE, hollow=i in self.padded[-1])

    def _legend(self) -> None:
        """Write what the colours mean, if they occur."""
        shown: Mapping[str, bool] = {
            FROM_IMAGE: any(not layer.inputs for layer in self.layers[1:]),
            LOOSE: self.finished and len(loose_ends(self.layers)) > 1,
            STRAIGHT: any(self.padded if self.finished else self.padded[:-1]),
        }
        lines = [colour for colour, occurs in shown.items() if occurs]
        for line, colour in enumerate(lines):
            style: dict[str, Any] = {"ha": "left", "va": "center", "fontsize": 8.5}
            y = LEGEND - 0.08 - 0.2 * line
            self.axes.text(MARGIN, y, LEGENDS[colour], color=colour, **style)


def network_as_text(genotype: ConvNetGenotype) -> str:
    """Write a whole network in words: one line per layer, and one for the classifier."""
    lines: list[str] = []
    for i, layer in enumerate(genotype.layers):
        if i in genotype.pools:
            lines.append(pool_in_words())
        inputs = listed(layer.inputs) if layer.inputs else "image"
        words = layer_in_words(layer, genotype.block_layers)
        lines.append(f"layer {i}: {words} <- {inputs}")
    return "\n".join([*lines, f"classifier <- {listed(loose_ends(genotype.layers))}"])


def layer_in_words(layer: ConvLayer, block_layers: int = 1) -> str:
    """Write a layer in words, ``conv 3x5, 48 filters, stride 2x1``, heights first."""
    size = f"{layer.filter_height}x{layer.filter_width}"
    words = f"conv {size}, {layer.filters} filters" if layer.type == "conv" else f"max pool {size}"
    if (layer.stride_height, layer.stride_width) != (1, 1):
        words += f", stride {layer.stride_height}x{layer.stride_width}"
    if layer.type == "conv" and block_layers > 1:
        words = f"{block_layers} dense x {words}"
    return words


def pool_in_words() -> str:
    """Write a fixed pool of the network in words."""
    return "max pool 2x2 of all outputs so far"
