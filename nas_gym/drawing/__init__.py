"""A canvas: figures, tables and learning curves; knows no search space and needs no display.

Figures are matplotlib's, made without pyplot and without any global state; matplotlib is loaded at
the first drawing, with its own defaults (``plain``). ``nas_gym.search_spaces.rendering`` draws
architectures on it.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.drawing.curves import draw_learning_curve
    from nas_gym.drawing.figures import rgb_array, save
    from nas_gym.drawing.formats import drawing_path
    from nas_gym.drawing.front import draw_front
    from nas_gym.drawing.table import draw_table

__all__ = ["draw_front", "draw_learning_curve", "draw_table", "drawing_path", "rgb_array", "save"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "draw_front": "front",
        "draw_learning_curve": "curves",
        "draw_table": "table",
        "drawing_path": "formats",
        "rgb_array": "figures",
        "save": "figures",
    },
)
