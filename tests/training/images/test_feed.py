"""The share of the training part that a recipe trains on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas_gym.errors import InvalidOption
from nas_gym.training.images.feed import MemoryFeed, trained_on
from nas_gym.training.images.fitting import fitted_recipe
from nas_gym.training.images.presets import RECIPES
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import Dataset, load_dataset
from nas_gym.training.images.splitting import sample_of

CPU = torch.device("cpu")
FAST = Recipe(epochs=1, batch_size=32, learning_rate=0.1)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=60),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
)
def test_a_share_is_of_each_class_and_within_a_larger_one(
    labels: list[int], one: float, two: float
):
    array = np.asarray(labels)
    less, more = (set(sample_of(array, share).tolist()) for share in sorted((one, two)))
    assert less <= more
    for label in set(labels):
        count = labels.count(label)
        taken = sum(labels[index] == label for index in less)
        assert taken == max(1, round(min(one, two) * count))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_a_feed_has_only_that_share(digits: Dataset):
    feed = MemoryFeed(digits, replace(FAST, train_share=0.25), 0, CPU)
    chosen = trained_on(digits.train_labels, feed.recipe)
    assert chosen is not None
    assert torch.equal(feed.images, digits.train_images[chosen])
    assert torch.equal(feed.labels, digits.train_labels[chosen])
    assert feed.batches == len(chosen) // 32 == 6
    known = {bytes(image.numpy().tobytes()) for image in digits.train_images[chosen]}
    seen = [feed.next() for _ in range(7)]  # more than a pass
    back = [(images * digits.deviation + digits.mean).round() for images, _ in seen]
    for images in back:
        assert {bytes(i.numpy().astype(np.uint8).tobytes()) for i in images} <= known
    validated = sum(len(labels) for _, labels in feed.part("validation"))
    assert validated == len(digits.validation_labels)


def test_the_whole_part_is_taken_as_it_is(digits: Dataset):
    assert trained_on(digits.train_labels, FAST) is None
    assert len(MemoryFeed(digits, FAST, 0, CPU).labels) == len(digits.train_labels)
    assert "train_share" not in FAST.to_json()
    half = replace(FAST, train_share=0.5)
    assert Recipe(**half.to_json()) == half


def test_a_fitted_recipe_counts_what_is_trained_on():
    """Images that are seen again and again are varied: so are those of a small share."""
    sizes = {"shape": (3, 32, 32), "stems": ("cifar", "pooled")}
    whole = fitted_recipe("fitted", "fitted", counts=(4_000, 500), **sizes)
    some = fitted_recipe({"train_share": 0.05}, "fitted", counts=(4_000, 500), **sizes)
    small = fitted_recipe("fitted", "fitted", counts=(200, 500), **sizes)
    assert some == replace(small, train_share=0.05)
    assert some.crop_padding > whole.crop_padding == 0


@pytest.mark.parametrize("share", [0, -0.1, 1.1, True, "half", float("nan")])
def test_shares_out_of_range_are_refused(share: object):
    with pytest.raises(InvalidOption, match="train_share is"):
        replace(RECIPES["quick"], train_share=share)
