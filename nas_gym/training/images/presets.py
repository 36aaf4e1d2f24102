"""The recipes with a name, each with its source; the numbers of those of papers are theirs."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from nas_gym.training.images.recipe import Recipe
from nas_gym.training.recipes import named_recipe

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
# Cutout's side is not given; 16 is DeVries & Taylor's for CIFAR-10. The paper's drop-path grows
# with the training alone, that of the code with the depth as well (drop_path_by_depth=True).
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

# Chosen by benchmarks/recipes/recipe_signal.py on digits for NAS-Bench-201's cells
# (benchmarks/results/recipe_signal_nasbench201.md), for a table of all of them: about a second a
# training. With one cell per stack the reductions do most of the work, and two seeds hardly agree
# on the order of the cells (Spearman 0.24); with two they do (0.74).
NASBENCH201_DIGITS = Recipe(
    epochs=6, batch_size=64, learning_rate=0.05, weight_decay=5e-4, repeats=2, filters=4
)

# NASNet-A (6 @ 4032), 331 pixels, 82.7 % on ImageNet in Zoph et al. 2017, table 2: RMSProp with
# decay 0.9 and epsilon 1.0, an average of the weights with 0.9999, label smoothing 0.1, dropout
# 0.5, an auxiliary weight of 0.4 (the paper's text); 16 images on each of 100 machines, learning
# rate 0.015 x 100, times 0.97 per 2.4 epochs, gradient norm up to 10, paths kept with 0.7, weight
# decay 5e-5, batch norms with epsilon 1e-3 and decay 0.9997, 250,000 steps (the authors' code,
# TensorFlow slim, nasnet.py and nasnet_utils.py). The crops are not given there: 0.08 is what is
# usual. On fewer machines give fewer images and a learning rate that is smaller by as much.
NASNET_IMAGENET_LARGE = Recipe(
    epochs=312,
    batch_size=1600,
    learning_rate=1.5,
    optimizer="rmsprop",
    epsilon=1.0,
    schedule="exponential",
    weight_decay=5e-5,
    label_smoothing=0.1,
    resized_crop=0.08,
    flip=True,
    auxiliary_weight=0.4,
    drop_path=0.3,
    drop_path_by_depth=True,
    dropout=0.5,
    gradient_clip=10.0,
    ema=0.9999,
    repeats=6,
    filters=168,
    stem="imagenet",
    skip_reduction_input=True,
    batch_norm_eps=1e-3,
    batch_norm_momentum=0.0003,
)

# NASNet-A (4 @ 1056), 224 pixels, 74.0 % in table 3. The same, but 32 images on each of 50
# machines, learning rate 0.04 x 50, no drop-path, weight decay 4e-5.
NASNET_IMAGENET_MOBILE = replace(
    NASNET_IMAGENET_LARGE,
    learning_rate=2.0,
    weight_decay=4e-5,
    drop_path=0.0,
    drop_path_by_depth=False,
    repeats=4,
    filters=44,
    skip_reduction_input=False,
)

# DARTS (Liu et al. 2018), section 3.2, and the authors' train.py: 20 cells, 36 channels, batches of
# 96, momentum that is not Nesterov's, drop-path 0.2 at the end that grows with the training alone.
# Its learning rate changes after each epoch, here after each step.
DARTS_CIFAR = Recipe(
    epochs=600,
    batch_size=96,
    learning_rate=0.025,
    nesterov=False,
    weight_decay=3e-4,
    crop_padding=4,
    flip=True,
    cutout=16,
    auxiliary_weight=0.4,
    drop_path=0.2,
    gradient_clip=5.0,
    repeats=6,
    filters=36,
)

# AmoebaNet-A (N = 6, F = 36), 3.34 % error in Real et al. 2018, table 1, and its text: batches of
# 128, momentum 0.9, weight decay 5e-4, learning rate 0.024, one cosine, 600 epochs, paths kept with
# 0.7, an auxiliary weight of 0.5. What is done to the images is not given; this is NASNet's.
AMOEBANET_CIFAR = Recipe(
    epochs=600,
    batch_size=128,
    learning_rate=0.024,
    nesterov=False,
    weight_decay=5e-4,
    crop_padding=4,
    flip=True,
    auxiliary_weight=0.5,
    drop_path=0.3,
    repeats=6,
    filters=36,
)

# Not of a paper: a final training within hours of a CPU, or on one GPU, by what is usual today.
# ``nas_gym.training.images.fitting`` fits it to the size and the number of the images.
MODERN = Recipe(
    epochs=100,
    batch_size=64,
    learning_rate=0.05,
    weight_decay=5e-4,
    label_smoothing=0.1,
    ema=0.999,
    drop_path=0.1,
    gradient_clip=5.0,
    repeats=2,
    filters=16,
)

# Weights that all architectures share (nas_gym.evaluators.weight_sharing): learning rate, momentum,
# weight decay, batches and clipped gradient are those of RSPS on NAS-Bench-201 (Li & Talwalkar 2019
# as released in AutoDL-Projects, configs/nas-benchmark/algos/RANDOM.config; there the cosine ends
# at 0.001). The size is that of the children that the search would train else;
# ``nas_gym.training.images.fitting`` says which, and the evaluator how many steps.
SUPERNET = Recipe(
    epochs=5, batch_size=64, learning_rate=0.025, weight_decay=5e-4, gradient_clip=5.0, filters=4
)

RECIPES = MappingProxyType(
    {
        "quick": QUICK,
        "nasnet-search": NASNET_SEARCH,
        "nasnet-cifar": NASNET_CIFAR,
        "nasnet-imagenet-large": NASNET_IMAGENET_LARGE,
        "nasnet-imagenet-mobile": NASNET_IMAGENET_MOBILE,
        "darts-cifar": DARTS_CIFAR,
        "amoebanet-cifar": AMOEBANET_CIFAR,
        "nasbench201": NASBENCH201,
        "nasbench201-digits": NASBENCH201_DIGITS,
        "zoph2016-cifar": ZOPH2016_CIFAR,
        "quick-conv-net": QUICK_CONV_NET,
    }
)

# Sides in pixels of the images that a recipe is for, where a folder's usual 32 are not meant.
SIDES = MappingProxyType({"nasnet-imagenet-large": 331, "nasnet-imagenet-mobile": 224})

# The recipes that nas_gym.training.images.fitting fits to the data, as they are before that.
UNFITTED = MappingProxyType(
    {"fitted": QUICK, "fitted-conv-net": QUICK_CONV_NET, "modern": MODERN, "supernet": SUPERNET}
)


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
