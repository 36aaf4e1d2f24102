"""The networks of NAS-Bench-201 (Dong & Yang 2020, section 2.1) and of NATS-Bench's size space.

A 3x3 convolution, layers, batch norm and ReLU, the mean over the image, a classifier. Where the
papers are silent (padding, the shortcut of residual blocks), the authors' published code decides,
because the parameters in the benchmark's files follow it. Weights start as torch initialises them.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.operations import (
    HiddenState,
    LinearProjection,
    Make,
    PassThrough,
    made_below,
    make_anew,
    operation,
)
from nas_gym.networks.regularization import cell_options, dropped_out, set_norms
from nas_gym.networks.stems import PooledStem
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasbench201.genotype import (
    CELL,
    EDGES,
    STEMS,
    NASBench201Genotype,
    NATSSizeGenotype,
    genotype_of_string,
)

NODES = 4
OPERATIONS_OF_EDGES = {
    "nor_conv_1x1": "conv_1x1",
    "nor_conv_3x3": "conv_3x3",
    "avg_pool_3x3": "avg_pool_3x3",
}


class NASBench201Cell(nn.Module):
    """Four nodes; each is the sum of what its incoming edges bring, and the last is the output.

    Maps (batch, in_channels, height, width) to (batch, channels, height, width). Edges that do not
    reach the output are kept, as in the benchmark: they have parameters and cost time.
    """

    def __init__(
        self,
        operations: Sequence[str],
        in_channels: int,
        channels: int,
        make: Make = make_anew,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.edges = nn.ModuleDict(  # "01": from node 0 to node 1
            {
                f"{source}{node}": make(
                    f"{source}{node}.{name}",
                    partial(_edge, name, channels if source else in_channels, channels),
                )
                for (source, node), name in zip(EDGES, operations, strict=True)
                if name != "none"
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute node by node."""
        nodes = [HiddenState(x)]
        for node in range(1, NODES):
            names = [f"{source}{node}" for source in range(node)]
            arriving = [
                self.edges[name](nodes[source])
                for source, name in enumerate(names)
                if name in self.edges
            ]
            # Without edges a node is zero, which batch norms after it still turn into something.
            nodes.append(HiddenState(sum(arriving) if arriving else self._zeros(x)))
        return nodes[-1].tensor

    def _zeros(self, x: Tensor) -> Tensor:
        return x.new_zeros((x.shape[0], self.channels, *x.shape[2:]))


class ResidualReduction(nn.Module):
    """A basic residual block (He et al. 2016) that halves the sides; ReLU, convolution, norm.

    The shortcut is a mean of 2 x 2 pixels and a 1x1 convolution without batch norm. At odd sizes,
    which the benchmark does not have, the last row and column count once.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = operation("conv_3x3", channels, channels, 1)
        self.shortcut = nn.Conv2d(in_channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output: (batch, channels, ceil(height / 2), ceil(width / 2))."""
        inside = self.second(HiddenState(self.first_norm(self.first(F.relu(x)))))
        small = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        return inside + self.shortcut(small)  # type: ignore[no-any-return]


