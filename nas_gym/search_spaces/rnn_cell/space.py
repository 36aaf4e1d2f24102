"""Recurrent cells as trees (Zoph & Le 2016, sections 3.4 and 4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval, MinLen

from nas_gym.networks.task import LanguageTask
from nas_gym.networks.task_kinds import TEXT
from nas_gym.options import EachOnce, OneOf, Options
from nas_gym.search_spaces.grammar import Pick, Picked
from nas_gym.search_spaces.rnn_cell.genotype import (
    ACTIVATIONS,
    ALL_ACTIVATIONS,
    ALL_COMBINATIONS,
    COMBINATIONS,
    MOST_LEAVES,
    Node,
    RNNCellGenotype,
    canonical_key,
    genotype_from_json,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Combinations = Annotated[tuple[Annotated[str, OneOf(ALL_COMBINATIONS)], ...], MinLen(1), EachOnce]
_Activations = Annotated[tuple[Annotated[str, OneOf(ALL_ACTIVATIONS)], ...], MinLen(1), EachOnce]


@dataclass(frozen=True)
class RNNCell(Options):
    """The space of recurrent cells: 34 tokens and 6.33e16 token lists by default.

    Chosen are a combination and an activation for every node of the tree, the same for the
    injection of the cell state, then the two cell indices, each over all nodes (that is the reading
    of the paper which gives its size, "approximately 6e16").

    Args:
        base: B, leaves of the tree, 2 to 128 (8 in the paper).
        combinations: Names from ``ALL_COMBINATIONS``.
        activations: Names from ``ALL_ACTIVATIONS``.
    """

    base: Annotated[int, Interval(ge=2, le=MOST_LEAVES)] = 8
    combinations: _Combinations = COMBINATIONS
    activations: _Activations = ACTIVATIONS

    static = True
    usual_evaluator = "language-model"
    usual_reward = "inverse-perplexity-squared"
    usual_recipe = "quick-text"
    usual_task = TEXT.usual

    @property
    def node_count(self) -> int:
        """The number of nodes of the tree."""
        return 2 * self.base - 1

    @property
    def max_length(self) -> int:
        """Two tokens per node, two for the injection, two indices."""
        return 2 * self.node_count + 4

    @property
    def max_options(self) -> int:
        """The most of: nodes, combinations, activations."""
        return max(self.node_count, len(self.combinations), len(self.activations))

    def choose(self, pick: Pick) -> RNNCellGenotype:
        """Choose the nodes from the first leaf to the root, the injection, the two cell indices."""
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
        """Return the option picked for each choice, which ``tokens_of`` reads."""
        named = {f"node{i}": node for i, node in enumerate(genotype.nodes)}
        answers: dict[str, object] = {
            "cell.output": genotype.cell_output, "cell.input": genotype.cell_input
        }  # fmt: skip
        for name, node in {**named, "inject": genotype.inject}.items():
            answers[f"{name}.combination"] = node.combination
            answers[f"{name}.activation"] = node.activation
        return answers

    def canonical_key(self, genotype: RNNCellGenotype) -> str:
        """Return a key equal for cells that differ only in the order of children."""
        return canonical_key(genotype)

    def genotype_from_json(self, data: object) -> RNNCellGenotype:
        """Return the genotype in JSON data, checked; raises InvalidGenotype."""
        return genotype_from_json(data)

    def build(self, genotype: RNNCellGenotype, task: LanguageTask) -> Any:
        """Build the language model: ``nas_gym.networks.language_model.LanguageModel``."""
        from nas_gym.networks.language_model import LanguageModel
        from nas_gym.search_spaces.rnn_cell.network import TreeLayer

        return LanguageModel(task, lambda inputs, units: TreeLayer(genotype, inputs, units))

    def cost_states(self, task: LanguageTask, metrics: Sequence[str]) -> Any:
        """Say how costs add up: cells of as many units cost the same."""
        from nas_gym.search_spaces.limits.same import SameCosts

        return SameCosts(self, task, metrics)

    def draw(self, genotype: RNNCellGenotype, title: str | None = None) -> "Figure":
        """Draw the finished architecture."""
        from nas_gym.search_spaces.rnn_cell.drawing import draw_tree

        return draw_tree(genotype, title=title)

    def to_source(self, genotype: RNNCellGenotype, task: LanguageTask) -> Any:
        """Write the network as plain PyTorch: a ``nas_gym.networks.source.Source``."""
        from nas_gym.search_spaces.rnn_cell.source import source

        return source(genotype, task)

    def to_text(self, genotype: RNNCellGenotype) -> str:
        """Write the finished architecture in words."""
        from nas_gym.search_spaces.rnn_cell.drawing import tree_as_text

        return tree_as_text(genotype)

    def draw_begun(self, picked: Picked, title: str | None) -> "Figure":
        """Draw the whole tree; what is open is pale."""
        from nas_gym.search_spaces.rnn_cell.drawing import (
            PartialNode,
            PartialTree,
            draw_unfinished_tree,
        )

        def node(name: str) -> PartialNode:
            return PartialNode(picked.get(f"{name}.combination"), picked.get(f"{name}.activation"))

        nodes = tuple(node(f"node{i}") for i in range(self.node_count))
        tree = PartialTree(
            nodes, node("inject"), picked.get("cell.output"), picked.get("cell.input")
        )
        return draw_unfinished_tree(tree, title=title)

    @property
    def frame_size(self) -> tuple[float, float]:
        """Width and height of ``draw_begun``'s pictures, in inches."""
        from nas_gym.search_spaces.rnn_cell.drawing import figure_size

        return figure_size(self.base)


# Section 5.2's control experiment: two more functions to choose from.
CONTROL = RNNCell(combinations=ALL_COMBINATIONS, activations=ALL_ACTIVATIONS)
PRESETS = {"control": CONTROL}
