"""The networks of the named recipes: their published sizes, their batch norms."""

import pytest
import torch
from torch import nn

from nas_gym.networks.cost import count_parameters
from nas_gym.search_spaces.nasnet_cell.genotype import CellGenotype
from nas_gym.search_spaces.nasnet_cell.network import NASNet
from nas_gym.search_spaces.nasnet_cell.published import AMOEBANET_A, DARTS_V1, DARTS_V2, NASNET_A
from nas_gym.training.images.presets import RECIPES


def built(recipe: str, genotype: CellGenotype, side: int, classes: int) -> NASNet:
    with torch.device("meta"):
        return NASNet(genotype, RECIPES[recipe].task(3, side, side, classes))


@pytest.mark.parametrize(
    ("recipe", "side", "classes", "parameters", "second"),
    [
        ("nasnet-imagenet-large", 331, 1000, 88_753_150, 4_567_784),
        ("nasnet-imagenet-mobile", 224, 1000, 5_289_978, 2_411_240),
        ("nasnet-cifar", 32, 10, 3_346_538, 1_631_498),
    ],
)
def test_published_sizes(
    recipe: str, side: int, classes: int, parameters: int, second: int
) -> None:
    network = built(recipe, NASNET_A, side, classes)
    assert network.auxiliary is not None
    assert count_parameters(network.auxiliary) == second
    assert count_parameters(network) - second == parameters


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("recipe", "genotype"),
    [("amoebanet-cifar", AMOEBANET_A), ("darts-cifar", DARTS_V1), ("darts-cifar", DARTS_V2)],
)
def test_other_papers_networks(recipe: str, genotype: CellGenotype) -> None:
    network = built(recipe, genotype, 32, 10)
    assert len(network.cells) == 20
    logits, second = network(torch.randn(2, 3, 32, 32, device="meta"))
    assert logits.shape == second.shape == (2, 10)


@pytest.mark.parametrize(
    ("recipe", "side"), [("nasnet-imagenet-large", 331), ("nasnet-imagenet-mobile", 224)]
)
def test_batch_norms_of_the_imagenet_networks(recipe: str, side: int) -> None:
    network = built(recipe, NASNET_A, side, 1000)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.0003)}
    statistics = sum(name.endswith("running_mean") for name, _ in network.named_buffers())
    assert len(norms) == statistics  # there are no norms of another kind


@pytest.mark.parametrize("recipe", [name for name in RECIPES if "imagenet" not in name])
def test_batch_norms_of_all_others_are_as_for_cifar(recipe: str) -> None:
    """Epsilon 1e-5 and decay 0.9, as the authors' code has them there."""
    task = RECIPES[recipe].task(3, 32, 32, 10)
    assert (task.batch_norm_eps, task.batch_norm_momentum) == (1e-5, 0.1)


def test_the_large_network_alone_skips_the_input_of_reductions_and_drops_by_depth() -> None:
    large = built("nasnet-imagenet-large", NASNET_A, 331, 1000).train()
    large.set_progress(0.5)
    cells = len(large.cells)
    assert cells == 22  # 18, two reductions, two of the stem
    assert [large._drop(place) for place in (0, 10, cells - 1)] == pytest.approx(
        [0.5 * 0.3 / 22, 0.5 * 0.3 * 11 / 22, 0.5 * 0.3]
    )
    assert [p for p in range(cells) if large.previous(p) != p] == [9, 16]
    for other, side in (("nasnet-imagenet-mobile", 224), ("nasnet-cifar", 32)):
        network = built(other, NASNET_A, side, 10)
        assert all(network.previous(p) == p for p in range(len(network.cells)))
