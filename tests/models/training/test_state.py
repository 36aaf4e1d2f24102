"""The state of a training, moved to another one at any step: the rest is the same, bit for bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.training.images.dataset import split_dataset
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.train import ImageTraining
from nas_gym.training.loop import Training, seeded
from nas_gym.training.text.dataset import text_from_strings
from nas_gym.training.text.recipe import LanguageRecipe
from nas_gym.training.text.train import TextTraining

CPU = torch.device("cpu")
BASE = Recipe(epochs=2, batch_size=8, learning_rate=0.05, filters=4, weight_decay=1e-4)
RECIPES = {
    "plain": BASE,
    "nasnet": replace(
        BASE, auxiliary_weight=0.4, drop_path=0.4, drop_path_by_depth=True, dropout=0.5,
        gradient_clip=5.0, crop_padding=2, flip=True, cutout=4, ema=0.99, label_smoothing=0.1,
        optimizer="rmsprop", epsilon=1.0, schedule="exponential",
    ),
    "modern": replace(
        BASE, optimizer="adamw", warmup_epochs=1, mixup=0.2, cutmix=1.0, trivial_augment=True,
        random_erasing=0.5, resized_crop=0.3, ema=0.9, momentum=0.0,
    ),
    "half": replace(BASE, precision="bfloat16", rand_augment=2, nesterov=False),
    "steps": replace(BASE, steps=9, schedule="steps"),
}  # fmt: skip


@pytest.fixture(scope="module")
def images() -> Any:
    rng = np.random.default_rng(0)
    labels = np.arange(45) % 3
    pixels = rng.integers(0, 256, (45, 3, 12, 12)).astype(np.uint8)
    pixels[labels == 1] //= 2
    return split_dataset("noise", pixels, labels, shares=(0.2, 0.1))


TEXT = text_from_strings("text", *["to be or not to be that is the question\n" * 12] * 3)
TEXT_RECIPE = LanguageRecipe(
    epochs=2, batch_size=4, bptt=5, learning_rate=0.01, optimizer="adam", hidden=6, layers=2,
    dropout_input=0.2, dropout_hidden=0.2, gradient_clip=1.0, schedule="cosine",
)  # fmt: skip


def make(name: str, images: Any) -> Training[Any]:
    """A training at its beginning; inside ``seeded``."""
    if name == "text":
        space = RNNCell(base=2)
        genotype = space.choose(lambda name, options: options[0])
        network = space.build(genotype, TEXT_RECIPE.task(len(TEXT.vocabulary), 6))
        return TextTraining(network, TEXT, TEXT_RECIPE, CPU)
    published = PUBLISHED["nasnet-a"]
    task = RECIPES[name].task(*images.image_shape, images.classes)
    network = published.space.build(published.genotype, task)
    return ImageTraining(network, images, RECIPES[name], 5, CPU)


def rest(training: Training[Any]) -> tuple[list[float], list[Any], dict[str, Tensor]]:
    """Train to the end; return losses, figures and weights."""
    losses, figures = [], []
    while training.epoch < training.epochs:
        losses += list(training.losses())
        figures.append(training.validate())
    training.finish()
    return losses, figures, {n: t.clone() for n, t in training.network.state_dict().items()}


QUICK = ("nasnet", "text")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in [*RECIPES, "text"]],
)
def test_a_training_goes_on_anywhere_as_it_would_have_here(name: str, images: Any) -> None:
    with seeded(3, CPU):
        training = make(name, images)
        total = training.end_of_epoch(training.epochs - 1)
        states = []
        while training.epoch < training.epochs:
            for _ in training.losses():
                states.append({n: t.clone() for n, t in training.state().items()})
            training.validate()
    assert len(states) == total
    with seeded(3, CPU):
        whole = rest(make(name, images))
    assert all(np.isfinite(whole[0]))
    for at in (0, total // 2 - 1, total // 2, total - 2):
        with seeded(99, CPU):  # what was drawn here before does not matter
            other = make(name, images)
            for _, _ in zip(range(3), other.losses(), strict=False):
                pass
            other.restore(states[at])
            losses, figures, weights = rest(other)
        assert losses == whole[0][len(whole[0]) - len(losses) :]
        assert figures == whole[1][len(whole[1]) - len(figures) :]
        assert weights.keys() == whole[2].keys()
        for key, value in weights.items():
            assert torch.equal(value, whole[2][key]), key


def test_the_state_of_another_network_is_refused(images: Any) -> None:
    with seeded(3, CPU):
        small = make("plain", images)
        list(small.losses())
        other = make("nasnet", images)
        with pytest.raises((LookupError, RuntimeError)):
            other.restore(small.state())


def test_the_average_is_measured_and_kept(images: Any) -> None:
    with seeded(3, CPU):
        training = make("nasnet", images)
        list(training.losses())
        own = {n: t.clone() for n, t in training.network.state_dict().items()}
        average = training.measured.state_dict()
        moved = [n for n, t in own.items() if not torch.equal(t, average[n])]
        assert any("running_mean" in n for n in moved)
        assert any("weight" in n for n in moved)
        training.finish()
        for key, value in training.network.state_dict().items():
            assert torch.equal(value, average[key])


def test_the_average_is_tensorflows(images: Any) -> None:
    with seeded(3, CPU):
        training = make("nasnet", images)
        name = "classifier.weight"
        wanted = None
        for number, _ in enumerate(training.losses()):
            now = training.network.state_dict()[name]
            if wanted is None:
                wanted = now.clone()
                continue
            decay = min(0.99, (1 + number) / (10 + number))
            wanted = decay * wanted + (1 - decay) * now
        assert torch.allclose(training.measured.state_dict()[name], wanted, atol=1e-6)


def test_pixels_that_are_none_cannot_be_varied(images: Any) -> None:
    values = np.random.default_rng(0).normal(size=(30, 3, 8, 8)).astype(np.float32)
    data = split_dataset("floats", values, np.arange(30) % 2)
    published = PUBLISHED["nasnet-a"]
    recipe = replace(BASE, trivial_augment=True)
    network = published.space.build(published.genotype, recipe.task(3, 8, 8, 2))
    with pytest.raises(InvalidOption, match="trivial_augment is True"):
        ImageTraining(network, data, recipe, 0, CPU)
