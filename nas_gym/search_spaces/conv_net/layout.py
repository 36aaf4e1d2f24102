"""The plan of a convolutional network's drawing: lanes, padded inputs, loose ends."""

from collections.abc import Sequence
from fractions import Fraction

from nas_gym.search_spaces.conv_net.genotype import ConvLayer


def lanes_of(layers: Sequence[ConvLayer]) -> dict[int, int]:
    """Return the lane of each layer that not only the next one reads; 0 is the outermost.

    Layers share a lane if one's last reader comes before the other.
    """
    last = {
        j: i for i, layer in enumerate(layers) for j in layer.inputs if j < i - 1
    }  # the last reader of each
    lanes: dict[int, int] = {}
    ends: list[int] = []  # the layer from which each lane is free again
    for source in sorted(last):
        free = [lane for lane, end in enumerate(ends) if end < source]
        lane = free[0] if free else len(ends)
        ends[lane : lane + 1] = [last[source]]
        lanes[source] = lane
    return lanes


def padded_inputs(layers: Sequence[ConvLayer]) -> list[tuple[int, ...]]:
    """Return the inputs of each layer, and of the classifier, that are smaller than another.

    That is for images large enough: in a very small one different strides may end at one size.
    """
    sizes: list[tuple[Fraction, Fraction]] = []  # height and width of each output; the image's is 1
    padded: list[tuple[int, ...]] = []
    classifier = ConvLayer(1, 1, 0, loose_ends(layers))
    for layer in (*layers, classifier):
        inputs = [sizes[j] for j in layer.inputs] or [(Fraction(1), Fraction(1))]
        high, wide = (max(size[side] for size in inputs) for side in (0, 1))
        padded.append(tuple(j for j in layer.inputs if sizes[j] != (high, wide)))
        sizes.append((high / layer.stride_height, wide / layer.stride_width))
    return padded


def loose_ends(layers: Sequence[ConvLayer]) -> tuple[int, ...]:
    """Return the layers that no layer reads; the last layer is always one."""
    read = {j for layer in layers for j in layer.inputs}
    return tuple(i for i in range(len(layers)) if i not in read)
