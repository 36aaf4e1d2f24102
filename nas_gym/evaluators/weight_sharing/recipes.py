"""The recipes by which shared weights are trained."""

from collections.abc import Mapping
from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.training.images.presets import recipe_of
from nas_gym.training.text.recipe import language_recipe_of

# The name of the usual one, by the evaluator that trains the space's architectures alone.
USUAL = {"training": "supernet", "language-model": "supernet-text"}
UPDATES = 200  # of each shared weight: about three times what a child's own training takes here
_WITHOUT = {  # values of a recipe, and why they cannot be
    "ema": "shared weights are not averaged: give 0, or another recipe",
    "auxiliary_weight": "paths have no auxiliary classifier: give 0, or another recipe",
    "parameters": "shared weights have one size for all cells: give hidden, or another recipe",
}


def named_recipe(given: Any, trainer: str, space: SearchSpace[Any], paths: int | None) -> Any:
    """Return a recipe by its name, with the steps in which each weight is updated often enough.

    Steps and epochs that are given stay as they are, and so does what is no ``"supernet"``.

    Args:
        given: A name, ``{"name": …}`` with values to replace, a recipe, or None: the usual one.
        trainer: The evaluator that trains the space's architectures alone.
        space: Of the architectures.
        paths: That a step trains; None: as many as the longest choice has options.
    """
    changes: dict[str, Any] = {"name": USUAL[trainer]}
    if isinstance(given, str):
        changes["name"] = given
    elif isinstance(given, Mapping):
        changes |= given
    elif given is not None:
        return given
    if changes["name"] == USUAL["training"] and not {"steps", "epochs"} & changes.keys():
        changes["steps"] = UPDATES if paths is None else UPDATES * space.max_options // paths
    return changes


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
