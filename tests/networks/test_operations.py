import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.networks.convolutions import SamePaddedConv2d
from nas_gym.networks.operations import (
    OPERATION_NAMES,
    FactorizedReduction,
    HiddenState,
    Pool,
    operation,
)
from nas_gym.search_spaces.nasnet_cell.genotype import OPERATIONS

SIZES = [(8, 8), (7, 7), (4, 4), (2, 2), (1, 1), (5, 8), (1, 6)]


def same_padded(x: Tensor, kernel: int, stride: int, dilation: int, value: float) -> Tensor:
    """TensorFlow's definition of "SAME": the odd zero goes to the bottom and right."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        needed = (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1
        total = max(needed - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def images(channels: int, size: tuple[int, int], batch: int = 60) -> Tensor:
    return torch.randn(batch, channels, *size, dtype=torch.float64)


def test_every_operation_of_the_spaces_can_be_built() -> None:
    assert set(OPERATION_NAMES) == set(OPERATIONS)


@pytest.mark.few(70)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_shapes(name: str, size: tuple[int, int], stride: int) -> None:
    for channels in (4, 6):
        x = torch.randn(2, channels, *size, requires_grad=True)
        y = operation(name, channels, 4, stride)(HiddenState(x))
        assert y.shape == (2, 4, -(-size[0] // stride), -(-size[1] // stride))
        y.sum().backward()


@pytest.mark.few(75)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (7, 1), (3, 2)])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("batch", [3, 60])  # below and above where matrix products pay
def test_convolutions_equal_padding_and_convolving(
    size: tuple[int, int], stride: int, kernel: int, dilation: int, groups: int, batch: int
) -> None:
    layer = SamePaddedConv2d(4, 4, (kernel, kernel), (stride, stride), dilation, groups).double()
    x = images(4, size, batch)
    padded = same_padded(x, kernel, stride, dilation, 0.0)
    expected = F.conv2d(padded, layer.weight, None, stride, 0, dilation, groups)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_pools_ignore_the_padding(size: tuple[int, int], stride: int, kernel: int) -> None:
    x = images(3, size, 2)
    highest = F.max_pool2d(same_padded(x, kernel, stride, 1, float("-inf")), kernel, stride)
    torch.testing.assert_close(Pool("max", kernel, stride, 3, 3)(HiddenState(x)), highest)
    total = F.avg_pool2d(same_padded(x, kernel, stride, 1, 0.0), kernel, stride)
    inside = F.avg_pool2d(same_padded(torch.ones_like(x), kernel, stride, 1, 0.0), kernel, stride)
    mean = total / inside
    torch.testing.assert_close(Pool("avg", kernel, stride, 3, 3)(HiddenState(x)), mean)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("filters", [2, 4, 5, 95])
@pytest.mark.parametrize("fast", [True, False])
def test_factorized_reduction_sees_both_diagonals(
    size: tuple[int, int], filters: int, fast: bool
) -> None:
    layer = FactorizedReduction(3, filters).double().eval()
    layer.fast = fast
    x = images(3, size, 2)
    moved = F.pad(x.relu(), (0, 1, 0, 1))[:, :, 1:, 1:]
    expected = torch.cat(
        (
            F.conv2d(x.relu(), layer.straight.weight, stride=2),
            F.conv2d(moved, layer.shifted.weight, stride=2),
        ),
        dim=1,
    )
    torch.testing.assert_close(layer(HiddenState(x)), layer.norm(expected))


@pytest.mark.parametrize(("filters", "shares"), [(2, (1, 1)), (47, (23, 24)), (96, (48, 48))])
def test_the_second_half_has_the_odd_filter(filters: int, shares: tuple[int, int]) -> None:
    """As in TensorFlow slim's nasnet_utils.py."""
    layer = FactorizedReduction(3, filters)
    assert (layer.straight.out_channels, layer.shifted.out_channels) == shares
    assert layer.norm.num_features == filters


def test_one_filter_cannot_be_shared() -> None:
    with pytest.raises(InvalidOption, match="share the filters, which are 1: give more"):
        FactorizedReduction(3, 1)


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [
        ("conv_1x1", 1),
        ("conv_3x3", 1),
        ("dilated_conv_3x3", 1),
        ("conv_1x3_3x1", 2),
        ("conv_1x7_7x1", 2),
        ("dilated_sep_conv_3x3", 1),
        ("dilated_sep_conv_5x5", 1),
        ("sep_conv_3x3", 2),
        ("sep_conv_5x5", 2),
        ("sep_conv_7x7", 2),
    ],
)
def test_relu_comes_before_each_convolution_and_normalisation_after(
    name: str, convolutions: int
) -> None:
    layer = operation(name, 4, 4, 1)
    order: list[tuple[str, bool]] = []

    def record(module: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        kind = "norm" if isinstance(module, nn.BatchNorm2d) else "convolution"
        order.append((kind, bool((inputs[0] >= 0).all())))

    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d | SamePaddedConv2d):
            module.register_forward_hook(record)
    layer(HiddenState(images(4, (8, 8), 3).float()))
    pointwise = [("convolution", False)] if "sep" in name else []  # nothing in between
    assert order == [("convolution", True), *pointwise, ("norm", False)] * convolutions


def test_operations_leave_the_state_as_it_is() -> None:
    x = images(4, (8, 8), 3).float()
    before, state = x.clone(), HiddenState(x)
    for name in OPERATIONS:
        operation(name, 4, 4, 1)(state)
    torch.testing.assert_close(x, before)
    torch.testing.assert_close(state.rectified, before.relu())


def test_unknown_operation() -> None:
    with pytest.raises(UnknownName, match="did you mean 'sep_conv_3x3'"):
        operation("sep_conv_3x", 4, 4, 1)
