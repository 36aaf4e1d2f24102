"""Graphs that spaces of the user's say: every node drawn once, every edge forward, or a table."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import nas_gym
from nas_gym.drawing import save
from nas_gym.drawing.graph import LONGEST, draw_graph
from nas_gym.drawing.layered import (
    MOST_LINKS,
    MOST_NODES,
    Item,
    Link,
    crossings,
    links_of,
    ordered,
    rows_of,
    rows_of_nodes,
)
from nas_gym.errors import InvalidSpace
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.models.architectures import Found
from nas_gym.runs.export import write_files
from nas_gym.runs.findings import Findings
from nas_gym.search_spaces.grammar import Pick
from nas_gym.search_spaces.rendering import draw_genotype
from nas_gym.store import load_run

Look = Callable[..., Any]  # a helper of tests/search_spaces/conftest.py
Inputs = list[tuple[int, ...]]


def random_graph(seed: int, nodes: int = 14) -> Inputs:
    """Nodes that read some of the earlier ones, numbered in any order."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(nodes)
    inputs: Inputs = [() for _ in range(nodes)]
    for index, node in enumerate(places):
        read = rng.random(index) < 2.0 / max(2, index)
        inputs[node] = tuple(int(other) for other in places[:index][read])
    return inputs


def dense(nodes: int) -> Inputs:
    return [tuple(range(node)) for node in range(nodes)]


GRAPHS = {
    "one node": [()],
    "chain": [(), (0,), (1,), (2,)],
    "star": [(), *[(0,)] * 30, tuple(range(1, 31))],
    "dense": dense(9),
    "two parts": [(), (0,), (), (2,)],
    **{f"random {seed}": random_graph(seed) for seed in range(6)},
}


@pytest.mark.few(5)
@pytest.mark.parametrize("name", GRAPHS)
def test_each_node_is_drawn_once_and_each_edge_has_an_arrow(
    name: str, texts: Look, arrows: Look, check_boxes: Look, check_labels: Look
) -> None:
    inputs = GRAPHS[name]
    labels = [f"conv {node}" for node in range(len(inputs))]
    figure = draw_graph(labels, inputs, title="mine")
    assert sorted(texts(figure)) == sorted([*labels, "mine"])
    assert arrows(figure) == sum(map(len, inputs))
    check_boxes(figure)
    check_labels(figure)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_edge_goes_up_and_passes_every_row_between(name: str) -> None:
    inputs = GRAPHS[name]
    born, reach = rows_of_nodes(inputs)
    assert all(born[read] < born[node] for node in range(len(inputs)) for read in inputs[node])
    rows = rows_of(born, reach)
    links = links_of(rows, inputs)
    ends = set()
    for row, between in enumerate(links):
        for lower, upper, port in between:
            assert lower in rows[row]
            assert upper in rows[row + 1]
            if port is None:
                assert (upper.node, upper.passing) == (lower.node, True)
            else:
                assert inputs[upper.node][port] == lower.node
                ends.add((lower.node, upper.node))
    assert ends == {(read, node) for node in range(len(inputs)) for read in inputs[node]}
    assert sorted(item.node for row in rows for item in row if not item.passing) == [
        *range(len(inputs))
    ]
    sorted_rows = ordered(rows, links)
    assert [sorted(row) for row in sorted_rows] == [sorted(row) for row in rows]
    assert crossings(sorted_rows, links) <= crossings(rows, links)


@pytest.mark.parametrize("seed", range(4))
def test_crossings_are_those_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [[Item(node, passing=False) for node in range(6)] for _ in range(2)]
    drawn = rng.integers(0, 6, (12, 2))
    links = [Link(rows[0][a], rows[1][b], 0) for a, b in drawn]
    pairs = combinations(drawn.tolist(), 2)
    assert crossings(rows, [links]) == sum((a - c) * (b - d) < 0 for (a, b), (c, d) in pairs)


def test_what_reads_nothing_stands_below_its_first_reader() -> None:
    born, reach = rows_of_nodes([(), (0,), (1,), (2, 4), ()])
    assert born == [0, 1, 2, 3, 2]
    assert reach == [1, 2, 3, 3, 3]


def test_no_edge_goes_through_a_box() -> None:
    figure = draw_graph([f"conv {node}" for node in range(9)], dense(9))
    boxes = [p.get_extents() for p in figure.axes[0].patches]
    lines = [
        path.interpolated(20).vertices
        for collection in figure.axes[0].collections
        for path in collection.get_paths()
        if len(path.vertices) == 5  # a bend, and straight on beside a box
    ]
    assert lines
    for line in lines:
        (x, low), (_, high) = line[-21], line[-1]
        for box in boxes:
            box = box.transformed(figure.axes[0].transData.inverted())
            if box.y0 < high and box.y1 > low:
                assert not box.x0 < x < box.x1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Glyph")  # the font has not every letter
