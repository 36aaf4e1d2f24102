"""The graph that a search space of the user's says an architecture is, checked."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError
from typing import Any, NamedTuple, NoReturn

from nas_gym.drawing.layered import is_small
from nas_gym.errors import InvalidSpace
from nas_gym.options.printable import shown


class Graph(NamedTuple):
    """What is to be drawn of an architecture."""

    labels: tuple[str, ...]  # one per node
    inputs: tuple[tuple[int, ...], ...]  # the nodes that each node reads, each once; no cycle


def graph_of(space: Any, genotype: Any) -> Graph | None:
    """Return what the space's ``graph(genotype)`` says; None if it has none, or a large one.

    Raises:
        InvalidSpace: It is no mapping from each node's name to its words and the names of the nodes
            that it reads, it names a node that is not there, or it goes in a circle.
    """
    told = getattr(space, "graph", None)
    if told is None:
        return None
    nodes, where = told(genotype), f"{type(space).__name__}.graph"
    if not isinstance(nodes, Mapping) or not nodes:
        _refuse(
            where, shown(nodes), "at least one node: {name: (words, names of the nodes it reads)}"
        )
    numbers = {name: number for number, name in enumerate(nodes)}
    labels, inputs = [], []
    for name, node in nodes.items():
        words, read = _parts(where, name, node)
        unknown = [each for each in read if not _is_in(each, numbers)]
        if unknown:
            what = f"{shown(unknown[0])} among the inputs of {shown(name)}"
            _refuse(where, what, "names of nodes")
        labels.append(str(words))
        inputs.append(tuple(dict.fromkeys(numbers[each] for each in read)))
    try:
        small = is_small(inputs)
    except CycleError as error:
        names = list(nodes)
        circle = [names[number] for number in error.args[1]]
        _refuse(
            where, f"the circle {shown(circle)}", "nodes that do not read each other in a circle"
        )
    return Graph(tuple(labels), tuple(inputs)) if small else None


def _parts(where: str, name: object, node: Any) -> tuple[object, list[Any]]:
    """Return the words and the inputs of a node."""
    words, read = node if isinstance(node, tuple | list) and len(node) == 2 else (None, None)
    if not isinstance(read, Iterable) or isinstance(read, str | bytes):
        what = f"{shown(node)} for node {shown(name)}"
        _refuse(where, what, "a pair: its words, and a tuple of the names of nodes that it reads")
    return words, list(read)


def _is_in(name: Any, numbers: Mapping[Any, int]) -> bool:
    try:
        return name in numbers
    except TypeError:  # a list, for example
        return False


def _refuse(where: str, given: str, expected: str) -> NoReturn:
    raise InvalidSpace(f"{where} returned {given}: expected {expected}")