class BenchmarkNetwork(nn.Module):
    """The network of both benchmarks: cells, and a reduction after each stack but the last.

    Args:
        operations: Of every cell.
        stem: Channels of the first convolution.
        stacks: Channels of the cells of each stack.
        reductions: Channels of the reductions between the stacks.
        task: Shape of the images, classes.
        make: Gives its modules, by their place in it; those that it does not make anew keep what
            they have.
    """

    def __init__(
        self,
        operations: Sequence[str],
        stem: int,
        stacks: Sequence[Sequence[int]],
        reductions: Sequence[int],
        task: Task,
        make: Make = make_anew,
    ) -> None:
        super().__init__()
        _check(task)
        self.stem_channels = stem
        self.stem = make("stem", partial(first_layers, task, stem))
        self.layers = nn.ModuleDict()
        widths = [stem]
        for stack, cells in enumerate(stacks):
            if stack:
                widths.append(reductions[stack - 1])
                name = f"reduction{stack - 1}"
                self.layers[name] = make(name, partial(ResidualReduction, *widths[-2:]))
            first = sum(name.startswith("cell") for name in self.layers)
            for number, (before, width) in enumerate(pairwise((widths[-1], *cells)), first):
                name = f"cell{number}"
                below = made_below(make, name)
                self.layers[name] = NASBench201Cell(operations, before, width, below)
            widths += cells
        self.last_norm = make("last_norm", partial(nn.BatchNorm2d, widths[-1]))
        self.classifier = make("classifier", partial(nn.Linear, widths[-1], task.classes))
        self.task = task
        if make is make_anew:
            set_norms(self, task)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (batch, classes) of images (batch, channels, height, width)."""
        x = self.stem(images)
        for layer in self.layers.values():
            x = layer(x)
        features = F.relu(self.last_norm(x)).mean(dim=(2, 3))
        return self.classifier(dropped_out(features, self.task, self.training))  # type: ignore[no-any-return]


class NASBench201Network(BenchmarkNetwork):
    """Three stacks of N cells, a residual reduction between them that doubles the channels.

    The benchmark's own size is ``repeats=5, filters=16``: N = 5 cells per stack, C = 16 channels in
    the first (recipe ``"nasbench201"``). Then the cell of a ResNet has 559,386 parameters on
    CIFAR-10.

    Args:
        genotype: The cell.
        task: Shape of the images, classes, N (``repeats``), C (``filters``).
        make: As ``BenchmarkNetwork``.

    Raises:
        InvalidOption: Another stem than those of ``STEMS``, an auxiliary classifier, drop-path or
            skipped inputs of reductions, which these networks do not have.
    """

    def __init__(self, genotype: NASBench201Genotype, task: Task, make: Make = make_anew) -> None:
        _check(task)
        n, c = task.repeats, task.filters
        stacks = [[c] * n, [2 * c] * n, [4 * c] * n]
        super().__init__(genotype.operations, c, stacks, (2 * c, 4 * c), task, make)


class NATSSizeNetwork(BenchmarkNetwork):
    """NATS-Bench's size space: cell, reduction, cell, reduction, cell, of the chosen channels.

    Every cell is the best of the topology space on CIFAR-100. ``repeats`` and ``filters`` of the
    task say nothing here: the genotype gives the size.

    Args:
        genotype: Channels of the five layers; the first are the stem's as well.
        task: Shape of the images and classes.

    Raises:
        InvalidOption: As ``NASBench201Network``.
    """

    def __init__(self, genotype: NATSSizeGenotype, task: Task) -> None:
        a, b, c, d, e = genotype.channels
        operations = genotype_of_string(CELL).operations
        super().__init__(operations, a, [[a], [c], [e]], (b, d), task)


def first_layers(task: Task, channels: int) -> nn.Module:
    """Return the first convolution and its norm."""
    if task.stem == "pooled":
        return PooledStem(task.channels, channels, task.height, task.width)
    return nn.Sequential(
        nn.Conv2d(task.channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
    )


def _edge(name: str, in_channels: int, channels: int) -> nn.Module:
    """Return an edge's operation, of a ``HiddenState``; not for ``none``."""
    if name != "skip_connect":
        return operation(OPERATIONS_OF_EDGES[name], in_channels, channels, 1)
    return PassThrough() if in_channels == channels else LinearProjection(in_channels, channels)


def _check(task: Task) -> None:
    absent = task.auxiliary or task.drop_path or task.drop_path_by_depth
    if task.stem not in STEMS or absent or task.skip_reduction_input:
        raise InvalidOption(
            "NAS-Bench-201's networks have the stem 'cifar' or 'pooled', no auxiliary classifier, "
            "no drop-path and no skipped inputs of reductions, but the task says "
            f"{cell_options(task)}: give another recipe, such as 'nasbench201' or 'quick'"
        )
