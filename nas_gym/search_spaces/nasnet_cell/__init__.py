"""NASNet's cells (Zoph et al. 2017), and those of papers with fewer choices."""

from nas_gym.search_spaces.nasnet_cell.genotype import Block, Cell, CellGenotype
from nas_gym.search_spaces.nasnet_cell.space import AMOEBANET_CELL, ENAS_MICRO_CELL, NASNetCell

__all__ = ["AMOEBANET_CELL", "ENAS_MICRO_CELL", "Block", "Cell", "CellGenotype", "NASNetCell"]
