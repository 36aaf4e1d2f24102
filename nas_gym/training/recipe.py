"""How a child is trained: a frozen dataclass of plain values, and the named ones.

``nas_gym.training.train`` is the only loop; a recipe is all that differs between a child of the
default search and the papers' final training.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from nas_gym.errors import InvalidOption, unknown_name
from nas_gym.search_spaces.grammar import Task
from nas_gym.training.recipe_values import check_integer, check_number, named_recipe

STEMS = ("cifar", "imagenet")


@dataclass(frozen=True)
class Recipe:
    """Everything about the training of a child but its architecture, its data and its seed.

    The optimizer is SGD with Nesterov momentum; the learning rate falls from ``learning_rate`` to
    zero along half a cosine, step by step. Weights of convolutions and linear layers decay, batch
    norms and biases do not.

    Args:
        epochs: Passes over the training part, >= 1.
        batch_size: Images a step, >= 2; a smaller data set makes one batch. Images that fill no
            whole batch wait for the next epoch's shuffle.
        learning_rate: Of the first step, > 0.
        momentum: In [0, 1).
        weight_decay: L2 coefficient, >= 0.
        label_smoothing: In [0, 1).
        crop_padding: Pixels of zeros around an image before a random crop of its own size; 0: none.
        flip: Whether images are mirrored left to right at random.
        cutout: Side in pixels of the square that is set to zero (DeVries & Taylor 2017); 0: none.
        auxiliary_weight: Weight of the auxiliary classifier's loss; 0: no such classifier.
        drop_path: Probability of dropping a path at the end of training, in [0, 1); grows linearly
            from 0 (ScheduledDropPath, Zoph et al. 2017, appendix A.1).
        gradient_clip: Largest L2 norm of the gradient; 0: not clipped.
        repeats: N, normal cells a stack, >= 1: the size of the child.
        filters: F, filters of the first stack, >= 1: the size of the child.
        stem: ``"cifar"`` or ``"imagenet"``.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    crop_padding: int = 0
    flip: bool = False
    cutout: int = 0
    auxiliary_weight: float = 0.0
    drop_path: float = 0.0
    gradient_clip: float = 0.0
    repeats: int = 1
    filters: int = 8
    stem: str = "cifar"

    def __post_init__(self) -> None:
        for name, least in _LEAST_INTEGER.items():
            check_integer(name, getattr(self, name), least)
        for name, (low, high) in _RANGES.items():
            check_number(name, getattr(self, name), low, high)
        if not self.learning_rate > 0:
            raise InvalidOption(f"learning_rate is {self.learning_rate}: give a number above 0")
        if not isinstance(self.flip, bool):
            raise InvalidOption(f"flip is {self.flip!r}: give true or false")
        if self.stem not in STEMS:
            raise unknown_name("stem", self.stem, STEMS)

    def task(self, channels: int, height: int, width: int, classes: int) -> Task:
        """What a space's ``build`` is asked for: these images, this size of child."""
        return Task(
            channels=channels,
            height=height,
            width=width,
            classes=classes,
            repeats=self.repeats,
            filters=self.filters,
            stem=self.stem,
            auxiliary=self.auxiliary_weight > 0,
            drop_path=self.drop_path,
        )

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON data; ``Recipe(**data)`` reads it back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


_LEAST_INTEGER = {
    "epochs": 1, "batch_size": 2, "crop_padding": 0, "cutout": 0, "repeats": 1, "filters": 1,
}  # fmt: skip
_RANGES = {  # lowest value, and the value that must not be reached
    "learning_rate": (0.0, math.inf),
    "momentum": (0.0, 1.0),
    "weight_decay": (0.0, math.inf),
    "label_smoothing": (0.0, 1.0),
    "auxiliary_weight": (0.0, math.inf),
    "drop_path": (0.0, 1.0),
    "gradient_clip": (0.0, math.inf),
}


# Chosen by benchmarks/recipe_signal.py on digits (benchmarks/results/recipe_signal.md): short
# enough that cells differ in how well they learn, where longer training brings all of them so near
# to the top that the seed decides.
QUICK = Recipe(epochs=5, batch_size=64, learning_rate=0.02, weight_decay=1e-4, filters=4)

# Zoph et al. 2017, appendix A.1: 20 epochs, N = 2, momentum 0.9, L2, one cosine, random crops from
# images up-sampled to 40 x 40 (here padded by 4 pixels, as usual since), horizontal flips. Not
# given there: F (32 is that of the authors' CIFAR network), the batch size, the learning rate and
# the weight decay (here those of the authors' CIFAR code, see below).
NASNET_SEARCH = Recipe(
    epochs=20,
    batch_size=32,
    learning_rate=0.025,
    weight_decay=5e-4,
    crop_padding=4,
    flip=True,
    repeats=2,
    filters=32,
)

# NASNet-A (6 @ 768) with cutout, 2.65 % error in Zoph et al. 2017, table 1. The paper gives the
# cosine, momentum 0.9, L2 and ScheduledDropPath; the numbers are those of the authors' code
# (TensorFlow slim, nasnet.py, its comments on CIFAR training): 600 epochs, batches of 32, learning
# rate 0.025, weight decay 5e-4, paths kept with 0.6, auxiliary weight 0.4, gradient norm up to 5.
# Cutout's side is not given; 16 is DeVries & Taylor's for CIFAR-10.
NASNET_CIFAR = Recipe(
    epochs=600,
    batch_size=32,
    learning_rate=0.025,
    weight_decay=5e-4,
    crop_padding=4,
    flip=True,
    cutout=16,
    auxiliary_weight=0.4,
    drop_path=0.4,
    gradient_clip=5.0,
    repeats=6,
    filters=32,
)

# How NAS-Bench-201 trained its cells (Dong & Yang 2020): 200 epochs, random
# flips, crops of images padded by 4 pixels, N = 5, C = 16. One difference: there batch norms and
# biases decay as well. NATS-Bench's size space was trained in the same way for 90 epochs.
NASBENCH201 = Recipe(
    epochs=200,
    batch_size=256,
    learning_rate=0.1,
    weight_decay=5e-4,
    crop_padding=4,
    flip=True,
    repeats=5,
    filters=16,
)

RECIPES = MappingProxyType(
    {
        "quick": QUICK,
        "nasnet-search": NASNET_SEARCH,
        "nasnet-cifar": NASNET_CIFAR,
        "nasbench201": NASBENCH201,
    }
)


def recipe_of(given: str | Mapping[str, Any] | Recipe, usual: str = "quick") -> Recipe:
    """The recipe of that name; of ``{"name": …, "epochs": …}``, with some values changed; itself.

    Args:
        given: Which one.
        usual: The name where none is given.

    Raises:
        UnknownName: No such recipe, or no such value in a recipe.
        InvalidOption: A value out of range.
    """
    return named_recipe(given, RECIPES, usual)
