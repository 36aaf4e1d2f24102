import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas_gym.errors import InvalidDataset, InvalidOption
from nas_gym.training.images.augmentation import augment, check_cutout
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import load_dataset, split_dataset
from nas_gym.training.images.train import measure_test_accuracy, measure_test_scores, train

FAST = Recipe(epochs=3, batch_size=64, learning_rate=0.1)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


class SmallNet(nn.Module):
    """A convolution, batch norm, dropout (from torch's global generator), a linear layer."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.1),
            nn.Flatten(),
            nn.Linear(128, 10),
        )
        self.progress = []

    def set_progress(self, fraction):
        self.progress.append(fraction)

    def forward(self, images):
        return self.body(images)


def small_net(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SmallNet()


def test_learns_digits(digits):
    result = train(small_net(), digits, FAST, seed=0)
    assert result.failure is None
    assert 0.9 < result.accuracy <= 1
    assert result.final_accuracy == result.accuracies[-1]
    assert len(result.accuracies) == 3
    assert result.seconds > 0


def test_seed_alone_decides(digits):
    recipe = replace(FAST, epochs=2, crop_padding=1, flip=True, cutout=3)
    first, second, other = small_net(), small_net(), small_net()
    train(first, digits, recipe, seed=5)
    torch.rand(3)  # whatever runs in between
    state = torch.random.get_rng_state()
    train(second, digits, recipe, seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    train(other, digits, recipe, seed=6)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert not torch.equal(first.body[0].weight, other.body[0].weight)


def test_every_step_is_announced(digits):
    network = small_net()
    train(network, digits, FAST, seed=0)
    steps = 3 * (len(digits.train_labels) // 64)
    assert network.progress == [step / steps for step in range(steps)]


def tiny(images):
    pixels = np.random.default_rng(0).integers(0, 9, (images, 1, 2, 2)).astype(np.uint8)
    return split_dataset("tiny", pixels, np.arange(images) % 2, shares=(0.3, 0.1))


@pytest.mark.parametrize("steps", [1, 3, 19, 20, 21, 47])
@pytest.mark.parametrize("images", [6, 40, 400])
def test_steps_are_counted_whatever_the_number_of_images(steps, images):
    network = Announced([1] * 5)
    result = train(network, tiny(images), replace(FAST, steps=steps, batch_size=16), seed=0)
    assert network.progress == [step / steps for step in range(steps)]
    assert network.evaluations == len(result.accuracies) == min(5, steps)


@pytest.mark.parametrize("measured", [1, 2, 9])
def test_as_many_epochs_are_measured_as_the_recipe_says(measured):
    for length in ({"epochs": 6}, {"steps": 100}):
        recipe = replace(FAST, measured=measured, **length)
        result = train(Announced([1] * 9), tiny(40), recipe, seed=0)
        assert len(result.accuracies) == min(measured, 6 if "epochs" in length else 20)


def test_as_many_steps_as_epochs_have_are_the_same_training(digits):
    by_epochs, by_steps = small_net(), small_net()
    steps = 3 * (len(digits.train_labels) // 64)
    first = train(by_epochs, digits, FAST, seed=0)
    second = train(by_steps, digits, replace(FAST, epochs=1, steps=steps), seed=0)
    assert first.final_accuracy == second.final_accuracy
    for name, tensor in by_epochs.state_dict().items():
        assert torch.equal(tensor, by_steps.state_dict()[name])


class Pair(nn.Module):
    """Two linear classifiers; the second one is the auxiliary classifier."""

    def __init__(self):
        super().__init__()
        self.main, self.auxiliary = nn.Linear(64, 10), nn.Linear(64, 10)

    def forward(self, images):
        flat = images.flatten(1)
        return (self.main(flat), self.auxiliary(flat)) if self.training else self.main(flat)


def test_updates_are_those_of_the_formulas(digits):
    """Whole-set batches, so that the order does not matter; Nesterov's update written out."""
    recipe = Recipe(
        epochs=4,
        batch_size=10_000,
        learning_rate=0.2,
        momentum=0.8,
        weight_decay=0.01,
        label_smoothing=0.1,
        auxiliary_weight=0.3,
        gradient_clip=0.5,
    )
    torch.manual_seed(0)
    network, plain = Pair(), Pair()
    plain.load_state_dict(network.state_dict())
    train(network, digits, recipe, seed=0)

    images = (digits.train_images.float() - digits.mean) / digits.deviation
    velocity = {name: torch.zeros_like(p) for name, p in plain.named_parameters()}
    for step in range(4):
        rate = 0.2 * 0.5 * (1 + math.cos(math.pi * step / 4))
        target = F.one_hot(digits.train_labels, 10) * 0.9 + 0.01
        losses = [-(target * F.log_softmax(out, 1)).sum(1).mean() for out in plain(images)]
        gradients = torch.autograd.grad(losses[0] + 0.3 * losses[1], list(plain.parameters()))
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        assert norm > 0.5  # the clip is at work
        with torch.no_grad():
            for (name, p), g in zip(plain.named_parameters(), gradients, strict=True):
                g = g * 0.5 / norm + (0.01 * p if name.endswith("weight") else 0)
                velocity[name] = 0.8 * velocity[name] + g
                p -= rate * (g + 0.8 * velocity[name])
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, atol=2e-6, rtol=1e-4)


