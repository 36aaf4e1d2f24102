"""Recipes, which say how a classifier is trained; those with a name are in ``presets``.

``nas_gym.training.images.train`` trains by them; a recipe is all that differs between a child of
the default search and the papers' final training.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval

from nas_gym.errors import InvalidOption
from nas_gym.networks.task import (
    Filters,
    MoreFilters,
    Multiplier,
    NormEps,
    NormMomentum,
    Repeats,
    Task,
    recorded,
)
from nas_gym.options import Options
from nas_gym.options.counts import TrainShare

_Fraction = Annotated[float, Interval(ge=0, lt=1)]


PARTS = 20  # of a training whose length is given in steps; what an epoch is to the others


@dataclass(frozen=True)
class Recipe(Options):
    """Everything about the training of a child but its architecture, its data and its seed.

    Weights of convolutions and linear layers decay, batch norms and biases do not. What is random
    is drawn anew for each image and pass.

    Args:
        epochs: Passes over the training part, >= 1; does not count if ``steps`` is given.
        batch_size: Images per step, >= 2, of all processes together; a smaller data set makes one
            batch. Images that fill no whole batch wait for the next epoch's shuffle.
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
        drop_path_by_depth: Whether that grows with a cell's depth as well, as in the authors'
            published code (TensorFlow slim, nasnet_utils.py, version 3).
        gradient_clip: Largest L2 norm of the gradient; 0: not clipped.
        repeats: N, normal cells per stack, >= 1: the size of the child.
        filters: F, filters of the first stack, >= 1: the size of the child.
        stem: ``"cifar"``, ``"imagenet"``, or ``"pooled"``: convolutions of stride 2 until 8 pixels
            or fewer are left, so that images of any size cost about the same.
        schedule: Of the learning rate: ``"cosine"`` (half of one, down to zero, step by step),
            ``"constant"``, ``"steps"`` (a tenth after half of the training, a hundredth after
            three quarters, as DenseNet, Huang et al. 2016), or ``"exponential"`` (times
            ``decay_factor`` after each ``decay_epochs``).
        width_multiplier: Multiplies the filters of a convolutional network's layers, > 0.
        more_filters: Added to each of them, >= 0.
        steps: Gradient steps of the whole training, >= 1, whatever the number of images: passes
            follow each other, and the last one may end anywhere. None: ``epochs`` count. Options in
            epochs (``warmup_epochs``, ``decay_epochs``) are then parts of ``epochs``.
        measured: How many of the last epochs (with ``steps``: of the last twentieths of the
            training) end with a measurement on the validation part, >= 1; the best one counts.
        optimizer: ``"sgd"``, ``"rmsprop"`` (as TensorFlow has it, which the papers used: see
            ``nas_gym.training.optimizers``), both with ``momentum``, or ``"adamw"`` (Loshchilov &
            Hutter 2019; betas 0.9 and 0.999).
        nesterov: Whether the momentum of SGD is Nesterov's.
        epsilon: Of RMSProp and AdamW, > 0.
        rmsprop_decay: Of the mean of squared gradients, in [0, 1).
        decay_factor: See ``schedule``; in (0, 1].
        decay_epochs: See ``schedule``; > 0.
        warmup_epochs: Over which the learning rate grows linearly to its first value, >= 0; the
            schedule follows after that.
        ema: Decay of an exponential moving average of weights and batch statistics, in [0, 1): what
            is measured, and what is kept. After n steps it is at most (1 + n) / (10 + n), as in
            TensorFlow. 0: none.
        dropout: Of what goes into the classifier, in [0, 1).
        batch_norm_eps: Added to the variance, > 0.
        batch_norm_momentum: Of the running statistics in torch's sense, 1 - decay; in (0, 1].
        skip_reduction_input: Whether the first cell after a reduction takes the one before it as
            its other input, as in NASNet-A (6 @ 4032).
        resized_crop: Crops of random area and shape, resized to the image's own size: the least
            share of the area, in [0, 1); 0: none (torchvision's ``RandomResizedCrop``).
        rand_augment: Operations per image of RandAugment (Cubuk et al. 2019), >= 0.
        rand_magnitude: Of each of them, from 0 to 30.
        trivial_augment: Whether each image undergoes one random operation (TrivialAugment Wide,
            Mueller & Hutter 2021).
        random_erasing: Probability that a random rectangle is erased (Zhong et al. 2017).
        mixup: Alpha of the Beta distribution by which two images are mixed (Zhang et al. 2017);
            0: none. With ``cutmix`` as well each batch takes one of the two by chance.
        cutmix: The same of CutMix (Yun et al. 2019), which pastes a rectangle.
        precision: ``"bfloat16"`` where that is safe (autocast), ``"float32"``, or ``"auto"``:
            bfloat16 on a GPU and float32 on a CPU.
        train_share: Share of each class's images of the training part that are trained on, in
            (0, 1]; which ones depends on the data alone, and a smaller share is a part of a larger
            one. Validation and test part stay whole, and so does what images are normalised by.
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
    schedule: Literal["cosine", "constant", "steps", "exponential"] = "cosine"
    width_multiplier: Multiplier = 1.0
    more_filters: MoreFilters = 0
    steps: Annotated[int, Interval(ge=1, le=10**9)] | None = None
    measured: Annotated[int, Interval(ge=1, le=10**6)] = 5
    optimizer: Literal["sgd", "rmsprop", "adamw"] = "sgd"
    nesterov: bool = True
    epsilon: Annotated[float, Interval(gt=0, le=10)] = 1e-8
    rmsprop_decay: _Fraction = 0.9
    decay_factor: Annotated[float, Interval(gt=0, le=1)] = 0.97
    decay_epochs: Annotated[float, Gt(0)] = 2.4
    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    ema: _Fraction = 0.0
    dropout: _Fraction = 0.0
    drop_path_by_depth: bool = False
    batch_norm_eps: NormEps = 1e-5
    batch_norm_momentum: NormMomentum = 0.1
    skip_reduction_input: bool = False
    resized_crop: _Fraction = 0.0
    rand_augment: Annotated[int, Interval(ge=0, le=20)] = 0
    rand_magnitude: Annotated[int, Interval(ge=0, le=30)] = 9
    trivial_augment: bool = False
    random_erasing: Annotated[float, Interval(ge=0, le=1)] = 0.0
    mixup: Annotated[float, Interval(ge=0, le=100)] = 0.0
    cutmix: Annotated[float, Interval(ge=0, le=100)] = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    train_share: TrainShare = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup_epochs >= self.epochs and self.warmup_epochs > 0:
            raise InvalidOption(
                f"warmup_epochs is {self.warmup_epochs:g} of {self.epochs} epochs: give fewer"
            )

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
            drop_path_by_depth=self.drop_path_by_depth,
            skip_reduction_input=self.skip_reduction_input,
            dropout=self.dropout,
            batch_norm_eps=self.batch_norm_eps,
            batch_norm_momentum=self.batch_norm_momentum,
        )

    def learning_rate_at(self, progress: float) -> float:
        """Return the learning rate after the part ``progress``, in [0, 1), of the training."""
        if self.warmup_epochs:
            warm = self.warmup_epochs / self.epochs
            if progress < warm:
                return self.learning_rate * max(0.01, progress / warm)
            progress = (progress - warm) / (1 - warm)
        if self.schedule == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
        if self.schedule == "exponential":
            epochs = progress * (self.epochs - self.warmup_epochs)  # since the warm-up
            times = math.floor(epochs / self.decay_epochs + 1e-9)  # not rounded one step too late
            return self.learning_rate * self.decay_factor**times
        drops = (progress >= 0.5) + (progress >= 0.75) if self.schedule == "steps" else 0
        return self.learning_rate / 10.0**drops

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON data; ``Recipe(**data)`` reads it back."""
        return recorded(self)


def epochs_of(recipe: Recipe) -> int:
    """Return the epochs of a training; one whose length is given in steps has parts instead."""
    return min(PARTS, recipe.steps) if recipe.steps else recipe.epochs
