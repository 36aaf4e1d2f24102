"""Recurrent cells as trees (Zoph & Le 2016, sections 3.4 and 4.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from nas_gym.errors import InvalidGenotype, InvalidOption, unknown_name
from nas_gym.search_spaces.grammar import LanguageTask, Pick

COMBINATIONS = ("add", "elem_mult")
ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu")
ALL_COMBINATIONS = (*COMBINATIONS, "max")  # with those of the paper's control experiment
ALL_ACTIVATIONS = (*ACTIVATIONS, "sin")


@dataclass(frozen=True, slots=True)
class Node:
    """What a node does: combines two values elementwise, then applies a function."""

    combination: str  # one of ALL_COMBINATIONS
    activation: str  # one of ALL_ACTIVATIONS


@dataclass(frozen=True, slots=True)
class RNNCellGenotype:
    """A cell: (x_t, h_{t-1}, c_{t-1}) -> (h_t, c_t).

    With B leaves, node i < B combines ``W_i x_t`` and ``M_i h_{t-1}``; node B + k combines the
    outputs of the nodes 2k and 2k + 1; the last node's output is h_t.
    """

    nodes: tuple[Node, ...]  # 2 B - 1: the leaves, then level by level to the root
    inject: Node  # turns the output a of a node into activation(combination(a, c_{t-1}))
    cell_output: int  # the first cell index: node whose value before its activation is c_t
    cell_input: int  # the second cell index: node whose output gets c_{t-1} injected

    @property
    def base(self) -> int:
        """B, the number of leaves."""
        return (len(self.nodes) + 1) // 2

    def children(self, node: int) -> tuple[int, int]:
        """The two nodes that an inner node combines."""
        return 2 * (node - self.base), 2 * (node - self.base) + 1


def check_cell(genotype: RNNCellGenotype) -> None:
    """Raise InvalidGenotype or UnknownName where the cell cannot be built."""
    count = len(genotype.nodes)
    if count < 3 or count % 2 == 0:
        raise InvalidGenotype(
            f"a cell has {count} nodes: give 2 B - 1 of them for B >= 2 leaves (15 for 8)"
        )
    named = {f"node {i}": node for i, node in enumerate(genotype.nodes)}
    for where, node in {**named, "inject": genotype.inject}.items():
        if node.combination not in ALL_COMBINATIONS:
            raise unknown_name(f"combination in {where}", node.combination, ALL_COMBINATIONS)
        if node.activation not in ALL_ACTIVATIONS:
            raise unknown_name(f"activation in {where}", node.activation, ALL_ACTIVATIONS)
    for field in ("cell_output", "cell_input"):
        index = getattr(genotype, field)
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
            raise InvalidGenotype(f"{field} is {index!r}: give a node, 0 to {count - 1}")


def canonical_key(genotype: RNNCellGenotype) -> str:
    """A string equal for cells that differ in the order of children alone.

    Every combination commutes, so that the two children of an inner node may change places with
    all that is below them: the cells compute the same when the leaves' weights move along.
    """
    inject, base = genotype.inject, genotype.base
    keys: list[str] = []
    for i, node in enumerate(genotype.nodes):
        key = f"{node.combination} {node.activation}"
        if i >= base:
            a, b = keys[2 * (i - base)], keys[2 * (i - base) + 1]
            key = f"({a}, {b}) {key}" if a <= b else f"({b}, {a}) {key}"
        if i == genotype.cell_output:
            key += " > c"
        if i == genotype.cell_input:
            key += f" < c {inject.combination} {inject.activation}"
        keys.append(key)
    return keys[-1]


def fields_of(what: str, data: object, kind: type) -> dict[str, Any]:
    """JSON data as the fields of the dataclass ``kind``; raises InvalidGenotype."""
    names = [field.name for field in fields(kind)]
    if not isinstance(data, Mapping) or set(data) != set(names):
        raise InvalidGenotype(
            f"{what} is a JSON object with the keys {', '.join(names)}, not {data!r:.60}"
        )
    return dict(data)


def genotype_from_json(data: object) -> RNNCellGenotype:
    """The genotype in JSON data with the fields of ``RNNCellGenotype``, checked.

    Raises:
        InvalidGenotype: A part is missing or wrong.
        UnknownName: A combination or an activation that is not known.
    """
    parts = fields_of("a recurrent cell", data, RNNCellGenotype)
    if not isinstance(parts["nodes"], list | tuple):
        raise InvalidGenotype(f"'nodes' is a JSON list, not {parts['nodes']!r:.60}")
    nodes = [Node(**fields_of(f"node {i}", node, Node)) for i, node in enumerate(parts["nodes"])]
    inject = Node(**fields_of("'inject'", parts["inject"], Node))
    genotype = RNNCellGenotype(tuple(nodes), inject, parts["cell_output"], parts["cell_input"])
    check_cell(genotype)
    return genotype


@dataclass(frozen=True)
class RNNCell:
    """The space of recurrent cells: 34 tokens and 6.33e16 token lists by default.

    For every node of the tree a combination and an activation, the same for the injection of the
    cell state, then the two cell indices, each over all nodes (that is the reading of the paper
    which gives its size, "approximately 6e16").

    Args:
        base: B, leaves of the tree, >= 2 (8 in the paper).
        combinations: Names from ``ALL_COMBINATIONS``.
        activations: Names from ``ALL_ACTIVATIONS``.
    """

    base: int = 8
    combinations: tuple[str, ...] = COMBINATIONS
    activations: tuple[str, ...] = ACTIVATIONS

    static = True
    usual_evaluator = "language-model"
    usual_reward = "inverse-perplexity-squared"
    usual_recipe = "quick-text"

    def __post_init__(self) -> None:
        if not isinstance(self.base, int) or isinstance(self.base, bool) or self.base < 2:
            raise InvalidOption(f"base is {self.base!r}: give a whole number of 2 or more")
        known = {"combinations": ALL_COMBINATIONS, "activations": ALL_ACTIVATIONS}
        for field, names in known.items():
            values = tuple(getattr(self, field))
            object.__setattr__(self, field, values)  # JSON gives lists
            for value in values:
                if value not in names:
                    raise unknown_name(field.removesuffix("s"), value, names)
            if not values or len(set(values)) < len(values):
                raise InvalidOption(f"{field} is {values!r}: give at least one name, each once")

    @property
    def node_count(self) -> int:
        """Nodes of the tree."""
        return 2 * self.base - 1

    @property
    def max_length(self) -> int:
        """Two tokens a node, two for the injection, two indices."""
        return 2 * self.node_count + 4

    @property
    def max_options(self) -> int:
        """The most of: nodes, combinations, activations."""
        return max(self.node_count, len(self.combinations), len(self.activations))

    def choose(self, pick: Pick) -> RNNCellGenotype:
        """Node by node from the first leaf to the root, the injection, the two cell indices."""
        nodes = tuple([self._choose_node(pick, f"node{i}") for i in range(self.node_count)])
        inject = self._choose_node(pick, "inject")
        indices = tuple(range(self.node_count))
        return RNNCellGenotype(
            nodes, inject, pick("cell.output", indices), pick("cell.input", indices)
        )

    def _choose_node(self, pick: Pick, name: str) -> Node:
        return Node(
            pick(f"{name}.combination", self.combinations),
            pick(f"{name}.activation", self.activations),
        )

    def answers(self, genotype: RNNCellGenotype) -> dict[str, object]:
        """The option picked for each choice: what ``tokens_of`` reads."""
        named = {f"node{i}": node for i, node in enumerate(genotype.nodes)}
        answers: dict[str, object] = {
            "cell.output": genotype.cell_output, "cell.input": genotype.cell_input
        }  # fmt: skip
        for name, node in {**named, "inject": genotype.inject}.items():
            answers[f"{name}.combination"] = node.combination
            answers[f"{name}.activation"] = node.activation
        return answers

    def canonical_key(self, genotype: RNNCellGenotype) -> str:
        """Equal for cells that differ in the order of children alone."""
        return canonical_key(genotype)

    def genotype_from_json(self, data: object) -> RNNCellGenotype:
        """The genotype in JSON data, checked; raises InvalidGenotype."""
        return genotype_from_json(data)

    def build(self, genotype: RNNCellGenotype, task: LanguageTask) -> Any:
        """The language model: ``nas_gym.networks.language_model.LanguageModel``."""
        from nas_gym.networks.language_model import LanguageModel
        from nas_gym.networks.rnn_cell import TreeLayer

        return LanguageModel(task, lambda inputs, units: TreeLayer(genotype, inputs, units))


# Section 5.2's control experiment: two more functions to choose from.
CONTROL = RNNCell(combinations=ALL_COMBINATIONS, activations=ALL_ACTIVATIONS)
PRESETS = {"control": CONTROL}
