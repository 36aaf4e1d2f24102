"""Architectures by name, above all those of papers, with a space that each belongs to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nas_gym.search_spaces.conv_net import published as networks
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.search_spaces.nasnet_cell import published as cells
from nas_gym.search_spaces.rnn_cell import published as trees


class Published(NamedTuple):
    """An architecture with a name."""

    genotype: Any
    space: NetworkSpace[Any]  # builds it; a cell may have operations that it does not offer


def _all() -> dict[str, Published]:
    return {
        **{name: Published(g, cells.space_of(g)) for name, g in cells.PUBLISHED.items()},
        **{name: Published(g, networks.space_of(g)) for name, g in networks.PUBLISHED.items()},
        **{name: Published(g, trees.space_of(g)) for name, g in trees.PUBLISHED.items()},
    }


PUBLISHED: Mapping[str, Published] = MappingProxyType(_all())
