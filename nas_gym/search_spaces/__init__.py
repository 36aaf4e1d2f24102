"""Search spaces say WHAT may be built; torch is imported only when a network is.

``grammar`` has the contract, stepping and replaying; ``moves`` has sampling, mutation, crossover,
enumeration and size. Each space has a folder with the same roles: ``genotype`` (data, checks,
JSON), ``space``, ``canonical`` and ``published`` if there is something to say, ``network`` and
``drawing``. ``docs/guide/own_space.md`` shows how to write your own.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.search_spaces.architecture import Architecture, architecture_of
    from nas_gym.search_spaces.conv_net import ConvNet
    from nas_gym.search_spaces.enas_rnn_cell import ENASRNNCell
    from nas_gym.search_spaces.grammar import (
        Choice,
        NetworkSpace,
        Pick,
        SearchSpace,
        decode,
        tokens_of,
    )
    from nas_gym.search_spaces.moves import random_tokens
    from nas_gym.search_spaces.nasbench201 import NASBench201, NATSSize
    from nas_gym.search_spaces.nasnet_cell import NASNetCell
    from nas_gym.search_spaces.rnn_cell import RNNCell

__all__ = [
    "Architecture",
    "Choice",
    "ConvNet",
    "ENASRNNCell",
    "NASBench201",
    "NASNetCell",
    "NATSSize",
    "NetworkSpace",
    "Pick",
    "RNNCell",
    "SearchSpace",
    "architecture_of",
    "decode",
    "random_tokens",
    "tokens_of",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Architecture": "architecture",
        "Choice": "grammar",
        "ConvNet": "conv_net",
        "ENASRNNCell": "enas_rnn_cell",
        "NASBench201": "nasbench201",
        "NASNetCell": "nasnet_cell",
        "NATSSize": "nasbench201",
        "NetworkSpace": "grammar",
        "Pick": "grammar",
        "RNNCell": "rnn_cell",
        "SearchSpace": "grammar",
        "architecture_of": "architecture",
        "decode": "grammar",
        "random_tokens": "moves",
        "tokens_of": "grammar",
    },
)
