import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nas_gym.networks.kernels.convolution import by_rows, depthwise, diagonal_halving, pointwise

sides = st.integers(1, 9)
axes = st.tuples(st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 2]), st.sampled_from([1, 2]))


def reference(x: Tensor, weight: Tensor, axes: tuple[tuple[int, int, int], ...]) -> Tensor:
    """torch's convolution of the padded image."""
    pads: list[int] = []
    for size, (kernel, stride, dilation) in zip(x.shape[:1:-1], axes[::-1], strict=True):
        span = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1
        total = max(span - size, 0)
        pads += [total // 2, total - total // 2]
    (_, down, far), (_, right, wide) = axes
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(F.pad(x, pads), weight, None, (down, right), 0, (far, wide), groups)


def assert_same(ours: Tensor, theirs: Tensor, leaves: tuple[Tensor, ...]) -> None:
    """Equal values and equal gradients."""
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(theirs)
    for mine, other in zip(
        torch.autograd.grad(ours, leaves, upstream, allow_unused=True),
        torch.autograd.grad(theirs, leaves, upstream, allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@given(sides, sides, axes, axes)
@settings(max_examples=60, deadline=None)
def test_depthwise(
    height: int, width: int, down: tuple[int, int, int], right: tuple[int, int, int]
) -> None:
    x, weight = leaf(2, 3, height, width), leaf(3, 1, down[0], right[0])
    assert_same(
        depthwise(x, weight, (down, right)), reference(x, weight, (down, right)), (x, weight)
    )


@given(sides, sides, axes, axes)
@settings(max_examples=60, deadline=None)
def test_by_rows(
    height: int, width: int, down: tuple[int, int, int], right: tuple[int, int, int]
) -> None:
    x, weight = leaf(2, 3, height, width), leaf(4, 3, down[0], right[0])
    ours = by_rows(x, weight, (down, right))
    assert_same(ours, reference(x, weight, (down, right)), (x, weight))
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_pointwise() -> None:
    x, weight = leaf(2, 3, 5, 4), leaf(6, 3, 1, 1)
    assert_same(pointwise(x, weight), F.conv2d(x, weight), (x, weight))


@given(sides, sides)
@settings(max_examples=30, deadline=None)
def test_diagonal_halving(height: int, width: int) -> None:
    x, straight, shifted = leaf(2, 3, height, width), leaf(2, 3, 1, 1), leaf(2, 3, 1, 1)
    moved = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
    theirs = torch.cat((F.conv2d(x, straight, stride=2), F.conv2d(moved, shifted, stride=2)), dim=1)
    assert_same(diagonal_halving(x, straight, shifted), theirs, (x, straight, shifted))


def test_second_derivatives_exist() -> None:
    """Zero-cost scores differentiate gradients."""
    x, weight = leaf(2, 3, 4, 4), leaf(3, 1, 3, 3)
    square = ((3, 1, 1), (3, 1, 1))

    def function(x: Tensor, weight: Tensor) -> Tensor:
        return depthwise(x, weight, square).square()

    assert torch.autograd.gradgradcheck(function, (x, weight))


def test_a_table_made_in_inference_mode_can_train_later() -> None:
    square = ((3, 1, 1), (3, 1, 1))
    weight = leaf(3, 1, 3, 3)
    with torch.inference_mode():
        depthwise(torch.randn(2, 3, 3, 5, dtype=torch.float64), weight, square)
    depthwise(leaf(2, 3, 3, 5), weight, square).sum().backward()
    assert weight.grad is not None
