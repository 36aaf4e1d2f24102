"""Real training of children; ``README.md`` shows how to add a data set, a text or a recipe.

- ``images``: ``dataset`` (what a data set is), ``sources`` (where data sets come from), ``recipe``
  (how a child is trained), ``train`` (the training itself).
- ``text``: the same for language models, and ``sizing`` (how large a child is).
- ``loop``, ``optimizers`` and ``recipes`` are what both share.

The names below are imported when they are first used: those of data need torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas_gym.training.images.recipe import RECIPES, Recipe
    from nas_gym.training.images.sources import DATASETS, Dataset, load_dataset, split_dataset
    from nas_gym.training.text.dataset import TEXTS, TextDataset, load_text, text_from_strings
    from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe

__all__ = [
    "DATASETS",
    "LANGUAGE_RECIPES",
    "RECIPES",
    "TEXTS",
    "Dataset",
    "LanguageRecipe",
    "Recipe",
    "TextDataset",
    "load_dataset",
    "load_text",
    "split_dataset",
    "text_from_strings",
]

_HOME = {
    "DATASETS": "images.sources",
    "LANGUAGE_RECIPES": "text.recipe",
    "RECIPES": "images.recipe",
    "TEXTS": "text.dataset",
    "Dataset": "images.dataset",
    "LanguageRecipe": "text.recipe",
    "Recipe": "images.recipe",
    "TextDataset": "text.dataset",
    "load_dataset": "images.sources",
    "load_text": "text.dataset",
    "split_dataset": "images.dataset",
    "text_from_strings": "text.dataset",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _HOME:
        return getattr(import_module(f"nas_gym.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nas_gym.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
