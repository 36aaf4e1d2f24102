"""The canonical key of a convolutional network: equal for networks that compute the same function.

Two networks have equal keys if they differ only in the numbers of their layers: they are the
same graph. The order in which a layer's inputs are concatenated does not count (its weights absorb
it). No layer is dead: what nobody reads goes to the classifier.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from nas_gym.search_spaces.conv_net.genotype import TYPES, ConvLayer, ConvNetGenotype

TRIES = 24  # of layers that look alike, for one network; each takes about 0.1 ms at 20 layers


def canonical_key(genotype: ConvNetGenotype) -> str:
    """Return a string equal for isomorphic networks, and for no others.

    It spells out the whole network in an order that does not depend on the numbers of its layers,
    so that equal keys always mean equal networks. That isomorphic networks have equal keys holds up
    to ``TRIES``: among very many layers that look alike but are not, a key may depend on them.
    """
    layers, pools = genotype.layers, genotype.pools
    labels = [_label(layer) for layer in layers]
    inputs = [layer.inputs for layer in layers]
    if pools:  # a pool halves what is before it: layers do not move across
        labels = [f"{sum(p <= i for p in pools)}|{label}" for i, label in enumerate(labels)]
    head = f"{genotype.block_layers}|{','.join(map(str, pools))}|"
    if len(set(labels)) == len(labels):  # the usual case
        return head + _spelled(sorted(range(len(labels)), key=labels.__getitem__), labels, inputs)
    return head + _smallest(labels, inputs)


def canonical_form(genotype: ConvNetGenotype) -> ConvNetGenotype:
    """Return the network that a key spells out: one for all genotypes with the same key.

    Its layers are in the key's order as far as each stands after its inputs, and after the pools
    that it stood after.
    """
    text = canonical_key(genotype).split("|", 2)[2]
    parts = [match.groupdict("0") for match in map(_SPELLED.fullmatch, text.split(";")) if match]
    inputs = [[int(number) for number in part["inputs"].split(",") if number] for part in parts]
    place: dict[int, int] = {}  # of each part in the network
    while len(place) < len(parts):
        ready = [i for i in range(len(parts)) if i not in place and place.keys() >= {*inputs[i]}]
        place[min(ready, key=lambda i: (int(parts[i]["pools"]), i))] = len(place)
    layers = [
        ConvLayer(
            int(parts[i]["height"]),
            int(parts[i]["width"]),
            int(parts[i]["filters"]),
            tuple(sorted(place[j] for j in inputs[i])),
            int(parts[i]["down"]),
            int(parts[i]["across"]),
            next(name for name in TYPES if name[0] == parts[i]["type"]),
        )
        for i in place
    ]
    return ConvNetGenotype(tuple(layers), genotype.block_layers, genotype.pools)


_SPELLED = re.compile(  # a layer, as _spelled writes it
    r"((?P<pools>\d+)\|)?(?P<type>.)(?P<height>\d+)x(?P<width>\d+)"
    r"/(?P<down>\d+)x(?P<across>\d+)\*(?P<filters>\d+)<(?P<inputs>[\d,]*)"
)


def _label(layer: ConvLayer) -> str:
    return (
        f"{layer.type[0]}{layer.filter_height}x{layer.filter_width}"
        f"/{layer.stride_height}x{layer.stride_width}*{layer.filters}"
    )


def _spelled(order: Iterable[int], labels: Sequence[str], inputs: Sequence[Sequence[int]]) -> str:
    """Write the network's layers in ``order``, each with the places of its inputs."""
    order = list(order)
    place = dict(zip(order, range(len(order)), strict=True))
    return ";".join(
        [f"{labels[i]}<{','.join(map(str, sorted([place[j] for j in inputs[i]])))}" for i in order]
    )


def _ranks(values: Sequence[object]) -> list[int]:
    """Return each value's place among the different ones, sorted."""
    rank = {value: place for place, value in enumerate(sorted(set(values)))}  # type: ignore[type-var]
    return [rank[value] for value in values]


def _smallest(labels: Sequence[str], inputs: Sequence[Sequence[int]]) -> str:
    alike = _Alike(labels, inputs)
    return alike.smallest(alike.refined(_ranks(labels)))


class _Alike:
    """A network whose equally labelled layers are told apart: by colours, then by trying.

    A layer's colour says what it is and what surrounds it; it never depends on layers' numbers.
    """

    def __init__(self, labels: Sequence[str], inputs: Sequence[Sequence[int]]) -> None:
        self.labels = labels
        self.inputs = inputs
        self.readers: list[list[int]] = [[] for _ in labels]
        for i, earlier in enumerate(inputs):
            for j in earlier:
                self.readers[j].append(i)
        self.tries = TRIES

    def smallest(self, colours: list[int]) -> str:
        """Return the smallest spelling over all ways to put layers of one colour in order."""
        shared = [colour for colour, count in Counter(colours).items() if count > 1]
        if not shared:
            order = sorted(range(len(colours)), key=colours.__getitem__)
            return _spelled(order, self.labels, self.inputs)
        members = [i for i, colour in enumerate(colours) if colour == min(shared)]
        # Layers with the same inputs and readers may change places: one stands for all.
        different = {(tuple(self.inputs[i]), tuple(self.readers[i])): i for i in members}
        tried: list[list[int]] = []
        for first in different.values():
            if tried and self.tries <= 0:
                break
            self.tries -= 1
            tried.append(self.refined([2 * c - (i == first) for i, c in enumerate(colours)]))
        pictures = [self._picture(colours) for colours in tried] if len(tried) > 1 else [[]]
        best = min(pictures)
        found: list[str] = []
        for colours, picture in zip(tried, pictures, strict=True):
            if picture == best and (not found or self.tries > 0):
                found.append(self.smallest(colours))
        return min(found)

    def _picture(self, colours: list[int]) -> list[tuple[int, list[int]]]:
        """Return what only the colours tell of the graph: only the smallest is followed."""
        of_inputs = [sorted([colours[j] for j in earlier]) for earlier in self.inputs]
        return sorted(zip(colours, of_inputs, strict=True))

    def refined(self, colours: list[int]) -> list[int]:
        """Split the colours by those of inputs and readers, until no more are split."""
        count = len(set(colours))
        while True:
            colours = _ranks(
                [
                    (
                        colour,
                        tuple(sorted([colours[j] for j in self.inputs[i]])),
                        tuple(sorted([colours[j] for j in self.readers[i]])),
                    )
                    for i, colour in enumerate(colours)
                ]
            )
            if len(set(colours)) in (count, len(colours)):
                return colours
            count = len(set(colours))
