"""Whether a network's logits depend on its images at all: one that is dead has the lowest rank.

What proxies look at does not show it: AZ-NAS sees features before a part that loses them all, and
sizes are known of any network. So the logits of the passes that proxies make anyway are looked at.
One pass in which they differ is proof that they depend on the images. That they never do is
believed only after two passes more: as it was initialised, since weights of another kind may have
lost everything, and with AZ-NAS's own weights, since a last layer may begin as zeros.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from nas_gym.evaluators.proxies.features import logits_of
from nas_gym.evaluators.proxies.weights import kaiming, put_back

ROUNDING = 1e-5  # of the largest logit: rows of a product that are equal may differ by less


def differ(logits: Tensor) -> bool:
    """Return whether logits are finite, and not the same for all images.

    Args:
        logits: (batch, ...), batch >= 2.
    """
    rows = logits.detach().flatten(1)
    if not rows.numel() or not bool(torch.isfinite(rows).all()):
        return False
    spread = (rows.max(dim=0).values - rows.min(dim=0).values).max()
    return bool(spread > ROUNDING * rows.abs().max())


@contextmanager
def watched(network: nn.Module) -> Iterator[list[bool]]:
    """Note of each pass of two images or more inside the block whether the logits differ.

    Nothing of a network with dropout: its logits differ by themselves.
    """
    seen: list[bool] = []

    def note(module: nn.Module, given: Any, output: Any) -> None:
        logits = logits_of(output)
        if len(logits) > 1:
            seen.append(differ(logits))

    watching = None if _dropouts(network) else network.register_forward_hook(note)
    try:
        yield seen
    finally:
        if watching is not None:
            watching.remove()


@torch.no_grad()
def responds(network: nn.Module, images: Tensor) -> bool:
    """Return whether the logits depend on the images, by one pass or two; dropout is off.

    Random numbers come from torch's global generator.

    Args:
        network: In its initial state; stays as it is.
        images: (batch, channels, height, width), batch >= 2; Gaussian.
    """
    with put_back(network):
        network.train()
        for dropout in _dropouts(network):
            dropout.eval()
        if differ(logits_of(network(images))):
            return True
        kaiming(network)
        return differ(logits_of(network(images)))


def _dropouts(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, _DropoutNd) and module.p]
