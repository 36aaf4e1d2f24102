"""All recipes that have a name, whatever is trained by them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nas_gym.training.images.presets import RECIPES, UNFITTED
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe

AnyRecipe = str | Mapping[str, Any] | Recipe | LanguageRecipe  # as users name one
NAMED_RECIPES: Mapping[str, Recipe | LanguageRecipe] = MappingProxyType(
    {**RECIPES, **UNFITTED, **LANGUAGE_RECIPES}
)
