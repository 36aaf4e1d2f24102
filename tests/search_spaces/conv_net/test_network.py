"""Convolutional networks: the paper's rules, published sizes, a slow definition, training."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas_gym.errors import InvalidGenotype, InvalidOption
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.networks.cost import cost_on_meta, count_parameters
from nas_gym.networks.task import Task
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.conv_net.network import (
    ConvBlock,
    ConvNetwork,
    MaxPool,
    concatenated,
    mean_of_concatenated,
)
from nas_gym.search_spaces.conv_net.published import NAS_V1, NAS_V1_CHAIN, NAS_V1_DENSE
from nas_gym.search_spaces.conv_net.space import POOLING, ConvLayer, ConvNet, ConvNetGenotype
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens

DIGITS = Task(1, 8, 8, 10, width_multiplier=0.125)
EVERYTHING = ConvNet(
    depth=(1, 4, 6), heights=(1, 2, 3, 7), filters=(6, 12), types=("conv", "pool"), pools=(1, 3)
)


def random_genotypes(space: ConvNet, count: int) -> list[ConvNetGenotype]:
    rng = np.random.default_rng(1)
    return [decode(space, random_tokens(space, rng)) for _ in range(count)]


def network_of(*layers: ConvLayer, task: Task = DIGITS, **options: object) -> ConvNetwork:
    torch.manual_seed(0)
    return ConvNetwork(ConvNetGenotype(layers, **options), task)  # type: ignore[arg-type]


# --- a slow, straight definition ------------------------------------------------------------------


def slow_window(size: int, window: int, stride: int) -> tuple[int, int]:
    """Outputs of a side, and how far the first window begins before the image."""
    outputs = (size + stride - 1) // stride
    zeros = max(0, stride * (outputs - 1) + window - size)
    return outputs, zeros // 2


def slow_windows(x: Tensor, window: tuple[int, int], stride: tuple[int, int], fill: float):
    """Every output pixel, and what its window sees."""
    height, width = x.shape[2:]
    (rows, top), (columns, left) = (
        slow_window(*of) for of in zip((height, width), window, stride, strict=True)
    )
    reach = max(window)
    framed = F.pad(x, (reach,) * 4, value=fill)
    for i in range(rows):
        for j in range(columns):
            y, z = reach + stride[0] * i - top, reach + stride[1] * j - left
            yield i, j, framed[:, :, y : y + window[0], z : z + window[1]]


def slow_convolution(x: Tensor, weight: Tensor, stride: tuple[int, int]) -> Tensor:
    size = [(n + s - 1) // s for n, s in zip(x.shape[2:], stride, strict=True)]
    y = x.new_zeros((len(x), len(weight), *size))
    for i, j, seen in slow_windows(x, tuple(weight.shape[2:]), stride, 0.0):
        y[:, :, i, j] = torch.einsum("bihw,oihw->bo", seen, weight)
    return y


def slow_pool(x: Tensor, window: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    size = [(n + s - 1) // s for n, s in zip(x.shape[2:], stride, strict=True)]
    y = x.new_zeros((*x.shape[:2], *size))
    for i, j, seen in slow_windows(x, window, stride, -torch.inf):
        y[:, :, i, j] = seen.amax(dim=(2, 3))
    return y


def slow_concatenation(images: list[Tensor]) -> Tensor:
    height = max(image.shape[2] for image in images)
    width = max(image.shape[3] for image in images)
    y = images[0].new_zeros((len(images[0]), sum(x.shape[1] for x in images), height, width))
    first = 0
    for x in images:
        top, left = (height - x.shape[2]) // 2, (width - x.shape[3]) // 2
        y[:, first : first + x.shape[1], top : top + x.shape[2], left : left + x.shape[3]] = x
        first += x.shape[1]
    return y


def slow_block(block: ConvBlock, x: Tensor, stride: tuple[int, int]) -> Tensor:
    done: list[Tensor] = []
    for convolution in block.convolutions:
        seen = x if not done else torch.cat([x[:, :, :: stride[0], :: stride[1]], *done], 1)
        y = slow_convolution(seen, convolution.weight, (1, 1) if done else stride)
        done.append(F.batch_norm(F.relu(y), None, None, training=True))
    return torch.cat(done, 1)


def slow_network(network: ConvNetwork, genotype: ConvNetGenotype, image: Tensor) -> Tensor:
    states: list[Tensor] = []
    used: set[int] = set()
    for i, layer in enumerate(genotype.layers):
        if i in genotype.pools:
            image, *states = (slow_pool(x, (2, 2), (2, 2)) for x in (image, *states))
        used |= set(layer.inputs)
        x = slow_concatenation([states[j] for j in layer.inputs] or [image])
        stride = (layer.stride_height, layer.stride_width)
        module = network.layers[i]
        if isinstance(module, ConvBlock):
            states.append(slow_block(module, x, stride))
        else:
            states.append(slow_pool(x, (layer.filter_height, layer.filter_width), stride))
    loose = [x for i, x in enumerate(states) if i not in used]
    return network.classifier(slow_concatenation(loose).mean(dim=(2, 3)))


@pytest.mark.parametrize(
    "space", [EVERYTHING, replace(EVERYTHING, block_layers=2, strides=(1, 3))], ids=["", "blocks"]
)
def test_networks_are_the_slow_definition(space: ConvNet) -> None:
    for number, genotype in enumerate(random_genotypes(space, 8)):
        torch.manual_seed(number)
        network = ConvNetwork(genotype, replace(DIGITS, channels=2, height=5 + number % 4)).train()
        images = torch.randn(4, 2, 5 + number % 4, 8)
        torch.testing.assert_close(
            network(images.contiguous(memory_format=torch.channels_last)),
            slow_network(network, genotype, images),
            rtol=1e-3,
            atol=2e-4,
        )


def test_gradients_are_the_slow_definitions() -> None:
    genotype = random_genotypes(EVERYTHING, 5)[-1]
    network = ConvNetwork(genotype, DIGITS).double().train()
    images = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    parameters = list(network.classifier.parameters())
    for block in network.layers:
        if isinstance(block, ConvBlock):
            parameters += [convolution.weight for convolution in block.convolutions]
    found, expected = (
        torch.autograd.grad(logits.square().sum(), parameters)
        for logits in (network(images), slow_network(network, genotype, images))
    )
    torch.testing.assert_close(found, expected)


# --- the paper's rules ----------------------------------------------------------------------------


def test_a_layer_is_convolution_then_relu_then_norm() -> None:
    block = ConvBlock(3, 5, (3, 5), (1, 1)).train()
    x = torch.randn(6, 3, 7, 7)
    y = F.relu(F.conv2d(x, block.convolutions[0].weight, padding=(1, 2)))
    expected = (y - y.mean((0, 2, 3), keepdim=True)) / (
        y.var((0, 2, 3), keepdim=True, correction=0) + 1e-5
    ).sqrt()
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


def test_without_inputs_a_layer_reads_the_image() -> None:
    network = network_of(ConvLayer(3, 3, 8), ConvLayer(1, 1, 16), task=replace(DIGITS, channels=3))
    assert [layer.convolutions[0].in_channels for layer in network.layers] == [3, 3]


def test_what_no_layer_reads_goes_to_the_classifier() -> None:
    layers = (ConvLayer(3, 3, 8), ConvLayer(3, 3, 16), ConvLayer(3, 3, 24, inputs=(0,)))
    network = network_of(*layers)
    assert network.loose == [1, 2]
    assert network.classifier.in_features == 2 + 3


def test_smaller_inputs_stand_in_the_middle_of_zeros() -> None:
    large, small = torch.ones(1, 1, 4, 5), torch.full((1, 2, 1, 4), 2.0)
    together = concatenated([large, small])
    assert together.shape == (1, 3, 4, 5)
    assert together[0, 0].eq(1).all()
    expected = torch.zeros(4, 5)
    expected[1, :4] = 2  # one row of zeros above, two below; the odd column on the right
    assert together[0, 1].equal(expected)
    torch.testing.assert_close(mean_of_concatenated([large, small]), together.mean((2, 3)))


@pytest.mark.parametrize("side", [(8, 8), (7, 5), (1, 1)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (7, 4)])
def test_only_strides_shrink(side: tuple[int, int], kernel: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *side)
    for stride in ((1, 1), (2, 3), (3, 1)):
        expected = tuple(-(-n // s) for n, s in zip(side, stride, strict=True))
        assert ConvBlock(3, 4, kernel, stride)(x).shape == (2, 4, *expected)
        assert ConvBlock(3, 4, kernel, stride, times=3)(x).shape == (2, 12, *expected)
        assert MaxPool(kernel, stride)(x).shape == (2, 3, *expected)


def test_a_fixed_pool_halves_everything_before_it() -> None:
    chain = (ConvLayer(3, 3, 8), ConvLayer(3, 3, 8, (0,)), ConvLayer(1, 1, 8, (0, 1)))
    network = network_of(*chain, pools=(1, 2))
    sizes: list[tuple[int, ...]] = []
    for layer in network.layers:
        layer.register_forward_hook(lambda _, x, y: sizes.append(tuple(x[0].shape[2:])))
    network(torch.randn(2, 1, 8, 5))
    assert sizes == [(8, 5), (4, 3), (2, 2)]
    assert network(torch.randn(2, 1, 1, 1)).shape == (2, 10)  # a side of 1 stays


def test_a_block_is_densely_connected() -> None:
    block = ConvBlock(5, 4, (3, 3), (1, 1), times=3)
    assert [convolution.in_channels for convolution in block.convolutions] == [5, 9, 13]
    assert block.channels == 12


# --- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("genotype", "convolutions"),
    [(NAS_V1, 4_119_228), (NAS_V1_DENSE, 6_629_148), (NAS_V1_CHAIN, 807_372)],
)
def test_the_published_network_has_its_parameters(
    genotype: ConvNetGenotype, convolutions: int
) -> None:
    found = cost_on_meta(partial(ConvNetwork, genotype, Task(3, 32, 32, 10)), (3, 32, 32))
    norms, classifier = 2 * sum(layer.filters for layer in genotype.layers), 48 * 10 + 10
    assert norms == 1272
    assert found == (convolutions + norms + classifier, 1024 * convolutions + 480)


def test_the_task_changes_the_filters() -> None:
    layers = (ConvLayer(3, 3, 24), ConvLayer(3, 3, 6, (0,)))
    for width, more, filters in ((1, 0, [24, 6]), (0.25, 0, [6, 2]), (0.01, 40, [41, 41])):
        task = replace(DIGITS, width_multiplier=width, more_filters=more)
        network = network_of(*layers, task=task)
        assert [layer.channels for layer in network.layers] == filters


def test_the_pooling_experiment_has_39_convolutions() -> None:
    genotype = random_genotypes(POOLING, 1)[0]
    assert genotype.pools == (4, 8)
    with torch.device("meta"):
        network = ConvNetwork(genotype, Task(3, 32, 32, 10, more_filters=40))
    blocks = [layer for layer in network.layers if isinstance(layer, ConvBlock)]
    assert sum(len(block.convolutions) for block in blocks) == 39
    assert count_parameters(network) > 1e7
    assert network(torch.empty((2, 3, 32, 32), device="meta")).shape == (2, 10)


# --- training, bad input --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_quick_child_learns_the_same_twice() -> None:
    space = ConvNet()
    recipe = {"name": "quick-conv-net", "epochs": 3, "width_multiplier": 0.25}
    evaluator = TrainingEvaluator(space, recipe=recipe)
    child = architecture_of(space, random_tokens(space, np.random.default_rng(2)))
    once, again = evaluator.evaluate([child, child], [5, 5])
    assert once.failure is None
    assert once.accuracy > 0.3  # chance is 0.1
    assert once.metrics == again.metrics


@pytest.mark.parametrize(
    "change",
    [
        {"stem": "imagenet"},
        {"auxiliary": True},
        {"drop_path": 0.2},
        {"drop_path_by_depth": True},
        {"skip_reduction_input": True},
        {"width_multiplier": 0.0},
        {"more_filters": -1},
        {"classes": 0},
    ],
)
def test_what_these_networks_do_not_have(change: dict[str, object]) -> None:
    with pytest.raises(InvalidOption, match=r"convolutional networks have|is 0|more_filters is -1"):
        ConvNetwork(NAS_V1, replace(DIGITS, **change))


def test_a_broken_genotype_is_refused() -> None:
    with pytest.raises(InvalidGenotype, match=r"layer 0: inputs is \[0\]"):
        network_of(ConvLayer(3, 3, 8, inputs=(0,)))
