"""What recipes of all kinds share: checks of their values, and named ones with changes."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.options import check_all

R = TypeVar("R")


def check_integer(name: str, value: object, least: int) -> None:
    """Raise InvalidOption where ``value`` is no whole number of ``least`` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOption(f"{name} is {value!r}: give a whole number of {least} or more")


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Raise InvalidOption where ``value`` is no number in [low, high)."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value < high:  # type: ignore[operator]
        limit = "" if high == math.inf else f" and below {high:g}"
        raise InvalidOption(f"{name} is {value!r}: give a number of {low:g} or more{limit}")


def named_recipe(given: str | Mapping[str, Any] | R, recipes: Mapping[str, R], usual: str) -> R:
    """The recipe of that name; of ``{"name": …, "epochs": …}``, with some values changed; itself.

    Args:
        given: Which one.
        recipes: Those with a name.
        usual: The name where none is given.

    Raises:
        UnknownName: No such recipe, or no such value in a recipe.
        InvalidOption: A value out of range.
    """
    if not isinstance(given, str | Mapping):
        return given
    changes = {"name": given} if isinstance(given, str) else dict(given)
    name = changes.pop("name", usual)
    if name not in recipes:
        raise unknown_name("recipe", name, recipes)
    recipe: Any = recipes[name]  # a dataclass
    changed: R = replace(recipe, **check_all(type(recipe), changes, f"recipe {name!r}"))
    return changed
