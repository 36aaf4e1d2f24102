"""A recipe in words: that of a final training, seen from the search; what trainings count in."""

from collections.abc import Mapping
from typing import Any

from nas_gym.training.named import NAMED_RECIPES

AS_SEARCHED = "as in the search"  # the recipe of a final training


def unit_of(recipe: Any) -> str:
    """Return what a training is counted in: ``epoch``, or ``part`` where its length is in steps.

    Such a training has ``nas_gym.training.images.recipe.PARTS`` of them, which are no epochs:
    nobody knows how many passes over the data they are.

    Args:
        recipe: The recipe, or its JSON data, or a protocol that has it; None: unknown.
    """
    data = recipe if isinstance(recipe, Mapping) else getattr(recipe, "__dict__", {})
    return "part" if (data.get("recipe") or data).get("steps") else "epoch"


def recipe_in_words(config: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    """Say in a few words how the trainings of ``protocol`` were done, seen from the search."""
    searched = config.get("protocol") or {}
    if "alone" in searched:  # what was measured was no training of its own
        searched = {**searched, "recipe": None}
    words = _recipe_alone_in_words(searched, protocol)
    sizes = [
        " x ".join(str((told.get("task") or {}).get(side)) for side in ("height", "width"))
        for told in (searched, protocol)
    ]
    return words if sizes[0] == sizes[1] else f"{words}, {sizes[1]} pixels"


def _recipe_alone_in_words(searched: Mapping[str, Any], protocol: Mapping[str, Any]) -> str:
    recipe = protocol.get("recipe") or {}
    if recipe == (searched.get("recipe") or {}):
        return AS_SEARCHED
    for name, known in NAMED_RECIPES.items():
        if known.to_json() == known.to_json() | recipe:  # an older version recorded fewer options
            return name
    length = next(
        (f"{recipe[unit]} {unit}" for unit in ("steps", "epochs") if recipe.get(unit)), "?"
    )
    return f"another one of {length}"
