"""Describe an architecture by its size and its parts, without building it in memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nas_gym.networks.task import LanguageTask, Task
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Part:
    """One row of the table of a network for images: a stem, a cell, a classifier."""

    name: str  # e.g. "normal3"
    parameters: int  # trainable
    channels: int  # of its output
    height: int  # of its output, pixels; 1 after a classifier
    width: int


@dataclass(frozen=True)
class LanguagePart:
    """One row of the table of a language model: the embedding, a layer of cells, the decoder."""

    name: str  # e.g. "layer0"
    parameters: int  # trainable; tied weights count where they come first
    units: int  # values that it gives for a word or character


@dataclass(frozen=True)
class Description:
    """What ``describe`` found."""

    parameters: int  # trainable, of the whole network
    # Of one example (a language model: of one word or character), in convolutions and matrix
    # products; no auxiliary classifier.
    multiply_adds: int
    # In the order of the network; the auxiliary classifier is one.
    parts: tuple[Part, ...] | tuple[LanguagePart, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}


def describe(
    genotype: Any, task: Task | LanguageTask, space: NetworkSpace[Any] | None = None
) -> Description:
    """Count the parameters and multiply-adds of the network of ``genotype``, in all and by part.

    Takes about a second and no memory for networks of any size.

    Args:
        genotype: A genotype of ``space``.
        task: Shape of the images, or vocabulary of the text, and size of the network.
        space: Says how the network is built; NASNet's by default.

    Raises:
        InvalidGenotype: ``space`` cannot build the genotype.
        InvalidOption: A size in ``task`` that does not fit.
    """
    import torch

    from nas_gym.networks.cost import count_multiply_adds, count_parameters

    with torch.device("meta"):
        builder: NetworkSpace[Any] = NASNetCell() if space is None else space
        network: nn.Module = builder.build(genotype, task)
    modules = dict(_parts(network))
    shapes: dict[str, tuple[int, ...]] = {}
    hooks = [
        module.register_forward_hook(
            lambda _, __, output, name=name: shapes.__setitem__(name, _shape(output))
        )
        for name, module in modules.items()
    ]
    if isinstance(task, LanguageTask):
        multiply_adds = count_multiply_adds(network, (1,), torch.int64)  # one word
    else:
        multiply_adds = count_multiply_adds(network, (task.channels, task.height, task.width))
    for hook in hooks:
        hook.remove()
    parameters = _own_parameters(modules)
    parts: tuple[Part, ...] | tuple[LanguagePart, ...]
    if isinstance(task, LanguageTask):
        parts = tuple(LanguagePart(n, parameters[n], shapes.get(n, (0,))[-1]) for n in modules)
    else:
        unseen = (1, task.classes)  # an auxiliary classifier's, which evaluation leaves out
        sizes = {name: (*shapes.get(name, unseen), 1, 1)[1:4] for name in modules}
        parts = tuple(Part(name, parameters[name], *sizes[name]) for name in modules)
    return Description(count_parameters(network), multiply_adds, parts)


def _shape(output: Any) -> tuple[int, ...]:
    """Of what a module gives; a recurrent layer gives its state as well."""
    return tuple((output[0] if isinstance(output, tuple) else output).shape)


def _own_parameters(modules: "dict[str, nn.Module]") -> dict[str, int]:
    """Trainable parameters of each module that none before it has."""
    seen: set[int] = set()
    counts = {}
    for name, module in modules.items():
        own = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
        seen.update(map(id, own))
        counts[name] = sum(p.numel() for p in own)
    return counts


def _parts(network: "nn.Module") -> Iterator[tuple[str, "nn.Module"]]:
    """The network's direct children, and those of its collections, by name."""
    from torch import nn

    for name, child in network.named_children():
        if isinstance(child, nn.ModuleDict):
            yield from child.items()
        elif isinstance(child, nn.ModuleList):
            each = name.removesuffix("s")
            yield from ((f"{each}{index}", part) for index, part in enumerate(child))
        elif any(True for _ in child.parameters()):
            yield name, child
