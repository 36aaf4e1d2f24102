"""Whole convolutional networks, layer by layer (Zoph & Le 2016)."""

from nas_gym.search_spaces.conv_net.genotype import ConvLayer, ConvNetGenotype
from nas_gym.search_spaces.conv_net.space import ConvNet

__all__ = ["ConvLayer", "ConvNet", "ConvNetGenotype"]
