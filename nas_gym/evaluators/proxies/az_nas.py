"""Three of AZ-NAS's four proxies (Lee & Ham 2024, arXiv 2403.19232, section 3.2).

Definitions of the authors' code (``compute_az_nas_score.py``): weights by He et al. 2015, Gaussian
images, features after the stem and each cell. The fourth, the complexity, is the number of
multiply-adds. Where a cell does not read the feature before it, as some of NASNet's and some layers
with skip connections, trainability takes the latest earlier one that it reads, or the images.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas_gym.evaluators.proxies.features import features_of
from nas_gym.evaluators.proxies.weights import frozen, kaiming

IMPOSSIBLE = float("-inf")  # the value of a part that a network does not have


class AZParts(NamedTuple):
    """Three parts; ``-inf`` where a network has no such value."""

    expressivity: float  # >= 0, nats: the sum over features of their entropies
    progressivity: float  # nats: the least growth of entropy from a feature to the next
    trainability: float  # <= 0: how near the largest singular values of gradients are to 1


def az_nas_parts(network: nn.Module, images: Tensor) -> AZParts:
    """Return the parts of a network; it is initialised anew, and computes in training mode.

    Random numbers come from torch's global generator.

    Args:
        network: Maps images to logits.
        images: (batch, channels, height, width), Gaussian in the paper.
    """
    kaiming(network)
    network.train()
    with frozen(network):
        images = images.detach().requires_grad_()
        features = features_of(network, images)
        if len(features) < 2:
            return AZParts(IMPOSSIBLE, IMPOSSIBLE, IMPOSSIBLE)
        trainability = trainability_of(features, images)
    entropies = [entropy_of(feature.detach()) for feature in features]
    growths = [later - earlier for earlier, later in pairwise(entropies)]
    return AZParts(_number(sum(entropies)), _number(_least(growths)), _number(trainability))


def entropy_of(feature: Tensor) -> float:
    """Return the entropy, in nats, of the normalised eigenvalues of the channels' covariance.

    NaN of a feature that is constant.

    Args:
        feature: (batch, channels, height, width)
    """
    rows = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
    rows = rows - rows.mean(dim=0, keepdim=True)
    covariance = rows.t() @ rows / len(rows)
    if not bool(torch.isfinite(covariance).all()):
        return float("nan")
    eigenvalues = torch.linalg.eigvalsh(covariance).clamp_min(0)
    shares = eigenvalues / eigenvalues.sum()
    return float(-(shares * torch.log(shares + 1e-8)).sum())


def trainability_of(features: Sequence[Tensor], images: Tensor) -> float:
    """Return the mean over features, but the first, of 2 - s - 1 / (s + 1e-6).

    s is the largest singular value of E[g_in^T g_out]: g_out is random, -1 or 1, and g_in its
    gradient with respect to the feature before. ``-inf`` of what passes gradients unchanged, or
    none at all, as the authors' code has it.

    Args:
        features: In order, with their graphs.
        images: What the network was run on.
    """
    scores = []
    for place in reversed(range(1, len(features))):
        output = features[place]
        signs = torch.randint(0, 2, output.shape, device=output.device).to(output.dtype) * 2 - 1
        gradient = _gradient(output, signs, [*reversed(features[:place]), images])
        scores.append(IMPOSSIBLE if gradient is None else _score(gradient, signs))
    return sum(scores) / len(scores)


def _gradient(output: Tensor, signs: Tensor, sources: Sequence[Tensor]) -> Tensor | None:
    """Return the gradient with respect to the first of ``sources`` that the output reads."""
    if not output.requires_grad:
        return None
    for source in sources:
        if source.requires_grad:
            (found,) = torch.autograd.grad(
                output, source, signs, retain_graph=True, allow_unused=True
            )
            if found is not None:
                return found
    return None


def _score(gradient: Tensor, signs: Tensor) -> float:
    if gradient.shape == signs.shape and bool((gradient == signs).all()):
        return IMPOSSIBLE
    height, width = (min(a, b) for a, b in zip(gradient.shape[2:], signs.shape[2:], strict=True))
    g_in, g_out = (_pixels(g, int(height), int(width)) for g in (gradient, signs))
    matrix = g_in.t() @ g_out / len(g_out)
    if not bool(torch.isfinite(matrix).all()):
        return float("nan")
    largest = float(torch.linalg.svdvals(matrix).max())
    return 2 - largest - 1 / (largest + 1e-6)


def _pixels(gradient: Tensor, height: int, width: int) -> Tensor:
    """Return (batch * height * width, channels): squares of pixels become channels.

    Args:
        gradient: (batch, channels, rows, columns); a last square that is cut is filled with zeros.
        height: Of the result, at most ``rows``.
        width: Of the result, at most ``columns``.
    """
    rows, columns = (
        -(-int(n) // m) for n, m in zip(gradient.shape[2:], (height, width), strict=True)
    )
    missing = (height * rows - gradient.shape[2], width * columns - gradient.shape[3])
    if any(missing):
        gradient = nn.functional.pad(gradient, (0, missing[1], 0, missing[0]))
    batch, channels = gradient.shape[:2]
    squares = gradient.reshape(batch, channels, height, rows, width, columns)
    squares = squares.permute(0, 2, 4, 1, 3, 5)
    return squares.reshape(batch * height * width, channels * rows * columns)


def _least(growths: Sequence[float]) -> float:
    """Return the least growth; NaN if one is."""
    return min(growths) if all(growth == growth for growth in growths) else float("nan")


def _number(value: float) -> float:
    return IMPOSSIBLE if value != value else value
