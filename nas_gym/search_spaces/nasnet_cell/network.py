"""The network of a NASNet genotype (Zoph et al. 2017, figure 2).

Where the paper's text leaves something open, the authors' published code (TensorFlow slim) decides,
because the paper's parameter counts follow it: how the two inputs of a cell are brought to its
shape, and which states a published cell concatenates (part of the genotype).
"""

from functools import partial

from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.convolutions import Convolution
from nas_gym.networks.operations import (
    HiddenState,
    Make,
    initialize,
    made_below,
    make_anew,
)
from nas_gym.networks.regularization import dropped_out, set_norms
from nas_gym.networks.stems import PooledStem
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasnet_cell.genotype import CELLS, Cell, CellGenotype, check_cell
from nas_gym.search_spaces.nasnet_cell.layers import CellModule, Shape

AUXILIARY_FILTERS = (128, 768)
STEM_CELLS = ((0, 4), (1, 2))  # of the ImageNet stem: number, and by what it divides the filters


class AuxiliaryHead(nn.Sequential):
    """The second classifier of Szegedy et al. 2015 with the published code's sizes.

    The 5x5 pool shrinks with images that are smaller than that.
    """

    def __init__(self, shape: Shape, classes: int) -> None:
        few, many = AUXILIARY_FILTERS
        window = (min(5, shape.height), min(5, shape.width))
        height, width = ((n - k) // 3 + 1 for n, k in zip(shape[1:], window, strict=True))
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(window, stride=3),
            nn.Conv2d(shape.channels, few, 1, bias=False),
            nn.BatchNorm2d(few),
            nn.ReLU(),
            nn.Conv2d(few, many, (height, width), bias=False),
            nn.BatchNorm2d(many),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(many, classes),
        )


MOST_BLOCKS_IN_ALL = 2000  # of a network: the largest published has 280


