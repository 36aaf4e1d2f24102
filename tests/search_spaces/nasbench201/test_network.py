"""NAS-Bench-201's networks: their published sizes, what they compute, that they train."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table, multiply_adds
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.networks.cost import cost_on_meta
from nas_gym.networks.task import Task
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import decode, tokens_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.genotype import genotype_of_string, size_of_string
from nas_gym.search_spaces.nasbench201.network import (
    NASBench201Cell,
    NASBench201Network,
    ResidualReduction,
)
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.training.images.presets import RECIPES

SPACE = NASBench201()
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
DIGITS = Task(1, 8, 8, 10, repeats=1, filters=4)
ALL_NONE, ALL_SKIP, ALL_CONV, ALL_POOL = ((t,) * 6 for t in (0, 1, 3, 4))


def cost(tokens: tuple[int, ...], task: Task) -> tuple[int, int]:
    shape = (task.channels, task.height, task.width)
    return cost_on_meta(lambda: SPACE.build(decode(SPACE, tokens), task), shape)


def test_the_resnet_cell_has_the_published_parameters() -> None:
    tokens = tokens_of(SPACE, genotype_of_string(RESNET))
    found = cost(tokens, SPACE.usual_task)
    assert found.parameters == 559_386
    assert found.multiply_adds == 78_561_930 - 10  # the official count adds ten biases


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("dataset", "side", "classes"),
    [("cifar10", 32, 10), ("cifar100", 32, 100), ("imagenet16-120", 16, 120)],
)
def test_sizes_are_the_tables(dataset: str, side: int, classes: int) -> None:
    """Parameters to the last one; multiply-adds but for the classifier's biases."""
    table = NASBench201Table(dataset=dataset)
    task = RECIPES["nasbench201"].task(3, side, side, classes)
    rng = np.random.default_rng(1)
    cells = [ALL_NONE, ALL_CONV, *(random_tokens(SPACE, rng) for _ in range(2))]
    for tokens in cells:
        found = cost(tokens, task)
        assert found.parameters == table.entry(tokens).metrics["parameters"]
        assert found.multiply_adds == multiply_adds(tokens, dataset) - classes


def test_the_size_space_counts() -> None:
    """Parameters and "FLOPs" (less the classifier's biases) of genuine benchmark files."""
    space = NATSSize()
    for text, parameters, flops in (
        ("8:8:8:8:8", 11_714, 4_481_114),
        ("8:8:8:16:32", 49_202, 6_840_650),
        ("8:8:40:32:40", 144_834, 21_827_994),
    ):
        genotype = size_of_string(text)
        found = cost_on_meta(partial(space.build, genotype, space.usual_task), (3, 32, 32))
        assert found == (parameters, flops - 10)


def test_a_cell_is_the_sum_of_its_edges() -> None:
    torch.manual_seed(0)
    names = ("nor_conv_1x1", "skip_connect", "avg_pool_3x3", "nor_conv_3x3", "none", "skip_connect")
    cell = NASBench201Cell(names, 4, 4).train()
    x = torch.randn(3, 4, 6, 6)

    def convolution(edge: str, x: torch.Tensor) -> torch.Tensor:
        weight = next(p for p in cell.edges[edge].parameters() if p.dim() == 4)
        y = F.conv2d(F.relu(x), weight, padding=weight.shape[2] // 2)
        return F.batch_norm(y, None, None, training=True)

    one = convolution("01", x)
    two = x + F.avg_pool2d(one, 3, 1, 1, count_include_pad=False)
    three = convolution("03", x) + two
    torch.testing.assert_close(cell(x), three, rtol=1e-4, atol=1e-5)


def test_a_node_without_edges_is_zero() -> None:
    cell = NASBench201Cell(("none", "none", "skip_connect", "none", "none", "skip_connect"), 4, 4)
    assert cell(torch.randn(2, 4, 5, 5)).abs().max() == 0


@pytest.mark.parametrize("side", [(8, 8), (7, 5), (1, 1)])
def test_a_reduction_halves_even_and_odd_sides(side: tuple[int, int]) -> None:
    block = ResidualReduction(4, 6)
    out = block(torch.randn(2, 4, *side))
    assert out.shape == (2, 6, -(-side[0] // 2), -(-side[1] // 2))


@pytest.mark.parametrize("tokens", [ALL_NONE, ALL_SKIP, ALL_CONV, ALL_POOL, (3, 0, 2, 4, 1, 0)])
def test_every_kind_of_cell_learns_without_harm(tokens: tuple[int, ...]) -> None:
    network = SPACE.build(decode(SPACE, tokens), replace(DIGITS, height=7))
    logits = network(torch.randn(6, 1, 7, 8))
    assert logits.shape == (6, 10)
    logits.square().mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.slow
def test_digits_are_learnt_in_the_quick_recipe() -> None:
    evaluator = TrainingEvaluator(SPACE, recipe={"name": "quick", "epochs": 3})
    children = [architecture_of(SPACE, t) for t in ((2, 0, 0, 1, 0, 2), ALL_NONE)]
    good, cut = evaluator.evaluate(children, [5, 5])
    assert good.failure is cut.failure is None
    assert good.accuracy > 0.6
    assert cut.accuracy < 0.3  # nothing of the image comes through


@pytest.mark.parametrize(
    "change",
    [
        {"stem": "imagenet"},
        {"auxiliary": True},
        {"drop_path": 0.2},
        {"drop_path_by_depth": True},
        {"skip_reduction_input": True},
        {"repeats": 0},
    ],
)
def test_what_these_networks_do_not_have(change: dict[str, object]) -> None:
    with pytest.raises(InvalidOption, match=r"NAS-Bench-201's networks have|repeats is 0"):
        NASBench201Network(genotype_of_string(RESNET), replace(DIGITS, **change))
