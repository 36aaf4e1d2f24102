"""The feature maps of any network for images: after its stem and each of its cells.

AZ-NAS's code asks its own networks for them. Here they are found by hooks, in every network:

1. The parts of a network are its children. A ``ModuleList`` or ``ModuleDict`` only holds modules,
   so its members count in its place. For the networks of the package's spaces, these are the stem
   and the cells (NASNet, NAS-Bench-201, NATS-Bench) or the layers (``ConvNet``).
2. A layer without weights (a norm, an activation, a pool, a flattening) is no part of its own: it
   belongs to what came before.
3. A feature is the output of a part, in the order in which they run, if it is a batch of images:
   (batch, channels, height, width). A part that gives several tensors counts with the first such.
4. If there are fewer than three features, as in ``Sequential(backbone, head)``, each part is opened
   and its children take its place, as often as needed and possible.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

LEAST = 3  # features, below which parts are opened


def features_of(network: nn.Module, images: Tensor) -> list[Tensor]:
    """Run ``network`` on ``images`` and return its feature maps, in order.

    Args:
        network: Any module that takes images.
        images: (batch, channels, height, width)

    Returns:
        Tensors (batch, channels, height, width), each with the graph that made it; none if no part
        of the network gives images.
    """
    parts = list(_held([network]))
    if len(parts) == 1 and parts[0] is network:
        parts = _opened(parts)
    while True:
        features = _run(network, parts, images)
        opened = _opened(parts)
        if len(features) >= LEAST or opened == parts:
            return features
        parts = opened


def _held(modules: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """Yield modules, those that only hold others replaced by these."""
    for module in modules:
        if isinstance(module, nn.ModuleList | nn.ModuleDict):
            yield from _held(list(module.children()))
        else:
            yield module


def _opened(parts: Sequence[nn.Module]) -> list[nn.Module]:
    """Return parts with each that has children replaced by these."""
    return list(_held([m for part in parts for m in (list(part.children()) or [part])]))


def is_part(module: nn.Module) -> bool:
    """Return whether a module is a part of its own: it has weights, or others inside."""
    inside = next(module.children(), None) is not None
    return inside or any(parameter.dim() > 1 for parameter in module.parameters())


def _run(network: nn.Module, parts: Sequence[nn.Module], images: Tensor) -> list[Tensor]:
    features: list[Tensor] = []

    def keep(module: nn.Module, given: Any, output: Any) -> None:
        found = _first_images(output)
        if found is not None and not any(found is feature for feature in features):
            features.append(found)

    hooks = [part.register_forward_hook(keep) for part in parts if is_part(part)]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return features


def _first_images(output: Any) -> Tensor | None:
    """Return the first batch of images in what a module gave."""
    if isinstance(output, Tensor):
        return output if output.dim() == 4 and output.is_floating_point() else None
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, list | tuple):
        return next((x for each in output if (x := _first_images(each)) is not None), None)
    return None


def logits_of(output: Any) -> Tensor:
    """Return the logits among what a network gave: the tensor itself, or the first of several."""
    while not isinstance(output, Tensor):
        output = output[0]
    return output