class NASNet(nn.Module):
    """N normal cells, reduction, N normal cells, reduction, N normal cells, classifier.

    Maps (batch, channels, height, width) to logits (batch, classes). With ``task.auxiliary``,
    in training mode, to a pair: logits, and those of the auxiliary classifier at two thirds of
    the depth. Runs fastest in torch's ``channels_last`` memory format.

    Args:
        genotype: The two cells.
        task: Shape of the images, N (``repeats``), F (``filters``), stem. With
            ``skip_reduction_input`` the first cell after a reduction takes as h_{i-1} the cell
            before the last one *before the reduction*: only the published Large network does, and
            it changes no count. With ``drop_path_by_depth`` the cell's depth scales the drop-path
            probability as well: the published code does (its version 3), the paper's text only
            has the linear growth over training.
        stem_filters: Filters of the ImageNet stem's convolution. By default those of the
            published networks: 32 if F is below 64 (Mobile), otherwise 96 (Large).
        make: Gives its modules, by the name of the cell and their place in it; those that it does
            not make anew keep their weights.

    Raises:
        InvalidGenotype: The genotype cannot be built.
        InvalidOption: A size that does not fit, such as 3 filters with the ImageNet stem.
    """

    def __init__(
        self,
        genotype: CellGenotype,
        task: Task,
        *,
        stem_filters: int | None = None,
        make: Make = make_anew,
    ) -> None:
        super().__init__()
        _check(genotype, task)
        _check_count(genotype, task)
        self.task = task
        self.progress = 0.0
        self.reductions: set[int] = set()  # places in self.cells
        stem, shape = stem_of(task, stem_filters)
        self.stem = make("stem", lambda: stem)
        self.cells = nn.ModuleDict()
        self.shapes = [shape, shape]
        self._add_cells(genotype, make)
        self.auxiliary: AuxiliaryHead | None = None
        if task.auxiliary:
            self.auxiliary_place = len(self.cells) - task.repeats - 2
            self.auxiliary = AuxiliaryHead(self.shapes[self.auxiliary_place + 2], task.classes)
        linear = partial(nn.Linear, self.shapes[-1].channels, task.classes)
        self.classifier = make("classifier", linear)
        if make is make_anew:
            self.apply(initialize)
            set_norms(self, task)

    def _add_cells(self, genotype: CellGenotype, make: Make) -> None:
        for name, filters, reduction in cells_of(self.task):
            self._add(name, genotype[reduction], filters, reduction, make)

    def _add(self, name: str, cell: Cell, filters: int, reduction: bool, make: Make) -> None:
        place = len(self.cells)
        if name.startswith("reduction"):
            self.reductions.add(place)
        previous = self.shapes[self.previous(place)]
        module = CellModule(
            cell, previous, self.shapes[-1], filters, reduction, first=place == 0,
            make=made_below(make, name),
        )  # fmt: skip
        self.cells[name] = module
        self.shapes.append(module.shape)

    def previous(self, place: int) -> int:
        """Return the index into [stem, stem, cell outputs ...] of the h_{i-1} of a cell."""
        return place - int(self.task.skip_reduction_input and place - 1 in self.reductions)

    def set_progress(self, fraction: float) -> None:
        """Say how much of the training is over, in [0, 1]: drop-path grows with it."""
        self.progress = fraction

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the logits of ``images``, with the auxiliary ones in training mode."""
        stem = HiddenState(self.stem(images))
        states = [stem, stem]
        for place, cell in enumerate(self.cells.values()):
            drop = self._drop(place)
            states.append(HiddenState(cell(states[self.previous(place)], states[-1], drop)))
        features = states[-1].rectified.mean(dim=(2, 3))
        logits: Tensor = self.classifier(dropped_out(features, self.task, self.training))
        if self.auxiliary is None or not self.training:
            return logits
        return logits, self.auxiliary(states[self.auxiliary_place + 2].tensor)

    def _drop(self, place: int) -> float:
        if not self.training:
            return 0.0
        # Reductions and the cells of the ImageNet stem count as well.
        depth = (place + 1) / len(self.cells) if self.task.drop_path_by_depth else 1.0
        return self.task.drop_path * self.progress * depth


def cells_of(task: Task) -> list[tuple[str, int, bool]]:
    """Return the cells of a network in order: name, filters, and whether it is a reduction."""
    cells: list[tuple[str, int, bool]] = []
    if task.stem == "imagenet":  # rounded down: AmoebaNet-A's F = 190 gives 47 and 95
        cells += [(f"stem{index}", task.filters // divisor, True) for index, divisor in STEM_CELLS]
    for stack in range(3):
        filters = task.filters * 2**stack
        if stack:
            cells.append((f"reduction{stack - 1}", filters, True))
        numbers = range(stack * task.repeats, (stack + 1) * task.repeats)
        cells += [(f"normal{index}", filters, False) for index in numbers]
    return cells


def stem_of(task: Task, stem_filters: int | None = None) -> tuple[nn.Module, Shape]:
    """Return the first convolution, and the shape that it puts out; see ``NASNet``."""
    stem_filters = stem_filters or (32 if task.filters < 64 else 96)
    if task.stem == "cifar":
        shape = Shape(3 * task.filters, task.height, task.width)
        return Convolution(task.channels, shape.channels, (3, 3)), shape
    if task.stem == "pooled":
        stem = PooledStem(task.channels, 3 * task.filters, task.height, task.width)
        return stem, Shape(3 * task.filters, stem.height, stem.width)
    # This one is not padded, unlike all other convolutions.
    shape = Shape(stem_filters, (task.height - 1) // 2, (task.width - 1) // 2)
    convolution = nn.Conv2d(task.channels, stem_filters, 3, stride=2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(stem_filters)), shape


def _check(genotype: CellGenotype, task: Task) -> None:
    for name, cell in zip(CELLS, genotype, strict=True):
        check_cell(name, cell)
    if task.stem == "imagenet" and task.filters < 4:
        raise InvalidOption(
            f"filters is {task.filters}: the imagenet stem begins with a quarter of it, give 4 or "
            "more"
        )
    if task.stem == "imagenet" and min(task.height, task.width) < 3:
        raise InvalidOption(
            f"images are {task.height} x {task.width} pixels: the imagenet stem needs 3 x 3"
        )


def _check_count(genotype: CellGenotype, task: Task) -> None:
    """Raise InvalidOption for more blocks than were ever trained, before one is made."""
    normal, reduction = (len(cell.blocks) for cell in genotype)
    count = 3 * task.repeats * normal + (4 if task.stem == "imagenet" else 2) * reduction
    if count > MOST_BLOCKS_IN_ALL:
        raise InvalidOption(
            f"repeats is {task.repeats}, with cells of {normal} and {reduction} blocks: the "
            f"network would have {count:,} blocks, and {MOST_BLOCKS_IN_ALL:,} are the most; give "
            "fewer repeats or smaller cells"
        )
