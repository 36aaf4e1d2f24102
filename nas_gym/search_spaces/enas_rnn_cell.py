"""ENAS's recurrent cells: a chain of nodes that each read an earlier one (Pham et al. 2018)."""

from dataclasses import dataclass
from math import factorial
from typing import Any

from nas_gym.errors import InvalidGenotype, InvalidOption, unknown_name
from nas_gym.search_spaces.grammar import LanguageTask, Pick
from nas_gym.search_spaces.rnn_cell import ALL_ACTIVATIONS, fields_of

ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")


@dataclass(frozen=True, slots=True)
class ENASNode:
    """A node: reads an earlier node's output and applies a function, inside a highway gate."""

    previous: int  # node that it reads, from 0; -1 of the first, which reads x_t and h_{t-1}
    activation: str  # one of ALL_ACTIVATIONS


@dataclass(frozen=True, slots=True)
class ENASRNNCellGenotype:
    """A cell: (x_t, h_{t-1}) -> h_t, the mean of the outputs that no node reads."""

    nodes: tuple[ENASNode, ...]  # at least one


def check_cell(genotype: ENASRNNCellGenotype) -> None:
    """Raise InvalidGenotype or UnknownName where the cell cannot be built."""
    if not genotype.nodes:
        raise InvalidGenotype("a cell has no nodes: give at least one")
    for i, node in enumerate(genotype.nodes):
        previous = node.previous
        allowed = range(i) if i else (-1,)
        if type(previous) is not int or previous not in allowed:
            expected = f"an earlier node, 0 to {i - 1}" if i else "-1: it reads x_t and h_{t-1}"
            raise InvalidGenotype(f"node {i} reads {previous!r}: expected {expected}")
        if node.activation not in ALL_ACTIVATIONS:
            raise unknown_name(f"activation in node {i}", node.activation, ALL_ACTIVATIONS)


def canonical_key(genotype: ENASRNNCellGenotype) -> str:
    """A string equal for cells that differ in the numbers of their nodes alone.

    Who reads whom makes a tree with node 0 at its root; this is the name of that tree without
    numbers (Aho, Hopcroft & Ullman 1974, on isomorphism of trees).
    """
    below: list[list[str]] = [[] for _ in genotype.nodes]  # keys of the nodes that read each
    for i in range(len(genotype.nodes) - 1, -1, -1):
        node = genotype.nodes[i]
        key = f"{node.activation}({', '.join(sorted(below[i]))})" if below[i] else node.activation
        if i:
            below[node.previous].append(key)
    return key


def genotype_from_json(data: object) -> ENASRNNCellGenotype:
    """The genotype in JSON data with the fields of ``ENASRNNCellGenotype``, checked.

    Raises:
        InvalidGenotype: A part is missing or wrong.
        UnknownName: An activation that is not known.
    """
    nodes = fields_of("an ENAS cell", data, ENASRNNCellGenotype)["nodes"]
    if not isinstance(nodes, list | tuple):
        raise InvalidGenotype(f"'nodes' is a JSON list, not {nodes!r:.60}")
    genotype = ENASRNNCellGenotype(
        tuple([ENASNode(**fields_of(f"node {i}", node, ENASNode)) for i, node in enumerate(nodes)])
    )
    check_cell(genotype)
    return genotype


@dataclass(frozen=True)
class ENASRNNCell:
    """ENAS's space of recurrent cells: 23 tokens and 6.7e14 token lists by default.

    Args:
        nodes: N, >= 1 (12 in the paper).
        activations: Names from ``nas_gym.search_spaces.rnn_cell.ALL_ACTIVATIONS``.
    """

    nodes: int = 12
    activations: tuple[str, ...] = ACTIVATIONS

    static = True
    usual_evaluator = "language-model"
    usual_reward = "inverse-perplexity"
    usual_recipe = "quick-text"

    def __post_init__(self) -> None:
        if not isinstance(self.nodes, int) or isinstance(self.nodes, bool) or self.nodes < 1:
            raise InvalidOption(f"nodes is {self.nodes!r}: give a whole number of 1 or more")
        values = tuple(self.activations)
        object.__setattr__(self, "activations", values)  # JSON gives lists
        for value in values:
            if value not in ALL_ACTIVATIONS:
                raise unknown_name("activation", value, ALL_ACTIVATIONS)
        if not values or len(set(values)) < len(values):
            raise InvalidOption(f"activations is {values!r}: give at least one name, each once")

    @property
    def max_length(self) -> int:
        """One activation a node, and what it reads for all but the first."""
        return 2 * self.nodes - 1

    @property
    def max_options(self) -> int:
        """The most of: earlier nodes, activations."""
        return max(self.nodes - 1, len(self.activations))

    @property
    def size(self) -> int:
        """How many token lists there are."""
        return int(len(self.activations) ** self.nodes * factorial(self.nodes - 1))

    def choose(self, pick: Pick) -> ENASRNNCellGenotype:
        """Node by node: what it reads, then its activation."""
        return ENASRNNCellGenotype(
            tuple(
                [
                    ENASNode(
                        pick(f"node{i}.previous", tuple(range(i))) if i else -1,
                        pick(f"node{i}.activation", self.activations),
                    )
                    for i in range(self.nodes)
                ]
            )
        )

    def answers(self, genotype: ENASRNNCellGenotype) -> dict[str, object]:
        """The option picked for each choice: what ``tokens_of`` reads."""
        answers: dict[str, object] = {}
        for i, node in enumerate(genotype.nodes):
            answers[f"node{i}.previous"] = node.previous
            answers[f"node{i}.activation"] = node.activation
        return answers

    def canonical_key(self, genotype: ENASRNNCellGenotype) -> str:
        """Equal for cells that differ in the numbers of their nodes alone."""
        return canonical_key(genotype)

    def genotype_from_json(self, data: object) -> ENASRNNCellGenotype:
        """The genotype in JSON data, checked; raises InvalidGenotype."""
        return genotype_from_json(data)

    def build(self, genotype: ENASRNNCellGenotype, task: LanguageTask) -> Any:
        """The language model: ``nas_gym.networks.language_model.LanguageModel``."""
        from nas_gym.networks.enas_rnn_cell import ENASLayer
        from nas_gym.networks.language_model import LanguageModel

        return LanguageModel(task, lambda inputs, units: ENASLayer(genotype, inputs, units))
