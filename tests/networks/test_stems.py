import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from nas_gym.networks.cost import count_multiply_adds
from nas_gym.networks.stems import PooledStem
from nas_gym.networks.task import Task
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

PHOTOS = Task(3, 32, 32, 4, filters=4, stem="pooled")


@pytest.mark.parametrize(
    ("height", "width", "left"),
    [(1, 1, (1, 1)), (8, 8, (8, 8)), (9, 9, (5, 5)), (16, 16, (8, 8)), (28, 28, (7, 7)),
     (32, 32, (8, 8)), (64, 64, (8, 8)), (65, 65, (5, 5)), (224, 224, (7, 7)), (7, 40, (1, 5)),
     (331, 200, (7, 5))],
)  # fmt: skip
def test_what_comes_out_is_as_small_as_it_says(height, width, left):
    stem = PooledStem(3, 6, height, width)
    assert stem(torch.randn(2, 3, height, width)).shape == (2, 6, *left)
    assert (stem.height, stem.width) == left
    convolutions = sum(isinstance(module, nn.Conv2d) for module in stem.modules())
    assert convolutions == max(1, math.ceil(math.log2(min(64, max(height, width)) / 8)))


@pytest.mark.parametrize(("space", "tokens"), [(NASNetCell(), [1] * 50), (NASBench201(), [3] * 6)])
def test_spaces_that_say_so_build_it_and_every_weight_learns(space, tokens):
    assert "pooled" in space.stems
    network = space.build(decode(space, tokens), PHOTOS)
    assert sum(isinstance(module, PooledStem) for module in network.modules()) == 1
    network(torch.randn(4, 3, 32, 32)).square().mean().backward()
    stem = next(module for module in network.modules() if isinstance(module, PooledStem))
    assert all(float(p.grad.abs().max()) > 0 for p in stem.parameters() if p.dim() > 1)


@pytest.mark.parametrize("side", [28, 64, 224])
def test_images_of_any_size_cost_about_the_same(side):
    space, tasks = NASBench201(), [replace(PHOTOS, height=n, width=n) for n in (32, side)]
    networks = [space.build(decode(space, [3] * 6), task) for task in tasks]
    costs = [count_multiply_adds(n, (3, s, s)) for n, s in zip(networks, (32, side), strict=True)]
    assert 0.4 < costs[1] / costs[0] < 2.5
