"""ENAS's recurrent cells: a chain of nodes that each read an earlier one (Pham et al. 2018)."""

from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.networks.task import LanguageTask
from nas_gym.networks.task_kinds import TEXT
from nas_gym.search_spaces.enas_rnn_cell.genotype import (
    ACTIVATIONS,
    ENASNode,
    ENASRNNCellGenotype,
    canonical_key,
    genotype_from_json,
)
from nas_gym.search_spaces.grammar import Pick, Picked
from nas_gym.search_spaces.rnn_cell.genotype import ALL_ACTIVATIONS


@dataclass(frozen=True)
class ENASRNNCell:
    """ENAS's space of recurrent cells: 23 tokens and 6.7e14 token lists by default.

    Args:
        nodes: N, >= 1 (12 in the paper).
        activations: Names from ``nas_gym.search_spaces.rnn_cell.genotype.ALL_ACTIVATIONS``.
    """

    nodes: int = 12
    activations: tuple[str, ...] = ACTIVATIONS

    static = True
    usual_evaluator = "language-model"
    usual_reward = "inverse-perplexity"
    usual_recipe = "quick-text"
    usual_task = TEXT.usual

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
        from nas_gym.networks.language_model import LanguageModel
        from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer

        return LanguageModel(task, lambda inputs, units: ENASLayer(genotype, inputs, units))

    def draw(self, genotype: ENASRNNCellGenotype, title: str | None = None) -> "Figure":
        """Draw the finished architecture."""
        from nas_gym.search_spaces.enas_rnn_cell.drawing import draw_chain

        return draw_chain(genotype.nodes, title=title)

    def to_text(self, genotype: ENASRNNCellGenotype) -> str:
        """Write the finished architecture in words."""
        from nas_gym.search_spaces.enas_rnn_cell.drawing import chain_as_text

        return chain_as_text(genotype)

    def draw_begun(self, picked: Picked, title: str | None) -> "Figure":
        """The nodes of which everything is chosen."""
        from nas_gym.search_spaces.enas_rnn_cell.drawing import draw_chain

        chosen = [i for i in range(self.nodes) if f"node{i}.activation" in picked]
        nodes = [
            ENASNode(picked.get(f"node{i}.previous", -1), picked[f"node{i}.activation"])
            for i in chosen
        ]
        return draw_chain(nodes, room=self.nodes, title=title)

    @property
    def frame_size(self) -> tuple[float, float]:
        """Width and height of ``draw_begun``'s pictures, in inches."""
        from nas_gym.search_spaces.enas_rnn_cell.drawing import figure_size

        return figure_size(self.nodes)
