"""TensorFlow's "SAME" padding of one side of an image."""

Axis = tuple[int, int, int]  # kernel, stride and dilation along one side


def same_padding(size: int, axis: Axis) -> tuple[int, int]:
    """Return the zeros before and after a side of ``size`` pixels that becomes ceil(size / stride).

    The odd one of an odd number of zeros is after the side: below, or on the right.
    """
    kernel, stride, dilation = axis
    span = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1
    total = max(span - size, 0)
    return total // 2, total - total // 2
