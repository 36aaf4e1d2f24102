"""ENAS's recurrent cells: a chain of nodes that each read an earlier one (Pham et al. 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval, MinLen

from nas_gym.networks.task import LanguageTask
from nas_gym.networks.task_kinds import TEXT
from nas_gym.options import EachOnce, OneOf, Options
from nas_gym.search_spaces.enas_rnn_cell.genotype import (
    ACTIVATIONS,
    MOST_NODES,
    ENASNode,
    ENASRNNCellGenotype,
    canonical_key,
    genotype_from_json,
)
from nas_gym.search_spaces.grammar import Pick, Picked
from nas_gym.search_spaces.rnn_cell.genotype import ALL_ACTIVATIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Activations = Annotated[tuple[Annotated[str, OneOf(ALL_ACTIVATIONS)], ...], MinLen(1), EachOnce]


@dataclass(frozen=True)
class ENASRNNCell(Options):
    """ENAS's space of recurrent cells: 23 tokens and 6.7e14 token lists by default.

    Args:
        nodes: N, 1 to 200 (12 in the paper).
        activations: Names from ``nas_gym.search_spaces.rnn_cell.genotype.ALL_ACTIVATIONS``.
    """

    nodes: Annotated[int, Interval(ge=1, le=MOST_NODES)] = 12
    activations: _Activations = ACTIVATIONS

    static = True
    usual_evaluator = "language-model"
    usual_reward = "inverse-perplexity"
    usual_recipe = "quick-text"
    usual_task = TEXT.usual

    @property
    def max_length(self) -> int:
        """One activation per node, and what it reads for all but the first."""
        return 2 * self.nodes - 1

    @property
    def max_options(self) -> int:
        """The most of: earlier nodes, activations."""
        return max(self.nodes - 1, len(self.activations))

    @property
    def size(self) -> int:
        """The number of token lists."""
        return int(len(self.activations) ** self.nodes * factorial(self.nodes - 1))

    def choose(self, pick: Pick) -> ENASRNNCellGenotype:
        """Choose node by node: what it reads, then its activation."""
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
        """Return the option picked for each choice, which ``tokens_of`` reads."""
        answers: dict[str, object] = {}
        for i, node in enumerate(genotype.nodes):
            answers[f"node{i}.previous"] = node.previous
            answers[f"node{i}.activation"] = node.activation
        return answers

    def canonical_key(self, genotype: ENASRNNCellGenotype) -> str:
        """Return a key equal for cells that differ only in the numbers of their nodes."""
        return canonical_key(genotype)

    def genotype_from_json(self, data: object) -> ENASRNNCellGenotype:
        """Return the genotype in JSON data, checked; raises InvalidGenotype."""
        return genotype_from_json(data)

    def build(self, genotype: ENASRNNCellGenotype, task: LanguageTask) -> Any:
        """Build the language model: ``nas_gym.networks.language_model.LanguageModel``."""
        from nas_gym.networks.language_model import LanguageModel
        from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer

        return LanguageModel(task, lambda inputs, units: ENASLayer(genotype, inputs, units))

    def supernet(self, task: LanguageTask, seed: int = 0) -> Any:
        """Make weights that all cells share: ``enas_rnn_cell.supernet.ENASSupernet``."""
        from nas_gym.search_spaces.enas_rnn_cell.supernet import ENASSupernet

        return ENASSupernet(self, task, seed)

    def cost_states(self, task: LanguageTask, metrics: Sequence[str]) -> Any:
        """Say how costs add up: cells of as many units cost the same."""
        from nas_gym.search_spaces.limits.same import SameCosts

        return SameCosts(self, task, metrics)

    def draw(self, genotype: ENASRNNCellGenotype, title: str | None = None) -> "Figure":
        """Draw the finished architecture."""
        from nas_gym.search_spaces.enas_rnn_cell.drawing import draw_chain

        return draw_chain(genotype.nodes, title=title)

    def to_source(self, genotype: ENASRNNCellGenotype, task: LanguageTask) -> Any:
        """Write the network as plain PyTorch: a ``nas_gym.networks.source.Source``."""
        from nas_gym.search_spaces.enas_rnn_cell.source import source

        return source(genotype, task)

    def to_text(self, genotype: ENASRNNCellGenotype) -> str:
        """Write the finished architecture in words."""
        from nas_gym.search_spaces.enas_rnn_cell.drawing import chain_as_text

        return chain_as_text(genotype)

    def draw_begun(self, picked: Picked, title: str | None) -> "Figure":
        """Draw the nodes of which everything is chosen."""
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
