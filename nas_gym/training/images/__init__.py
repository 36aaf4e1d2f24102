"""Training of networks for images: data sets, recipes, the loop."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.training.images.dataset import Dataset, split_dataset
    from nas_gym.training.images.presets import RECIPES
    from nas_gym.training.images.recipe import Recipe
    from nas_gym.training.images.sources import load_dataset

__all__ = [
    "RECIPES",
    "Dataset",
    "Recipe",
    "load_dataset",
    "split_dataset",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Dataset": "dataset",
        "RECIPES": "presets",
        "Recipe": "recipe",
        "load_dataset": "sources",
        "split_dataset": "dataset",
    },
)
