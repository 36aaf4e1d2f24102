"""Recipes, which say how a child is trained: plain values, and the named ones.

``nas_gym.training.images.train`` trains by them; a recipe is all that differs between a child of
the default search and the papers' final training.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval

from nas_gym.networks.task import Filters, MoreFilters, Multiplier, Repeats, Task, recorded
from nas_gym.options import Options
from nas_gym.training.recipes import named_recipe

_Fraction = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True)
class Recipe(Options):
    """Everything about the training of a child but its architecture, its data and its seed.

    The optimizer is SGD with Nesterov momentum. Weights of convolutions and linear layers decay,
    batch norms and biases do not.

    Args:
        epochs: Passes over the training part, >= 1; does not count if ``steps`` is given.
        batch_size: Images per step, >= 2; a smaller data set makes one batch. Images that fill no
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
        repeats: N, normal cells per stack, >= 1: the size of the child.
        filters: F, filters of the first stack, >= 1: the size of the child.
        stem: ``"cifar"``, ``"imagenet"``, or ``"pooled"``: convolutions of stride 2 until 8 pixels
            or fewer are left, so that images of any size cost about the same.
        schedule: Of the learning rate: ``"cosine"`` (half of one, down to zero, step by step),
            ``"constant"``, or ``"steps"`` (a tenth after half of the training, a hundredth after
            three quarters, as DenseNet, Huang et al. 2016).
        width_multiplier: Multiplies the filters of a convolutional network's layers, > 0.
        more_filters: Added to each of them, >= 0.
        steps: Gradient steps of the whole training, >= 1, whatever the number of images: passes
            follow each other, and the last one may end anywhere. None: ``epochs`` count.
        measured: How many of the last epochs (with ``steps``: of the last twentieths of the
            training) end with a measurement on the validation part, >= 1; the best one counts.
    """

    epochs: Annotated[int, Interval(ge=1, le=10**6)]
    batch_size: Annotated[int, Interval(ge=2, le=2**20)]
    learning_rate: Annotated[float, Gt(0)]
    momentum: _Fraction = 0.9
    weight_decay: Annotated[float, Ge(0)] = 0.0
    label_smoothing: _Fraction = 0.0
    crop_padding: Annotated[int, Interval(ge=0, le=2**10)] = 0
    flip: bool = False
    cutout: Annotated[int, Interval(ge=0, le=2**14)] = 0
    auxiliary_weight: Annotated[float, Ge(0)] = 0.0
    drop_path: _Fraction = 0.0
    gradient_clip: Annotated[float, Ge(0)] = 0.0
    repeats: Repeats = 1
    filters: Filters = 8
    stem: Literal["cifar", "imagenet", "pooled"] = "cifar"
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    width_multiplier: Multiplier = 1.0
    more_filters: MoreFilters = 0
    steps: Annotated[int, Interval(ge=1, le=10**9)] | None = None
    measured: Annotated[int, Interval(ge=1, le=10**6)] = 5

    def task(self, channels: int, height: int, width: int, classes: int) -> Task:
        """Return what a space's ``build`` is asked for: these images, this size of child."""
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
            width_multiplier=self.width_multiplier,
            more_filters=self.more_filters,
        )

    def learning_rate_at(self, progress: float) -> float:
        """Return the learning rate after the part ``progress``, in [0, 1), of the training."""
        if self.schedule == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        drops = (progress >= 0.5) + (progress >= 0.75) if self.schedule == "steps" else 0
        return self.learning_rate / 10.0**drops

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON data; ``Recipe(**data)`` reads it back."""
        return recorded(self)


# Chosen by benchmarks/recipes/recipe_signal.py on digits (benchmarks/results/recipe_signal.md):
# short enough that cells differ in how well they learn; longer training brings all of them so near
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

# This is how NAS-Bench-201 trained its cells (Dong & Yang 2020): 200 epochs, random flips, crops of
# images padded by 4 pixels, N = 5, C = 16. There is one difference: there batch norms and biases
# decay as well. NATS-Bench's size space was trained in the same way for 90 epochs.
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

# Zoph & Le 2016, section 4.1: 50 epochs, Nesterov momentum 0.9, learning rate 0.1, weight decay
# 1e-4, whitening (here one mean and one deviation per channel), random 32 x 32 crops of up-sampled
# images (here padded by 4 pixels, as usual since), flips. Otherwise as DenseNet (Huang et al.
# 2016); that this means its batches of 64 and its schedule is our reading. The largest network of
# table 1 has more_filters = 40.
ZOPH2016_CIFAR = Recipe(
    epochs=50,
    batch_size=64,
    learning_rate=0.1,
    weight_decay=1e-4,
    crop_padding=4,
    flip=True,
    schedule="steps",
)

# Chosen by benchmarks/recipes/recipe_signal.py on digits for networks of six layers with strides
# (benchmarks/results/recipe_signal_conv_net.md): of the recipes tried, the one under which two
# seeds agree best on the order of the best third, which a search has to tell apart.
QUICK_CONV_NET = Recipe(
    epochs=5, batch_size=64, learning_rate=0.02, weight_decay=1e-4, width_multiplier=0.5
)

RECIPES = MappingProxyType(
    {
        "quick": QUICK,
        "nasnet-search": NASNET_SEARCH,
        "nasnet-cifar": NASNET_CIFAR,
        "nasbench201": NASBENCH201,
        "zoph2016-cifar": ZOPH2016_CIFAR,
        "quick-conv-net": QUICK_CONV_NET,
    }
)

# The recipes that nas_gym.training.images.fitting fits to the data, as they are before that.
UNFITTED = MappingProxyType({"fitted": QUICK, "fitted-conv-net": QUICK_CONV_NET})


def recipe_of(given: str | Mapping[str, Any] | Recipe, usual: str = "quick") -> Recipe:
    """Return the recipe of a name, with some values changed if they are given.

    Args:
        given: A name, ``{"name": …, "epochs": …}`` with values to change, or the recipe itself.
            A name from ``UNFITTED`` gives the recipe as it is before it is fitted.
        usual: The name if a mapping has none.

    Raises:
        UnknownName: No such recipe, or no such value in a recipe.
        InvalidOption: A value out of range.
    """
    return named_recipe(given, {**RECIPES, **UNFITTED}, usual)
