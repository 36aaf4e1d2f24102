"""Convolutional networks from papers, by name."""

from dataclasses import replace
from types import MappingProxyType

from nas_gym.search_spaces.conv_net.genotype import ConvLayer, ConvNetGenotype
from nas_gym.search_spaces.conv_net.space import NO_STRIDE, ConvNet


def _published(text: str) -> ConvNetGenotype:
    """Read a network from text: ``height x width, filters < inputs; ...``, counted from 1."""
    layers = []
    for words in text.split(";"):
        size, filters_and_inputs = words.split(",", 1)
        height, width = map(int, size.split("x"))
        filters, inputs = filters_and_inputs.split("<")
        numbers = tuple(int(word) - 1 for word in inputs.split())
        layers.append(ConvLayer(height, width, int(filters), numbers))
    return ConvNetGenotype(tuple(layers))


def densely_connected(genotype: ConvNetGenotype) -> ConvNetGenotype:
    """Return the same layers, each with all earlier ones as inputs."""
    layers = enumerate(genotype.layers)
    return replace(genotype, layers=tuple(replace(c, inputs=tuple(range(i))) for i, c in layers))


def chain(genotype: ConvNetGenotype) -> ConvNetGenotype:
    """Return the same layers, each with the one before as its only input."""
    layers = enumerate(genotype.layers)
    return replace(
        genotype, layers=tuple(replace(c, inputs=(i - 1,) if i else ()) for i, c in layers)
    )


# Zoph & Le 2016, figure 7: the network without strides and pools, "v1" of table 1 (4.2M parameters,
# 5.50 % error). From an unofficial transcription of the figure, of which an edge may be wrong: it
# has 4,119,228 weights in convolutions.
NAS_V1 = _published(
    "3x3, 36 <; 3x3, 48 < 1; 3x3, 36 < 1 2; 5x5, 36 < 1 2 3; 3x7, 48 < 3 4; 7x7, 48 < 2 3 4 5;"
    "7x7, 48 < 2 3 4 5 6; 7x3, 36 < 1 6 7; 7x1, 36 < 1 5 6 8; 7x7, 36 < 1 3 4 5 6 7 8 9;"
    "5x7, 36 < 1 2 5 6 7 8 9 10; 7x7, 48 < 1 2 3 4 6 11; 7x5, 48 < 1 3 6 7 8 9 10 11 12;"
    "7x5, 48 < 3 7 12 13; 7x5, 48 < 7 11 12 13 14"
)
# Section 4.1 changes its connections: 5.56 % error with all of them, 7.97 % with none but a chain.
NAS_V1_DENSE = densely_connected(NAS_V1)
NAS_V1_CHAIN = chain(NAS_V1)

PUBLISHED = MappingProxyType(
    {"nas-v1": NAS_V1, "nas-v1-dense": NAS_V1_DENSE, "nas-v1-chain": NAS_V1_CHAIN}
)


def space_of(genotype: ConvNetGenotype) -> ConvNet:
    """Return the space of networks without strides that are as deep."""
    return replace(NO_STRIDE, depth=len(genotype.layers))
