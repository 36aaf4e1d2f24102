"""What operations cost, computed from their sizes: thousands of times as fast as building them.

The numbers are those that ``nas_gym.networks.cost`` counts in the built modules.
"""

from collections.abc import Iterable

from nas_gym.networks.cost import Cost
from nas_gym.networks.operations import DENSE, FACTORIZED, POOLS, SEPARABLE

Sides = tuple[int, int]  # height and width, pixels


def strided(sides: Sides, stride: Sides) -> Sides:
    """Return the sides after a "SAME" padded operation."""
    return (-(-sides[0] // stride[0]), -(-sides[1] // stride[1]))


def convolution_cost(
    in_channels: int, out_channels: int, kernel: Sides, outside: Sides, norm: bool = True
) -> Cost:
    """Return the cost of a convolution without bias, by default with batch normalisation.

    Args:
        in_channels: Channels that each filter sees; 1 of a depthwise convolution.
        out_channels: Filters.
        kernel: Height and width.
        outside: Sides of the output.
        norm: Whether a batch normalisation follows.
    """
    weights = in_channels * out_channels * kernel[0] * kernel[1]
    return Cost(weights + 2 * out_channels * norm, weights * outside[0] * outside[1])


def linear_cost(inputs: int, outputs: int) -> Cost:
    """Return the cost of a linear layer with bias."""
    return Cost(inputs * outputs + outputs, inputs * outputs)


def operation_cost(name: str, channels: int, filters: int, stride: int, sides: Sides) -> Cost:
    """Return the cost of ``nas_gym.networks.operations.operation`` on inputs of these sides."""
    outside = strided(sides, (stride, stride))
    if name == "identity":
        changes = stride > 1 or channels != filters
        return projection_cost(channels, filters, outside) if changes else Cost(0, 0)
    if name in POOLS:
        return projection_cost(channels, filters, outside) if channels != filters else Cost(0, 0)
    if name in DENSE:
        kernel = DENSE[name][0]
        return convolution_cost(channels, filters, (kernel, kernel), outside)
    if name in FACTORIZED:
        length = FACTORIZED[name]
        between = strided(sides, (1, stride))
        return total(
            [
                convolution_cost(channels, filters, (1, length), between),
                convolution_cost(filters, filters, (length, 1), outside),
            ]
        )
    kernel, _, times = SEPARABLE[name]
    stages = [(channels, filters), *[(filters, filters)] * (times - 1)]
    return total([_separable(*stage, kernel, outside) for stage in stages])


def projection_cost(channels: int, filters: int, outside: Sides) -> Cost:
    """Return the cost of a 1x1 convolution with batch normalisation."""
    return convolution_cost(channels, filters, (1, 1), outside)


def halving_cost(channels: int, filters: int, sides: Sides) -> Cost:
    """Return the cost of ``FactorizedReduction``: two convolutions that share the filters."""
    return projection_cost(channels, filters, strided(sides, (2, 2)))


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum."""
    parameters, multiply_adds = zip(*costs, strict=True)
    return Cost(sum(parameters), sum(multiply_adds))


def _separable(channels: int, filters: int, kernel: int, outside: Sides) -> Cost:
    """Return the cost of a depthwise and a pointwise convolution with one normalisation."""
    depthwise = convolution_cost(1, channels, (kernel, kernel), outside, norm=False)
    return total([depthwise, projection_cost(channels, filters, outside)])
