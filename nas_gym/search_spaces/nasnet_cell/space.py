"""NASNet's search space: a normal and a reduction cell (Zoph et al. 2017, 3.2, appendix A)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval, MinLen

from nas_gym.networks.task import Task
from nas_gym.networks.task_kinds import IMAGES
from nas_gym.options import EachOnce, OneOf, Options
from nas_gym.search_spaces.grammar import Pick, Picked
from nas_gym.search_spaces.nasnet_cell.canonical import canonical_cell, canonical_key
from nas_gym.search_spaces.nasnet_cell.genotype import (
    AMOEBANET_OPERATIONS,
    CELLS,
    COMBINES,
    CONCATS,
    ENAS_OPERATIONS,
    MOST_BLOCKS,
    NASNET_OPERATIONS,
    OPERATIONS,
    Block,
    Cell,
    CellGenotype,
    concat_by_rule,
    genotype_from_json,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_Operations = Annotated[tuple[Annotated[str, OneOf(OPERATIONS)], ...], MinLen(1), EachOnce]
_Combines = Annotated[tuple[Annotated[str, OneOf(COMBINES)], ...], MinLen(1), EachOnce]
_CellPicks = tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]  # per block: names, states


@dataclass(frozen=True)
class NASNetCell(Options):
    """The space of NASNet cells; 50 tokens and 5.23e36 token lists by default.

    Args:
        blocks: Blocks per cell, B; 1 to 50 (5 in the paper).
        operations: Names from ``OPERATIONS``.
        combines: ``("add", "concat")`` (NASNet) or ``("add",)`` (Real et al., ENAS), which takes no
            token.
        concat: What a cell outputs: ``"unused"``, the block outputs that no block of the cell
            uses (Zoph et al. 2017, section 3.2, step 5), or ``"all"`` block outputs (as DARTS).
    """

    blocks: Annotated[int, Interval(ge=1, le=MOST_BLOCKS)] = 5
    operations: _Operations = NASNET_OPERATIONS
    combines: _Combines = COMBINES
    concat: Annotated[str, OneOf(CONCATS)] = "unused"

    static = True
    stems = ("cifar", "imagenet", "pooled")
    drops_paths = True
    usual_task = IMAGES.usual  # NASNet-A for CIFAR-10
    proxy_task = Task(channels=3, height=32, width=32, classes=10)  # N = 1, F = 8: seconds less
    mutation_groups = (
        ("input_a", "input_b"),
        ("operation_a", "operation_b"),
        ("combine",),
    )

    @property
    def max_length(self) -> int:
        """Five tokens per block and two cells; four if there is only one way to combine."""
        return 2 * self.blocks * (5 if len(self.combines) > 1 else 4)

    @property
    def max_options(self) -> int:
        """The largest of: operations, hidden states of the last block, ways to combine."""
        return max(len(self.operations), self.blocks + 1, len(self.combines))

    @cached_property
    def _picks(self) -> tuple[_CellPicks, ...]:
        """Names and hidden states of each block, made once: ``choose`` runs for every child."""
        return tuple(
            tuple(
                (tuple(f"{cell}.block{b}.{f}" for f in Block._fields), tuple(range(2 + b)))
                for b in range(self.blocks)
            )
            for cell in CELLS
        )

    def choose(self, pick: Pick) -> CellGenotype:
        """Choose the normal cell, then the reduction; per block inputs, operations, combine."""
        return CellGenotype(*(self._choose_cell(pick, cell) for cell in self._picks))

    def _choose_cell(self, pick: Pick, picks: _CellPicks) -> Cell:
        operations, combines = self.operations, self.combines
        only = combines[0] if len(combines) == 1 else None
        blocks = tuple(
            [
                Block(
                    pick(input_a, states),
                    pick(input_b, states),
                    pick(operation_a, operations),
                    pick(operation_b, operations),
                    only or pick(combine, combines),
                )
                for (input_a, input_b, operation_a, operation_b, combine), states in picks
            ]
        )
        return Cell(blocks, concat_by_rule(blocks, self.concat))

    def answers(self, genotype: CellGenotype) -> dict[str, object]:
        """Return the option picked for each choice, which ``tokens_of`` reads."""
        return {
            f"{name}.block{b}.{field}": value
            for name, cell in zip(CELLS, genotype, strict=True)
            for b, block in enumerate(cell.blocks)
            for field, value in block._asdict().items()
        }

    def canonical_key(self, genotype: CellGenotype) -> str:
        """Return a key equal for genotypes that differ only in names: see ``canonical_cell``."""
        return canonical_key(genotype)

    def canonical(self, genotype: CellGenotype) -> CellGenotype:
        """Return the canonical form: one for all genotypes with the same key."""
        return CellGenotype(*(canonical_cell(cell).cell for cell in genotype))

    def genotype_from_json(self, data: object) -> CellGenotype:
        """Return the genotype in JSON data, checked; raises InvalidGenotype."""
        return genotype_from_json(data)

    def build(self, genotype: CellGenotype, task: Task) -> Any:
        """Build the network of Zoph et al. 2017, figure 2: ``nasnet_cell.network.NASNet``."""
        from nas_gym.search_spaces.nasnet_cell.network import NASNet

        return NASNet(genotype, task)

    def cost_states(self, task: Task, metrics: Sequence[str]) -> Any:
        """Say how costs add up: ``nasnet_cell.costs.NASNetCosts``."""
        from nas_gym.search_spaces.nasnet_cell.costs import NASNetCosts

        return NASNetCosts(self, task, metrics)

    def supernet(self, task: Task, seed: int = 0, by_input: bool = False) -> Any:
        """Make weights that all cells share: ``nasnet_cell.supernet.NASNetSupernet``."""
        from nas_gym.search_spaces.nasnet_cell.supernet import NASNetSupernet

        return NASNetSupernet(self, task, seed, by_input)

    def draw(self, genotype: CellGenotype, title: str | None = None) -> "Figure":
        """Draw the finished architecture."""
        from nas_gym.search_spaces.nasnet_cell.drawing import draw_cells

        return draw_cells(genotype, title=title)

    def to_source(self, genotype: CellGenotype, task: Task) -> Any:
        """Write the network as plain PyTorch: a ``nas_gym.networks.source.Source``."""
        from nas_gym.search_spaces.nasnet_cell.source import source

        return source(genotype, task)

    def to_text(self, genotype: CellGenotype) -> str:
        """Write the finished architecture in words."""
        from nas_gym.search_spaces.nasnet_cell.drawing import cells_as_text

        return cells_as_text(genotype)

    def draw_begun(self, picked: Picked, title: str | None) -> "Figure":
        """Draw the finished blocks; a cell has its output when all its blocks are finished."""
        from nas_gym.search_spaces.nasnet_cell.drawing import draw_unfinished_cells

        if len(self.combines) == 1:
            combines = {f"{c}.block{b}.combine" for c in CELLS for b in range(self.blocks)}
            picked = {**picked, **dict.fromkeys(combines, self.combines[0])}
        begun = []
        for cell in CELLS:
            blocks: list[Block] = []
            for b in range(self.blocks):
                names = [f"{cell}.block{b}.{field}" for field in Block._fields]
                if all(name in picked for name in names):
                    blocks.append(Block(*(picked[name] for name in names)))
            concat = concat_by_rule(blocks, self.concat) if len(blocks) == self.blocks else ()
            begun.append(Cell(tuple(blocks), concat))
        return draw_unfinished_cells(CellGenotype(*begun), blocks=self.blocks, title=title)

    @property
    def frame_size(self) -> tuple[float, float]:
        """Width and height of ``draw_begun``'s pictures, in inches."""
        from nas_gym.search_spaces.nasnet_cell.drawing import figure_size

        return figure_size(self.blocks)


# The spaces of two papers that search NASNet's cells with fewer choices.
AMOEBANET_CELL = NASNetCell(operations=AMOEBANET_OPERATIONS, combines=("add",))
"""AmoebaNet's space of cells: 8 operations, added (Real et al. 2018)."""
ENAS_MICRO_CELL = NASNetCell(operations=ENAS_OPERATIONS, combines=("add",))
"""ENAS's micro space of cells: 5 operations, added (Pham et al. 2018)."""
