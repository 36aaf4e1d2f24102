"""A convolutional network as data: its layers, and what JSON gives, checked."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas_gym.errors import InvalidGenotype, unknown_name
from nas_gym.search_spaces.architecture import json_object

TYPES = ("conv", "pool")
MOST_LAYERS = 200  # convolutions of a network
MOST_PIXELS = 255  # of a filter or a stride
MOST_FILTERS = 2**16  # of a layer


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """A predicted layer: a convolution with ReLU and batch norm, or a max pool."""

    filter_height: int  # pixels, >= 1; of a pool its window
    filter_width: int
    filters: int  # >= 1; 0 of a pool, which keeps the channels of its inputs
    inputs: tuple[int, ...] = ()  # earlier layers whose output it reads, from 0; none: the image
    stride_height: int = 1  # >= 1
    stride_width: int = 1
    type: str = "conv"  # or "pool"


@dataclass(frozen=True, slots=True)
class ConvNetGenotype:
    """A network: its layers, and how they are put together."""

    layers: tuple[ConvLayer, ...]  # at least one
    block_layers: int = 1  # convolutions that each layer becomes, densely connected
    pools: tuple[int, ...] = ()  # numbers of layers after which everything is halved by a max pool


def genotype_from_json(data: object) -> ConvNetGenotype:
    """Return the genotype in JSON data, as ``genotype_to_json`` writes it.

    Raises:
        InvalidGenotype: It is no such data, or a network that cannot be built.
        UnknownName: A type of layer that is not known.
    """
    given = json_object("a convolutional network", data, ConvNetGenotype)
    layers, pools = given["layers"], given.get("pools", [])
    if not isinstance(layers, Sequence) or isinstance(layers, str) or not isinstance(pools, list):
        raise InvalidGenotype("'layers' and 'pools' of a convolutional network are JSON lists")
    genotype = ConvNetGenotype(
        tuple(_layer_from_json(i, layer) for i, layer in enumerate(layers[: MOST_LAYERS + 1])),
        given.get("block_layers", 1),
        tuple(pools),
    )
    check_genotype(genotype)
    return genotype


def check_genotype(genotype: ConvNetGenotype) -> None:
    """Raise InvalidGenotype or UnknownName if ``genotype`` cannot be built."""
    depth = len(genotype.layers)
    if not depth:
        raise InvalidGenotype("a convolutional network has no layers: give one or more")
    _check_whole("block_layers", genotype.block_layers, 1, MOST_LAYERS)
    if depth * genotype.block_layers > MOST_LAYERS:
        raise InvalidGenotype(
            f"a convolutional network has {depth} layers of {genotype.block_layers} convolutions: "
            f"give at most {MOST_LAYERS} in all"
        )
    for i, layer in enumerate(genotype.layers):
        if layer.type not in TYPES:
            raise unknown_name(f"type of layer {i}", layer.type, TYPES)
        for field in ("filter_height", "filter_width", "stride_height", "stride_width"):
            _check_whole(f"layer {i}: {field}", getattr(layer, field), 1, MOST_PIXELS)
        _check_whole(f"layer {i}: filters", layer.filters, int(layer.type == "conv"), MOST_FILTERS)
        if layer.type == "pool" and layer.filters:
            raise InvalidGenotype(f"layer {i}: a pool has {layer.filters} filters: give 0")
        if not _rising(layer.inputs, range(i)):
            raise InvalidGenotype(
                f"layer {i}: inputs is {list(layer.inputs)!r}: expected numbers of earlier layers "
                "(from 0), each once, in rising order"
            )
    if not _rising(genotype.pools, range(1, depth)):
        raise InvalidGenotype(
            f"pools is {list(genotype.pools)!r}: expected numbers from 1 to {depth - 1} of layers "
            "before a pool, each once, in rising order"
        )


def _layer_from_json(i: int, data: object) -> ConvLayer:
    given = json_object(f"layer {i}", data, ConvLayer)
    inputs = given.get("inputs", [])
    if not isinstance(inputs, list):
        raise InvalidGenotype(f"layer {i}: inputs is {inputs!r}: expected a JSON list")
    return ConvLayer(**{**given, "inputs": tuple(inputs)})


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidGenotype(
            f"{name} is {value!r}: expected a whole number from {least} to {most}"
        )


def _rising(numbers: Sequence[object], allowed: range) -> bool:
    """Return whether ``numbers`` are of ``allowed``, each above the one before."""
    last = allowed.start - 1
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int):
            return False
        if not last < number < allowed.stop:
            return False
        last = number
    return True