class Scripted(nn.Module):
    """Answers one class for everything; which one follows from the number of evaluations."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers
        self.evaluations = 0
        self.weight = nn.Parameter(torch.zeros(1, 10))

    def forward(self, images):
        if self.training:
            return self.weight.expand(len(images), 10)
        answer = self.answers[self.evaluations]  # the validation part is one batch
        self.evaluations += 1
        return F.one_hot(torch.full((len(images),), answer), 10).float()


class Announced(Scripted):
    """Remembers how much of the training was said to be over before each step."""

    def __init__(self, answers):
        super().__init__(answers)
        self.progress = []

    def set_progress(self, fraction):
        self.progress.append(fraction)


def test_best_of_the_last_five_epochs_counts():
    labels = np.repeat(np.arange(3), (60, 30, 10))
    images = np.random.default_rng(0).integers(0, 9, (100, 1, 2, 2)).astype(np.uint8)
    dataset = split_dataset("uneven", images, labels, shares=(0.5, 0.1))
    network = Scripted([2, 1, 2, 1, 2])
    result = train(network, dataset, Recipe(epochs=8, batch_size=10, learning_rate=0.1), seed=0)
    assert network.evaluations == 5
    assert result.accuracies == (0.1, 0.3, 0.1, 0.3, 0.1)
    assert result.accuracy == 0.3
    assert result.final_accuracy == 0.1


def test_divergence_ends_at_once(digits):
    network = small_net()
    result = train(network, digits, replace(FAST, learning_rate=1e30), seed=0)
    assert result.failure == "diverged"
    assert result.accuracy is None
    assert len(network.progress) < 6


def test_logits_that_are_not_finite_are_no_accuracy(digits):
    class Broken(SmallNet):
        def forward(self, images):
            return super().forward(images) * (1 if self.training else math.nan)

    assert train(Broken(), digits, replace(FAST, epochs=1), seed=0).failure == "diverged"


def test_test_part_is_out_of_reach(digits):
    blind = replace(digits, test_images=None, test_labels=None)
    seen = train(small_net(), digits, replace(FAST, epochs=1), seed=0)
    assert train(small_net(), blind, replace(FAST, epochs=1), seed=0).accuracy == seen.accuracy


def test_test_accuracy_is_that_of_a_slow_loop(digits):
    network = small_net()
    train(network, digits, replace(FAST, epochs=1), seed=0, device="cpu")
    network.train()  # measured in evaluation mode, whatever it is in
    measured = measure_test_accuracy(network, digits, device="cpu")
    assert not network.training
    right = 0
    with torch.no_grad():
        for image, label in zip(digits.test_images, digits.test_labels, strict=True):
            logits = network((image[None].float() - digits.mean) / digits.deviation)[0]
            right += max(range(10), key=lambda c: float(logits[c])) == int(label)
    assert measured == right / len(digits.test_labels)
    assert 0.5 < measured < 1


def test_balanced_accuracy_is_the_mean_over_the_classes_that_are_there(digits):
    """All images are taken for class 3, and class 9 is not there."""
    kept = digits.test_labels != 9
    rare = replace(
        digits, test_images=digits.test_images[kept], test_labels=digits.test_labels[kept]
    )
    scores = measure_test_scores(Scripted([3]), rare, device="cpu")
    assert scores.balanced_accuracy == pytest.approx(1 / 9)
    assert scores.accuracy == float((rare.test_labels == 3).double().mean())


def test_balanced_accuracy_is_the_best_of_the_last_epochs(digits):
    result = train(small_net(), digits, replace(FAST, epochs=1), seed=0, device="cpu")
    assert 0.1 < result.balanced_accuracy < 1
    assert result.balanced_accuracy == pytest.approx(result.accuracy, abs=0.1)  # digits: balanced


def test_test_accuracy_of_more_images_than_a_batch(digits):
    """The parts are measured alike: put the training part where the test part is."""
    large = replace(digits, test_images=digits.train_images, test_labels=digits.train_labels)
    assert len(large.test_labels) > 512
    network = Scripted([3, 4])  # one class for the first batch, another for the second
    labels = large.test_labels
    expected = int((labels[:512] == 3).sum() + (labels[512:] == 4).sum()) / len(labels)
    assert measure_test_accuracy(network, large, device="cpu") == expected


def test_no_test_accuracy_without_finite_logits_or_images(digits):
    class Broken(SmallNet):
        def forward(self, images):
            return super().forward(images) * math.nan

    assert measure_test_accuracy(Broken(), digits) is None
    empty = replace(digits, test_images=digits.test_images[:0], test_labels=digits.test_labels[:0])
    with pytest.raises(InvalidDataset, match="digits has no test images"):
        measure_test_accuracy(small_net(), empty)


# ---------------------------------------------------------------- augmentation


def augmented(images, **options):
    recipe = Recipe(epochs=1, batch_size=2, learning_rate=1, **options)
    return augment(images, recipe, torch.Generator().manual_seed(0))


def test_no_augmentation_is_the_image_itself():
    images = torch.randn(4, 3, 6, 5)
    assert augmented(images) is images


def test_crops_are_all_shifts_with_zeros_around():
    image = torch.arange(1.0, 61).view(1, 2, 6, 5)
    padded = F.pad(image, (1, 1, 1, 1))[0]
    shifts = [padded[:, y : y + 6, x : x + 5] for y in range(3) for x in range(3)]
    crops = augmented(image.expand(300, -1, -1, -1), crop_padding=1)
    which = [[torch.equal(crop, shift) for shift in shifts].index(True) for crop in crops]
    assert set(which) == set(range(9))


def test_flips_are_half_of_the_images():
    images = torch.randn(400, 1, 3, 4)
    flipped = augmented(images, flip=True)
    same = (flipped == images).all((1, 2, 3))
    mirrored = (flipped == images.flip(3)).all((1, 2, 3))
    assert bool((same ^ mirrored).all())
    assert 150 < int(same.sum()) < 250


@pytest.mark.parametrize(("side", "left"), [(15, False), (14, True)])
def test_cutout_leaves_something(side, left):
    assert bool(augmented(torch.ones(500, 1, 8, 8), cutout=side).any()) == left
    recipe = replace(FAST, cutout=side)
    with nullcontext() if left else pytest.raises(InvalidOption, match="cutout is 15"):
        check_cutout(recipe, (8, 8))


def test_cutout_is_a_square_that_may_reach_over_the_edge():
    holes = augmented(torch.ones(500, 2, 8, 8), cutout=4) == 0
    assert torch.equal(holes[:, 0], holes[:, 1])
    heights, widths = holes[:, 0].any(2).sum(1), holes[:, 0].any(1).sum(1)
    assert torch.equal(holes[:, 0].sum((1, 2)), heights * widths)
    assert set(heights.tolist()) == set(widths.tolist()) == {2, 3, 4}
    assert holes[:, 0].any(0).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_learns_digits_on_a_gpu(digits):
    result = train(small_net(), digits, FAST, seed=0)
    assert result.failure is None
    assert result.accuracy > 0.9
