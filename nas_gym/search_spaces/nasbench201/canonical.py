"""Canonical keys of NAS-Bench-201's cells: equal for cells that compute the same function.

A node's value is a sum of terms; a term is the input or what one convolution gives, after some
average poolings, which have no weights and are linear. So ``skip_connect`` brings the terms of its
source, ``avg_pool_3x3`` brings them pooled once more, ``none`` brings nothing, and a convolution,
which has weights of its own, brings one new term. What the output does not use is left out. A
convolution of nothing is the bias of its batch norm, whatever its size.

Dong & Yang 2020 (section 2.1) count 6,466 cells that differ, by strings in which a convolution that
two edges use cannot be told from two convolutions of the same kind. These have different functions,
so that there are more classes here.
"""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import permutations, product
from typing import NamedTuple

from nas_gym.search_spaces.nasbench201.genotype import EDGES, OPERATIONS

Value = tuple[tuple[int, int], ...]  # (convolution, poolings) of each term, sorted; the input is -1
_INPUT = -1


class ConvolutionTerm(NamedTuple):
    """An operation with weights, and the value that it computes on."""

    name: str
    of: Value


@lru_cache(maxsize=2**15)
def canonical_key(operations: tuple[str, ...]) -> str:
    """Return a text that is equal exactly for cells that are the same but for names of nodes.

    Args:
        operations: Six, in the order of ``EDGES``.
    """
    convolutions, output = _read(operations)
    used = _used(convolutions, output)
    return min(_text(convolutions, output, order) for order in _orders(convolutions, used))


@cache
def first_cells() -> dict[str, tuple[str, ...]]:
    """Return the operations of the first cell of each key; takes about a second, once."""
    cells: dict[str, tuple[str, ...]] = {}
    for operations in product(OPERATIONS, repeat=len(EDGES)):
        cells.setdefault(canonical_key(operations), operations)
    return cells


def _read(operations: Sequence[str]) -> tuple[list[ConvolutionTerm], Value]:
    """Return the convolutions of a cell, each after those it depends on, and the output's value."""
    convolutions: list[ConvolutionTerm] = []
    nodes: list[Value] = [((_INPUT, 0),)]
    for node in range(1, 4):
        terms: list[tuple[int, int]] = []
        for (source, to), name in zip(EDGES, operations, strict=True):
            if to != node or name == "none":
                continue
            value = nodes[source]
            if name == "skip_connect":
                terms += value
            elif name == "avg_pool_3x3":
                terms += [(term, pooled + 1) for term, pooled in value]
            else:
                terms.append((len(convolutions), 0))
                convolutions.append(ConvolutionTerm(name if value else "bias", value))
        nodes.append(tuple(sorted(terms)))
    return convolutions, nodes[-1]


def _used(convolutions: Sequence[ConvolutionTerm], output: Value) -> list[int]:
    """Return the convolutions that the output depends on, in their order."""
    used = {term for term, _ in output}
    for number in reversed(range(len(convolutions))):
        if number in used:
            used |= {term for term, _ in convolutions[number].of}
    return sorted(used - {_INPUT})


def _orders(convolutions: Sequence[ConvolutionTerm], used: Sequence[int]) -> Iterator[list[int]]:
    """Yield the orders of the used convolutions in which those that look alike change places."""
    looks: dict[int, str] = {_INPUT: "x"}
    for number in used:
        name, of = convolutions[number]
        inside = sorted(f"{looks[term]}'{pooled}" for term, pooled in of)
        looks[number] = f"{name}({'+'.join(inside)})"
    alike: dict[str, list[int]] = {}
    for number in used:
        alike.setdefault(looks[number], []).append(number)
    # What another one depends on has the shorter look.
    groups = [alike[look] for look in sorted(alike, key=lambda look: (len(look), look))]
    for order in product(*map(permutations, groups)):
        yield [number for group in order for number in group]


def _text(convolutions: Sequence[ConvolutionTerm], output: Value, order: Sequence[int]) -> str:
    """Write a cell with its convolutions numbered in an order."""
    numbers = {_INPUT: "x", **{number: str(place) for place, number in enumerate(order)}}

    def written(value: Value) -> str:
        return "+".join(sorted(numbers[term] + "'" * pooled for term, pooled in value)) or "0"

    parts = [f"{convolutions[number].name}({written(convolutions[number].of)})" for number in order]
    return ";".join([*parts, written(output)])
