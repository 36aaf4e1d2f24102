"""The network of a convolutional genotype (Zoph & Le 2016, sections 3.2, 3.3 and 4.1).

Three rules make a network of every genotype (section 3.3): a layer without inputs reads the image;
what no layer reads is concatenated for the classifier; and if inputs differ in size, the smaller
ones are surrounded by zeros (evenly; an odd row or column of them is below or on the right).

What the paper leaves open is our reading:

- the classifier is the mean over the image and a linear layer;
- a layer that becomes a block is connected as in DenseNet (Huang et al. 2016): each of its
  convolutions reads the block's input and the outputs of all before it, and the block's output is
  all of theirs. Only the first one strides; the others read the input where it lands;
- a fixed pool (2 x 2, stride 2) halves the image and every output so far, so that no skip
  connection leads around it; a side of 1 stays;
- weights start as He et al. 2015 have it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.convolutions import SamePaddedConv2d
from nas_gym.networks.operations import initialize
from nas_gym.networks.padding import same_padding
from nas_gym.networks.regularization import cell_options, dropped_out, set_norms
from nas_gym.networks.task import Task
from nas_gym.search_spaces.conv_net.genotype import ConvLayer, ConvNetGenotype, check_genotype


class ConvBlock(nn.Module):
    """Convolution, ReLU, batch norm; or several of them, densely connected.

    Maps (batch, in_channels, height, width) to (batch, times * filters, ceil(height / stride),
    ceil(width / stride)).

    Args:
        in_channels: Channels of the input.
        filters: Of each convolution.
        kernel: Height and width.
        stride: Of the first convolution, vertical and horizontal.
        times: Convolutions, >= 1.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        times: int = 1,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.channels = times * filters
        self.convolutions = nn.ModuleList(
            SamePaddedConv2d(in_channels + n * filters, filters, kernel, (1, 1) if n else stride)
            for n in range(times)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) for _ in range(times))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, rectify, normalise."""
        outputs: list[Tensor] = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            if len(outputs) == 1 and self.stride != (1, 1):
                x = x[..., :: self.stride[0], :: self.stride[1]]
            y = convolution(torch.cat([x, *outputs], 1) if outputs else x)
            outputs.append(norm(F.relu(y)))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1)


class MaxPool(nn.Module):
    """Max pool, "SAME" padded: ceil(size / stride) outputs per side; the padding never wins.

    Args:
        window: Height and width.
        stride: Vertical and horizontal.
    """

    def __init__(self, window: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.axes = tuple(zip(window, stride, (1, 1), strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``x``."""
        (window, stride, _) = zip(*self.axes, strict=True)
        rows, columns = (
            same_padding(int(n), a) for n, a in zip(x.shape[2:], self.axes, strict=True)
        )
        if any(rows + columns):
            x = F.pad(x, (*columns, *rows), value=-torch.inf)
        return F.max_pool2d(x, window, stride)


class ConvNetwork(nn.Module):
    """Layers, each with the outputs of the chosen earlier ones as inputs, and a classifier.

    Maps (batch, channels, height, width) to logits (batch, classes). Runs fastest in torch's
    ``channels_last`` memory format. ``repeats`` and ``filters`` of the task say nothing here: the
    genotype gives the size, ``width_multiplier`` and ``more_filters`` change it.

    Args:
        genotype: The network.
        task: Shape of the images and classes.

    Raises:
        InvalidGenotype: The genotype cannot be built.
        InvalidOption: Another stem than ``"cifar"``, an auxiliary classifier, drop-path or skipped
            inputs of reductions, which these networks do not have.
    """

    def __init__(self, genotype: ConvNetGenotype, task: Task) -> None:
        super().__init__()
        check_genotype(genotype)
        _check(task)
        self.sources = [layer.inputs for layer in genotype.layers]
        read = {source for sources in self.sources for source in sources}
        self.loose = [i for i in range(len(self.sources)) if i not in read]
        self.pools = {place: self._read_after(place) for place in genotype.pools}
        self.layers = nn.ModuleList()
        channels: list[int] = []
        for layer in genotype.layers:
            in_channels = sum(channels[i] for i in layer.inputs) or task.channels
            self.layers.append(module := _layer(layer, in_channels, genotype.block_layers, task))
            channels.append(module.channels if isinstance(module, ConvBlock) else in_channels)
        self.classifier = nn.Linear(sum(channels[i] for i in self.loose), task.classes)
        self.apply(initialize)
        self.task = task
        set_norms(self, task)

    def _read_after(self, place: int) -> set[int]:
        """Return the layers before ``place`` that a later one, or the classifier, reads."""
        later = {source for sources in self.sources[place:] for source in sources}
        return {i for i in range(place) if i in later or i in self.loose}

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``."""
        outputs: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            if i in self.pools:
                images = _halved(images)
                for source in self.pools[i]:
                    outputs[source] = _halved(outputs[source])
            inputs = [outputs[source] for source in self.sources[i]]
            outputs.append(layer(concatenated(inputs) if inputs else images))
        features = mean_of_concatenated([outputs[i] for i in self.loose])
        return self.classifier(dropped_out(features, self.task, self.training))  # type: ignore[no-any-return]


def concatenated(images: Sequence[Tensor]) -> Tensor:
    """Concatenate all channels of ``images``, smaller ones in the middle of zeros."""
    if len(images) == 1:
        return images[0]
    height, width = (max(image.shape[axis] for image in images) for axis in (2, 3))
    return torch.cat([_padded(image, height, width) for image in images], 1)


def mean_of_concatenated(images: Sequence[Tensor]) -> Tensor:
    """Return (batch, channels): the mean over the pixels of ``concatenated(images)``."""
    pixels = max(x.shape[2] for x in images) * max(x.shape[3] for x in images)
    return torch.cat([image.sum(dim=(2, 3)) for image in images], 1) / pixels


def _padded(image: Tensor, height: int, width: int) -> Tensor:
    down, across = height - image.shape[2], width - image.shape[3]
    if not down and not across:
        return image
    return F.pad(image, (across // 2, across - across // 2, down // 2, down - down // 2))


def _halved(image: Tensor) -> Tensor:
    return F.max_pool2d(image, 2, ceil_mode=True)


def _layer(layer: ConvLayer, in_channels: int, times: int, task: Task) -> nn.Module:
    size = (layer.filter_height, layer.filter_width)
    stride = (layer.stride_height, layer.stride_width)
    if layer.type == "pool":
        return MaxPool(size, stride)
    filters = max(1, round(layer.filters * task.width_multiplier)) + task.more_filters
    return ConvBlock(in_channels, filters, size, stride, times)


def _check(task: Task) -> None:
    absent = task.auxiliary or task.drop_path or task.drop_path_by_depth
    if task.stem != "cifar" or absent or task.skip_reduction_input:
        raise InvalidOption(
            "convolutional networks have the stem 'cifar', no auxiliary classifier, no drop-path "
            "and no skipped inputs of reductions, but the task says "
            f"{cell_options(task)}: give another recipe, such as 'zoph2016-cifar' or "
            "'quick-conv-net'"
        )
