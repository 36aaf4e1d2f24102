"""Recurrent cells as chains (Pham et al. 2018, ENAS)."""

from nas_gym.search_spaces.enas_rnn_cell.genotype import ENASNode, ENASRNNCellGenotype
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell

__all__ = ["ENASNode", "ENASRNNCell", "ENASRNNCellGenotype"]
