"""A data set that somebody made by hand is checked before a child is trained on it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nas_gym.errors import InvalidDataset
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.training.images import split_dataset

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 3, 4, 4)).astype(np.uint8)
GOOD = split_dataset("mine", PIXELS, np.arange(30) % 3)
NAN = torch.full(GOOD.train_images.shape, torch.nan)

WRONG = {
    "floats": ({"train_labels": GOOD.train_labels.float()}, "give an int64 tensor of 24 labels"),
    "short": ({"train_labels": GOOD.train_labels[1:]}, "give an int64 tensor of 24 labels"),
    "a list": ({"test_labels": [0, 1, 2]}, "test_labels is list: give an int64 tensor of 3 labels"),
    "one-hot": ({"test_labels": torch.eye(3)}, "give an int64 tensor of 3 labels"),
    "from 1": ({"train_labels": GOOD.train_labels + 1}, "from 1 to 3, and there are 3 classes"),
    "below 0": ({"validation_labels": GOOD.validation_labels - 1}, "from -1 to 1, and there"),
    "few classes": ({"classes": 2}, "from 0 to 2, and there are 2 classes"),
    "one class": ({"classes": 1}, "classes is 1: give a whole number, 2 or more"),
    "a half class": ({"classes": 2.5}, r"classes is 2\.5: give a whole number"),
    "arrays": ({"train_images": GOOD.train_images.numpy()}, "train_images is a ndarray: give a te"),
    "grey": ({"train_images": GOOD.train_images[:, 0]}, r"train_images is torch\.uint8 \(24, 4, 4"),
    "whole": ({"train_images": GOOD.train_images.long()}, r"train_images is torch\.int64"),
    "nan": ({"train_images": NAN}, "train_images has values that are not finite"),
    "other size": (
        {"validation_images": GOOD.validation_images[..., 1:]},
        r"its images are \(3, 4, 3\) and \(3, 4, 4\): make all of one",
    ),
    "nothing": (
        {"validation_images": GOOD.validation_images[:0],
         "validation_labels": GOOD.validation_labels[:0]},
        "its validation part is empty",
    ),
}  # fmt: skip


def evaluator_of(data: object) -> TrainingEvaluator:
    return TrainingEvaluator(NASNetCell(blocks=1), dataset=data)


@pytest.mark.parametrize("case", WRONG)
def test_parts_that_do_not_fit_are_refused(case):
    changes, message = WRONG[case]
    with pytest.raises(InvalidDataset, match=f"mine: .*{message}|mine: {message}"):
        replace(GOOD, **changes)
    kept = {name: getattr(GOOD, name) for name in TrainingEvaluator.data_has}
    by_hand = SimpleNamespace(**{**kept, "mean": GOOD.mean, **changes})
    with pytest.raises(InvalidDataset, match=message):
        evaluator_of(by_hand).settle()


def test_statistics_that_no_network_could_take_are_refused():
    with pytest.raises(InvalidDataset, match=r"mean is not of the shape \(1, 3, 1, 1\)"):
        replace(GOOD, mean=torch.zeros(3))
    with pytest.raises(InvalidDataset, match="deviation is not above 0"):
        replace(GOOD, deviation=GOOD.deviation * 0)


def test_a_test_part_may_be_empty_and_numbers_of_numpy_are_numbers():
    empty = {"test_images": GOOD.test_images[:0], "test_labels": GOOD.test_labels[:0]}
    assert len(replace(GOOD, classes=np.int64(3), **empty).test_labels) == 0
    assert replace(GOOD, test_images=None, test_labels=None).test_labels is None
    evaluator_of(GOOD).settle()
