"""The recipes by which shared weights are trained."""

from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.training.images.presets import recipe_of
from nas_gym.training.text.recipe import language_recipe_of

# The name of the usual one, by the evaluator that trains the space's architectures alone.
USUAL = {"training": "supernet", "language-model": "supernet-text"}
_WITHOUT = {  # values of a recipe, and why they cannot be
    "ema": "shared weights are not averaged: give 0, or another recipe",
    "auxiliary_weight": "paths have no auxiliary classifier: give 0, or another recipe",
    "parameters": "shared weights have one size for all cells: give hidden, or another recipe",
}


def check_recipe(given: Any, trainer: str) -> None:
    """Refuse what shared weights cannot be trained by; nothing is loaded.

    Args:
        given: A name, ``{"name": …}`` with values to replace, or a recipe.
        trainer: The evaluator that trains the space's architectures alone.

    Raises:
        InvalidOption: A value that shared weights cannot have.
        UnknownName: No such recipe, or no such value in it.
    """
    read: Any = language_recipe_of if trainer == "language-model" else recipe_of
    recipe = read(given, USUAL[trainer])
    for option, why in _WITHOUT.items():
        if value := getattr(recipe, option, None):
            raise InvalidOption(f"{option} of the recipe is {value!r}, and {why}")
