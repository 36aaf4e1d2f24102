"""Describe an architecture by its size and its parts, without building it in memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nas_gym.networks.task_kinds import kind_of
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

if TYPE_CHECKING:
    from torch import nn

MOST_DESCRIBED = 2**36  # parameters: a thousand times what was ever found by a search


@dataclass(frozen=True)
class Description:
    """A network's size in all and by part, as ``describe`` found it."""

    parameters: int  # trainable, of the whole network
    # Of one example, in convolutions and matrix products; no auxiliary classifier.
    multiply_adds: int
    # Rows of ``nas_gym.networks.task_kinds``, in the order of the network; the auxiliary classifier
    # is one.
    parts: tuple[Any, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON data."""
        return {**asdict(self), "parts": [asdict(part) for part in self.parts]}


def describe(genotype: Any, task: Any, space: NetworkSpace[Any] | None = None) -> Description:
    """Count the parameters and multiply-adds of the network of ``genotype``, in all and by part.

    Takes no memory, and a fraction of a second, for networks of any size.

    Args:
        genotype: A genotype of ``space``.
        task: What the network is built for and how large, e.g. ``nas_gym.networks.task.Task``.
        space: Says how the network is built; NASNet's by default.

    Raises:
        InvalidGenotype: ``space`` cannot build the genotype.
        InvalidOption: A size in ``task`` that does not fit, or is beyond any network.
    """
    import torch

    from nas_gym.networks.cost import at_most, count_multiply_adds, count_parameters, on_meta

    with on_meta(), at_most(MOST_DESCRIBED):
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
    kind = kind_of(task)
    shape, dtype = kind.example(task)
    multiply_adds = count_multiply_adds(network, shape, getattr(torch, dtype))
    for hook in hooks:
        hook.remove()
    own = _own_parameters(modules)
    parts = tuple(kind.part(task, name, own[name], shapes.get(name)) for name in modules)
    return Description(count_parameters(network), multiply_adds, parts)


def _shape(output: Any) -> tuple[int, ...]:
    """Return the shape of what a module gives; a recurrent layer gives its state as well."""
    return tuple((output[0] if isinstance(output, tuple) else output).shape)


def _own_parameters(modules: "dict[str, nn.Module]") -> dict[str, int]:
    """Count the trainable parameters of each module that none before it has."""
    seen: set[int] = set()
    counts = {}
    for name, module in modules.items():
        own = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
        seen.update(map(id, own))
        counts[name] = sum(p.numel() for p in own)
    return counts


def _parts(network: "nn.Module") -> Iterator[tuple[str, "nn.Module"]]:
    """Yield the network's direct children, and those of its collections, by name."""
    from torch import nn

    for name, child in network.named_children():
        if isinstance(child, nn.ModuleDict):
            yield from child.items()
        elif isinstance(child, nn.ModuleList):
            each = name.removesuffix("s")
            yield from ((f"{each}{index}", part) for index, part in enumerate(child))
        elif any(True for _ in child.parameters()):
            yield name, child
