"""Architectures and learning curves, drawn and in words; needs no display.

Figures are matplotlib's, made without pyplot and without any global state; matplotlib is loaded at
the first drawing.
"""

from nas_gym.drawing.architectures import (
    draw_genotype,
    draw_partial,
    genotype_as_text,
    render_tokens,
)
from nas_gym.drawing.cells import draw_cells
from nas_gym.drawing.curves import draw_learning_curve
from nas_gym.drawing.figures import rgb_array, save
from nas_gym.drawing.kinds import kind_of
from nas_gym.drawing.tables import draw_tokens
from nas_gym.drawing.words import cells_as_text, choices_in_words

__all__ = [
    "cells_as_text",
    "choices_in_words",
    "draw_cells",
    "draw_genotype",
    "draw_learning_curve",
    "draw_partial",
    "draw_tokens",
    "genotype_as_text",
    "kind_of",
    "render_tokens",
    "rgb_array",
    "save",
]
