"""Training of language models: texts, recipes, the loop, the size of a child."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.training.text.dataset import TextDataset, load_text, text_from_strings
    from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe

__all__ = [
    "LANGUAGE_RECIPES",
    "LanguageRecipe",
    "TextDataset",
    "load_text",
    "text_from_strings",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "LANGUAGE_RECIPES": "recipe",
        "LanguageRecipe": "recipe",
        "TextDataset": "dataset",
        "load_text": "dataset",
        "text_from_strings": "dataset",
    },
)
