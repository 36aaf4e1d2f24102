"""A canvas: figures, tables and learning curves; knows no search space and needs no display.

Figures are matplotlib's, made without pyplot and without any global state; matplotlib is loaded at
the first drawing. ``nas_gym.search_spaces.rendering`` draws architectures on it.
"""

from nas_gym.drawing.curves import draw_learning_curve
from nas_gym.drawing.figures import rgb_array, save
from nas_gym.drawing.table import draw_table

__all__ = ["draw_learning_curve", "draw_table", "rgb_array", "save"]
