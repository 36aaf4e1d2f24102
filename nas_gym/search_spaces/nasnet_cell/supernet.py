"""The supernet of NASNet's cells, whatever their operations and combinations.

Each (cell of the network, block, side, operation) has weights of its own, and others for another
number of input channels (a state that a block concatenated has twice as many) or another stride;
with ``by_input``, as in ENAS's code (Pham et al. 2018), for each hidden state that it reads, too.
What reads the output of a cell, or the last layer, has a slice for each hidden state that the
output may consist of, and one for each way in which its block combines.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.operations import FactorizedReduction, initialize
from nas_gym.networks.regularization import set_norms
from nas_gym.networks.supernet import Supernet, put, without_affine
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasnet_cell.canonical import canonical_key
from nas_gym.search_spaces.nasnet_cell.genotype import Block, Cell, CellGenotype, concat_by_rule
from nas_gym.search_spaces.nasnet_cell.layers import CellModule
from nas_gym.search_spaces.nasnet_cell.network import NASNet

if TYPE_CHECKING:
    from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

_SLICED = ("previous", "current", "classifier")  # what reads the output of a cell


class NASNetSupernet(Supernet):
    """The shared weights of all cells of a space.

    Args:
        space: Of the cells.
        task: As ``NASNet`` takes it, without an auxiliary classifier.
        seed: Of the initial weights.
        by_input: Whether an operation has other weights for each hidden state that it reads.

    Raises:
        InvalidOption: The task has an auxiliary classifier.
    """

    def __init__(
        self, space: "NASNetCell", task: Task, seed: int = 0, by_input: bool = False
    ) -> None:
        super().__init__(seed)
        if task.auxiliary:
            raise InvalidOption(
                "the recipe has an auxiliary classifier, and shared weights have none: give "
                "auxiliary_weight=0 (--set recipe.auxiliary_weight=0)"
            )
        self.space, self.task, self.by_input = space, task, by_input
        self.make_whole(self._covering())

    def path(self, genotype: CellGenotype) -> NASNet:
        """Return the network of a genotype, with the shared weights in it."""
        network = NASNet(genotype, self.task, make=self._make)
        sources: list[Any] = [None, None]  # the stem twice, then cells: what others read
        for place, (name, cell) in enumerate(network.cells.items()):
            assert isinstance(cell, CellModule)
            self._fill(cell.previous, f"{name}.previous", sources[network.previous(place)])
            self._fill(cell.current, f"{name}.current", sources[-1])
            sources.append(cell)
        self._fill(network.classifier, "classifier", sources[-1])
        return network

    def canonical(self, genotype: CellGenotype) -> CellGenotype:
        """Return the canonical form: equal for genotypes with one key."""
        return self.space.canonical(genotype)

    def distinct(self, genotype: CellGenotype) -> str:
        """Return the canonical key."""
        return canonical_key(genotype)

    def _make(self, place: str, build: Callable[[], nn.Module]) -> nn.Module:
        """Return the shared module of a place, or an empty one that is filled from slices."""
        if place.rpartition(".")[2] in _SLICED:
            return without_affine(self._with_norms(build()))
        if not self.by_input and place.count(".") > 3:
            place = place.rpartition(".")[0]  # without the hidden state
        return self.part(place, build, self._prepare)

    def _prepare(self, module: nn.Module) -> None:
        module.apply(initialize)
        self._with_norms(module)

    def _with_norms(self, module: nn.Module) -> nn.Module:
        set_norms(module, self.task)
        return module

    def _fill(self, module: nn.Module, place: str, source: CellModule | None) -> None:
        """Put the weights of a module together that reads the output of a cell, or the stem."""
        convolutions: dict[str, Any]
        if isinstance(module, FactorizedReduction):
            convolutions = {"straight": module.straight, "shifted": module.shifted}
        elif isinstance(module, nn.Linear):
            bias = self.slice(f"{place}.bias", module.bias.shape, nn.init.zeros_)
            put(module, "bias", bias)
            convolutions = {"weight": module}
        else:
            stages = list(getattr(module, "stages", ()))  # none: it passes the state through
            convolutions = {"projection": stages[0].convolution} if stages else {}
        for name, convolution in convolutions.items():
            self._compose(convolution, f"{place}.{name}", source)

    def _compose(self, module: Any, place: str, source: CellModule | None) -> None:
        outputs, inputs, *kernel = module.weight.shape
        if isinstance(module, nn.Linear):  # as if it read all that it ever may
            fan_in = self.space.blocks * (inputs if source is None else source.filters)
            draw: Callable[[Tensor], object] = partial(nn.init.normal_, std=fan_in**-0.5)
        else:
            draw = partial(nn.init.kaiming_normal_, nonlinearity="relu")
        parts = [("stem", inputs)] if source is None else list(_outputs(source))
        slices: list[Tensor] = [
            self.slice(f"{place}.{part}", (outputs, width, *kernel), draw) for part, width in parts
        ]
        put(module, "weight", slices[0] if len(slices) == 1 else torch.cat(slices, dim=1))

    def _covering(self) -> Iterator[CellGenotype]:
        """Yield genotypes whose paths together have every shared weight."""
        count, combines = self.space.blocks, self.space.combines
        last = count if self.by_input else min(2, count)
        for first in range(last + 1):
            for operation in self.space.operations:
                for combine in combines:
                    inputs = [min(first, b + 1) for b in range(count)]
                    yield self._cells(inputs, inputs, operation, [combine] * count)
        # An output that has as many channels as its reader has filters is read without weights: a
        # slice is there only in outputs of other numbers of states, combined in other ways.
        patterns = {(a,) * b + (c,) + (a,) * (count - b - 1)
                    for a in combines for c in combines for b in range(count)}  # fmt: skip
        for pattern in sorted(patterns):
            for used in range(count):  # by the last block; itself: none
                inputs = [0] * count
                read = [*inputs[1:], 2 + used if used < count - 1 else 0]
                yield self._cells(inputs, read, self.space.operations[0], pattern)

    def _cells(
        self, inputs: Sequence[int], read: Sequence[int], operation: str, combines: Sequence[str]
    ) -> CellGenotype:
        """Return two equal cells of one operation, of the inputs and combinations of each block."""
        blocks = tuple(
            [
                Block(a, b, operation, operation, combine)
                for a, b, combine in zip(inputs, read, combines, strict=True)
            ]
        )
        cell = Cell(blocks, concat_by_rule(blocks, self.space.concat))
        return CellGenotype(cell, cell)


def _outputs(cell: CellModule) -> Iterator[tuple[str, int]]:
    """Yield the parts of a cell's output, by the name of their slice, and their channels."""
    for state in cell.concat:
        if state < 2:
            yield str(state), cell.filters
        else:
            module: Any = cell.blocks[str(state - 2)]
            yield f"{state}.{module.block.combine}", module.channels
