"""Architectures by name, those of papers above all, with a space that each belongs to."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from nas_gym.search_spaces.conv_net import published as published_networks
from nas_gym.search_spaces.conv_net.space import NO_STRIDE
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.search_spaces.nasnet_cell import published as published_cells
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell import published as published_rnn_cells
from nas_gym.search_spaces.rnn_cell.space import RNNCell


class Published(NamedTuple):
    """An architecture with a name."""

    genotype: Any
    space: NetworkSpace[Any]  # builds it; a cell may have operations that it does not offer


def _all() -> dict[str, Published]:
    cells = {n: Published(g, NASNetCell()) for n, g in published_cells.PUBLISHED.items()}
    networks = {
        name: Published(genotype, replace(NO_STRIDE, depth=len(genotype.layers)))
        for name, genotype in published_networks.PUBLISHED_NETWORKS.items()
    }
    trees = {n: Published(g, RNNCell(g.base)) for n, g in published_rnn_cells.PUBLISHED.items()}
    return {**cells, **networks, **trees}


PUBLISHED: Mapping[str, Published] = MappingProxyType(_all())
