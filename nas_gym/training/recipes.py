"""Recipes by name, with some of their values changed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from nas_gym.errors import unknown_name
from nas_gym.options import check_all

R = TypeVar("R")


def named_recipe(given: str | Mapping[str, Any] | R, recipes: Mapping[str, R], usual: str) -> R:
    """Return the recipe of a name, with some values changed if they are given.

    Args:
        given: A name, ``{"name": …, "epochs": …}`` with values to change, or the recipe itself.
        recipes: Those with a name.
        usual: The name if a mapping has none.

    Raises:
        UnknownName: No such recipe, or no such value in a recipe.
        InvalidOption: A value out of range.
    """
    if not isinstance(given, str | Mapping):
        return given
    changes = {"name": given} if isinstance(given, str) else dict(given)
    name = changes.pop("name", usual)
    if name not in recipes:
        raise unknown_name("recipe", name, recipes, "all of `nas-gym list`")
    recipe: Any = recipes[name]  # a dataclass
    changed: R = replace(recipe, **check_all(type(recipe), changes, f"recipe {name!r}"))
    return changed
