import json
from dataclasses import replace

import pytest

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.training.images.fitting import STEPS, fitted_recipe
from nas_gym.training.images.presets import RECIPES, UNFITTED
from nas_gym.training.images.recipe import Recipe

STEMS = ("cifar", "pooled")
DIGITS = {"counts": (808, 629), "shape": (1, 8, 8)}
PHOTOS = {"counts": (360, 180), "shape": (3, 32, 32)}
CIFAR10 = {"counts": (45_000, 5_000), "shape": (3, 32, 32)}


def fitted(given="fitted", usual="fitted", stems=STEMS, *, counts, shape):
    return fitted_recipe(given, usual, counts=counts, shape=shape, stems=stems)


BY_STEPS = [name for name in UNFITTED if name != "modern"]


@pytest.mark.parametrize("name", [name for name in BY_STEPS if name != "supernet"])
def test_digits_are_trained_as_they_always_were(name):
    assert fitted(name, **DIGITS) == RECIPES[name.replace("fitted", "quick")]


@pytest.mark.parametrize("data", [DIGITS, PHOTOS, CIFAR10])
def test_supernets_have_the_size_of_the_usual_children(data):
    shared, child = fitted("supernet", **data), fitted(**data)
    size = ("stem", "filters", "repeats", "crop_padding", "flip")
    assert [getattr(shared, n) for n in size] == [getattr(child, n) for n in size]
    assert shared.steps == child.steps  # the evaluator gives more, by the space
    assert fitted({"name": "supernet", "epochs": 3}, **data).steps is None
    assert fitted({"name": "supernet", "steps": 7}, **data).steps == 7


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("data", [DIGITS, PHOTOS, CIFAR10])
def test_recipes_of_other_names_do_not_depend_on_the_data(name, data):
    assert fitted(name, **data) == RECIPES[name]
    mine = replace(RECIPES[name], filters=12)
    assert fitted(mine, **data) is mine


@pytest.mark.parametrize("images", [4, 60, 240, 480, 2400, 45_000, 10**6])
@pytest.mark.parametrize("side", [12, 28, 32, 64, 224])
@pytest.mark.parametrize("name", BY_STEPS)
def test_the_number_of_images_does_not_change_the_number_of_steps(name, images, side):
    recipe = fitted(name, counts=(images, images // 3), shape=(3, side, side))
    assert recipe.steps is not None
    assert recipe.steps == fitted(name, counts=(480, 60), shape=(3, side, side)).steps


@pytest.mark.parametrize("images", [30, 10_000])
def test_few_or_many_small_images_get_steps_as_well(images):
    assert fitted(counts=(images, 20), shape=(1, 8, 8)).steps == STEPS


def test_what_suits_photographs():
    few, many = fitted(**PHOTOS), fitted(**CIFAR10)
    assert few.stem == many.stem == "pooled"
    assert few.flip and few.crop_padding == 4  # noqa: PT018
    assert not many.flip and not many.crop_padding  # noqa: PT018
    assert not fitted(counts=(360, 180), shape=(1, 28, 28)).flip  # a 2 in a mirror is no digit
    assert (few.measured, many.measured) == (5, 1)
    assert fitted(stems=("cifar",), **PHOTOS).stem == "cifar"


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 7), ("filters", 6), ("stem", "cifar"), ("flip", False), ("learning_rate", 0.3),
     ("crop_padding", 0), ("measured", 2), ("batch_size", 16)],
)  # fmt: skip
def test_what_the_user_gives_is_kept(field, value):
    recipe = fitted({field: value}, **PHOTOS)
    assert getattr(recipe, field) == value
    assert (
        getattr(fitted({"name": "fitted", field: value}, usual="quick", **DIGITS), field) == value
    )


def test_epochs_of_the_user_take_the_place_of_steps():
    assert fitted({"epochs": 3}, **PHOTOS).steps is None
    assert fitted({"epochs": 3}, **PHOTOS).epochs == 3
    assert fitted({"epochs": 3, "steps": 9}, **PHOTOS).steps == 9


def test_bad_values_are_refused_with_the_name_that_was_given():
    with pytest.raises(InvalidOption, match="steps of recipe 'fitted' is 0: give a whole number"):
        fitted({"steps": 0}, **PHOTOS)
    with pytest.raises(UnknownName, match="did you mean 'steps'"):
        fitted({"step": 3}, **PHOTOS)
    with pytest.raises(UnknownName, match="did you mean 'fitted'"):
        fitted("fited", **PHOTOS)


@pytest.mark.parametrize("data", [DIGITS, PHOTOS, CIFAR10])
def test_fitted_recipes_go_through_json(data):
    recipe = fitted(**data)
    assert Recipe(**json.loads(json.dumps(recipe.to_json()))) == recipe


def test_a_final_training_keeps_its_epochs_and_suits_the_images():
    digits, photos = (fitted("modern", **each) for each in (DIGITS, PHOTOS))
    assert photos.epochs == UNFITTED["modern"].epochs > digits.epochs
    assert fitted({"name": "modern", "epochs": 7}, **DIGITS).epochs == 7
    assert (digits.repeats, photos.repeats) == (1, UNFITTED["modern"].repeats)
    assert digits.steps is photos.steps is None
    assert (digits.crop_padding, digits.flip, digits.trivial_augment) == (1, False, False)
    assert (photos.crop_padding, photos.flip, photos.trivial_augment) == (4, True, True)
    assert (digits.warmup_epochs, digits.drop_path) == (2.5, 0.0)  # the space's networks have none
    large = fitted_recipe(
        "modern", "modern", counts=(9, 9), shape=(3, 224, 224),
        stems=("cifar", "imagenet"), drops_paths=True,
    )  # fmt: skip
    assert (large.stem, large.drop_path) == ("imagenet", UNFITTED["modern"].drop_path)
    assert large.resized_crop > 0
    assert not large.crop_padding
