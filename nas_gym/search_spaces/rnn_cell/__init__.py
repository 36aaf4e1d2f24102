"""Recurrent cells as trees (Zoph & Le 2016)."""

from nas_gym.search_spaces.rnn_cell.genotype import Node, RNNCellGenotype
from nas_gym.search_spaces.rnn_cell.space import RNNCell

__all__ = ["Node", "RNNCell", "RNNCellGenotype"]
