import pytest
import torch
from torch import nn

from nas_gym.networks.cost import cost_on_meta, count_multiply_adds, count_parameters
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasnet_cell.network import NASNet
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("task", "millions"),
    [
        (Task(3, 32, 32, 10, repeats=2, filters=24), 136.4),
        (Task(3, 32, 32, 10, repeats=2, filters=32), 232.2),
        (Task(3, 32, 32, 10, repeats=6, filters=32), 544.3),
        (Task(3, 224, 224, 1000, repeats=4, filters=44, stem="imagenet"), 563.6),
        (Task(3, 331, 331, 1000, repeats=6, filters=168, stem="imagenet"), 23_783.4),
    ],
)
def test_published_multiply_adds(task: Task, millions: float) -> None:
    shape = (task.channels, task.height, task.width)
    cost = cost_on_meta(lambda: NASNet(NASNET_A, task), shape)
    assert round(cost.multiply_adds / 1e6, 1) == millions


def test_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.Flatten(), nn.Linear(8 * 36, 10))
    assert count_parameters(network) == 3 * 8 * 9 + 8 * 36 * 10 + 10
    assert count_multiply_adds(network, (3, 8, 8)) == 36 * 3 * 8 * 9 + 8 * 36 * 10


def test_frozen_parameters_are_not_counted() -> None:
    network = nn.Linear(3, 4)
    network.bias.requires_grad_(False)
    assert count_parameters(network) == 12


@pytest.mark.slow
def test_counting_leaves_the_network_as_it_is() -> None:
    network = NASNet(NASNET_A, Task(3, 8, 8, 10, filters=4, auxiliary=True))
    network.stem.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    counted = count_multiply_adds(network, (3, 8, 8))
    assert (
        counted
        == cost_on_meta(
            lambda: NASNet(NASNET_A, Task(3, 8, 8, 10, filters=4)), (3, 8, 8)
        ).multiply_adds
    )
    assert network.training
    assert not network.stem.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_the_count_does_not_depend_on_where_the_network_lives() -> None:
    task = Task(3, 8, 8, 10, filters=8)
    assert count_multiply_adds(NASNet(NASNET_A, task), (3, 8, 8)) == (
        cost_on_meta(lambda: NASNet(NASNET_A, task), (3, 8, 8)).multiply_adds
    )
