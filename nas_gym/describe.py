"""Describe an architecture by its size and its parts, without building it in memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nas_gym.search_spaces.grammar import NetworkSpace, Task
from nas_gym.search_spaces.nasnet_cell import NASNetCell

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Part:
    """One row of the table: a stem, a cell, a classifier."""

    name: str  # e.g. "normal3"
    parameters: int  # trainable
    channels: int  # of its output
    height: int  # of its output, pixels; 1 after a classifier
    width: int


@dataclass(frozen=True)
class Description:
    """What ``describe`` found."""

    parameters: int  # trainable, of the whole network
    multiply_adds: int  # of one example, convolutions and classifiers; no auxiliary classifier
    parts: tuple[Part, ...]  # in the order of the network; the auxiliary classifier is one

    def to_json(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}


def describe(genotype: Any, task: Task, space: NetworkSpace[Any] | None = None) -> Description:
    """Count the parameters and multiply-adds of the network of ``genotype``, in all and by part.

    Takes about a second and no memory for networks of any size.

    Args:
        genotype: A genotype of ``space``.
        task: Shape of the images and size of the network.
        space: Says how the network is built; NASNet's by default.

    Raises:
        InvalidGenotype: ``space`` cannot build the genotype.
        InvalidOption: A size in ``task`` that does not fit.
    """
    import torch

    from nas_gym.training.cost import count_multiply_adds, count_parameters

    with torch.device("meta"):
        network: nn.Module = (space or NASNetCell()).build(genotype, task)
    parts = dict(_parts(network))
    shapes: dict[str, tuple[int, ...]] = {}
    hooks = [
        module.register_forward_hook(
            lambda _, __, output, name=name: shapes.__setitem__(name, tuple(output.shape))
        )
        for name, module in parts.items()
    ]
    multiply_adds = count_multiply_adds(network, (task.channels, task.height, task.width))
    for hook in hooks:
        hook.remove()
    rows = []
    for name, module in parts.items():
        _, channels, height, width = (*shapes.get(name, (1, task.classes)), 1, 1)[:4]
        rows.append(Part(name, count_parameters(module), channels, height, width))
    return Description(count_parameters(network), multiply_adds, tuple(rows))


def _parts(network: "nn.Module") -> Iterator[tuple[str, "nn.Module"]]:
    """The network's direct children, and those of its collections, by name."""
    from torch import nn

    for name, child in network.named_children():
        if isinstance(child, nn.ModuleDict):
            yield from child.items()
        elif isinstance(child, nn.ModuleList):
            yield from ((f"{name}{index}", part) for index, part in enumerate(child))
        elif any(True for _ in child.parameters()):
            yield name, child