def test_labels_are_shortened_and_no_markup(
    tmp_path: Path, texts: Look, check_labels: Look
) -> None:
    labels = [
        "x" * 500,
        "$\\frac{1}{2}$",
        "</text><script>a</script> -->",
        "a\nb\x1b[2J",
        "漢" * 40,
        "",
    ]
    figure = draw_graph(labels, [(), *[(0,)] * 5])
    shown = texts(figure)
    assert max(map(len, shown)) == LONGEST
    assert "a b\\x1b[2J" in shown
    assert "$\\frac{1}{2}$" in shown
    check_labels(draw_graph(labels[:4], [(), *[(0,)] * 3]))
    root = ElementTree.parse(save(figure, tmp_path / "it.svg")).getroot()
    assert not [each for each in root.iter() if each.tag.endswith("script")]


# ---------------------------------------------------------------- said by a space


@dataclass(frozen=True)
class GraphChain:
    """Layers, each of which may read the image once more; says its graph."""

    depth: int = 3
    max_options: int = 2

    @property
    def max_length(self) -> int:
        return 2 * self.depth

    def choose(self, pick: Pick, /) -> tuple[tuple[int, bool], ...]:
        return tuple(
            (pick(f"layer{i}.kernel", (3, 5)), pick(f"layer{i}.skip", (False, True)))
            for i in range(self.depth)
        )

    def graph(self, genotype: tuple[tuple[int, bool], ...]) -> dict[Any, Any]:
        nodes: dict[Any, Any] = {"image": ("image", ())}
        for i, (kernel, skip) in enumerate(genotype):
            before = i - 1 if i else "image"
            nodes[i] = (f"conv {kernel}x{kernel}", (before, "image") if skip else (before,))
        return nodes


def test_a_space_that_says_its_graph_is_drawn_so(texts: Look, arrows: Look) -> None:
    figure = draw_genotype(GraphChain(), (0, 1, 1, 0, 1, 1), title="mine")
    assert sorted(texts(figure)) == ["conv 3x3", "conv 5x5", "conv 5x5", "image", "mine"]
    assert arrows(figure) == 4  # layer 0 reads the image once, whatever was picked
    space: Any = GraphChain()
    found = Found(((3, False), (3, False), (3, True)), space)
    assert texts(found.drawn()).count("conv 3x3") == 3  # without tokens


def test_its_drawing_stands_in_the_report(tmp_path: Path) -> None:
    space, store = GraphChain(), tmp_path / "store.sqlite"
    nas_gym.search(space, Landscape(space), "random-search", budget=1, run="it", store=store)
    found = Findings.of(load_run("it", store), trust=(__name__,))
    write_files(found, tmp_path / "out")
    drawn = (tmp_path / "out" / "best-1.svg").read_text(encoding="utf-8")
    assert "<!-- image -->" in drawn  # matplotlib's comment at the letters
    assert "layer0" not in drawn


@pytest.mark.parametrize("nodes", [MOST_NODES + 1, 40])
def test_a_large_graph_is_left_to_the_table(
    nodes: int, texts: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = [(n - 1,) if n else () for n in range(nodes)] if nodes > MOST_NODES else dense(nodes)
    assert nodes > MOST_NODES or nodes * (nodes - 1) > MOST_LINKS
    large = {n: ("conv", inputs) for n, inputs in enumerate(read)}
    monkeypatch.setattr(GraphChain, "graph", lambda self, genotype: large)
    assert "layer0.kernel" in texts(draw_genotype(GraphChain(), (0,) * 6))


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], r"returned \[\]: expected at least one node"),
        ({}, r"returned \{\}: expected at least one node"),
        (None, "returned None: expected at least one node"),
        ({"a": "conv"}, "returned 'conv' for node 'a': expected a pair: its words"),
        ({"a": ("conv", "image")}, "expected a pair: its words, and a tuple"),
        ({"a": ("conv", 3)}, "expected a pair"),
        ({"a": ("conv", (), 1)}, "expected a pair"),
        ({"a": ("conv", ("b",))}, "'b' among the inputs of 'a': expected names of nodes"),
        ({"a": ("conv", ([],))}, r"\[\] among the inputs of 'a'"),
        ({"a": ("conv", ("a",))}, r"returned the circle \['a', 'a'\]"),
        (
            {"a": ("x", ("b",)), "b": ("y", ("a",))},
            r"returned the circle \['[ab]', '[ab]', '[ab]'\]",
        ),
    ],
)
def test_what_is_no_graph_is_refused_in_a_sentence(
    nodes: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GraphChain, "graph", lambda self, genotype: nodes)
    with pytest.raises(InvalidSpace, match=said):
        draw_genotype(GraphChain(), (0,) * 6)
