"""Real training of children; ``docs/guide/own_data.md`` shows how to add data.

- ``images``: ``dataset`` (what a data set is), ``sources`` (where data sets come from), ``recipe``
  (how a child is trained), ``train`` (the training itself).
- ``text``: the same for language models, and ``sizing`` (how large a child is).
- ``loop``, ``optimizers``, ``recipes`` and ``places`` (what a name or a path means) are what both
  share.

The names below are imported when they are first used: those of data need torch.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.training.images.presets import RECIPES
    from nas_gym.training.images.recipe import Recipe
    from nas_gym.training.images.sources import Dataset, load_dataset, split_dataset
    from nas_gym.training.text.dataset import TextDataset, load_text, text_from_strings
    from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe

__all__ = [
    "LANGUAGE_RECIPES",
    "RECIPES",
    "Dataset",
    "LanguageRecipe",
    "Recipe",
    "TextDataset",
    "load_dataset",
    "load_text",
    "split_dataset",
    "text_from_strings",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "LANGUAGE_RECIPES": "text.recipe",
        "RECIPES": "images.presets",
        "Dataset": "images.dataset",
        "LanguageRecipe": "text.recipe",
        "Recipe": "images.recipe",
        "TextDataset": "text.dataset",
        "load_dataset": "images.sources",
        "load_text": "text.dataset",
        "split_dataset": "images.dataset",
        "text_from_strings": "text.dataset",
    },
)
