import json
from dataclasses import replace

import pytest

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.networks.task import Task
from nas_gym.training.images.presets import RECIPES, recipe_of
from nas_gym.training.images.recipe import Recipe


def test_search_recipe_has_the_papers_values():
    recipe = RECIPES["nasnet-search"]  # Zoph et al. 2017, appendix A.1
    assert (recipe.epochs, recipe.repeats, recipe.momentum) == (20, 2, 0.9)
    assert 32 + 2 * recipe.crop_padding == 40
    assert recipe.flip


def test_final_recipe_has_the_authors_values():
    recipe = RECIPES["nasnet-cifar"]  # TensorFlow slim, nasnet.py
    assert recipe.epochs * 50_000 / recipe.batch_size == 937_500  # steps
    assert (recipe.learning_rate, recipe.weight_decay) == (0.025, 5e-4)
    assert (1 - recipe.drop_path, recipe.auxiliary_weight, recipe.gradient_clip) == (0.6, 0.4, 5)
    assert 24 * recipe.filters == 768
    assert recipe.repeats == 6


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_go_through_json(name):
    recipe = RECIPES[name]
    assert Recipe(**json.loads(json.dumps(recipe.to_json()))) == recipe


def test_task_asks_for_the_recipes_size():
    task = RECIPES["nasnet-cifar"].task(3, 32, 32, 10)
    assert task == Task(
        3, 32, 32, 10, repeats=6, filters=32, stem="cifar", auxiliary=True, drop_path=0.4
    )
    assert not RECIPES["nasnet-search"].task(3, 32, 32, 10).auxiliary


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", True),
        ("batch_size", 1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", "fast"),
        ("momentum", 1.0),
        ("weight_decay", -1e-4),
        ("label_smoothing", 1.0),
        ("crop_padding", -1),
        ("flip", 1),
        ("drop_path", 1.0),
        ("filters", 0),
        ("width_multiplier", 0.0),
        ("width_multiplier", float("inf")),
        ("more_filters", -1),
        ("more_filters", 0.5),
        ("steps", 0),
        ("steps", True),
        ("steps", 1.5),
        ("measured", 0),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(InvalidOption, match=f"{field} is"):
        replace(RECIPES["quick"], **{field: value})


def test_recipes_come_by_name_with_changes_or_as_they_are():
    assert recipe_of("quick") == RECIPES["quick"]
    assert recipe_of({"name": "nasnet-search", "epochs": 3}) == replace(
        RECIPES["nasnet-search"], epochs=3
    )
    assert recipe_of({"epochs": 3}) == replace(RECIPES["quick"], epochs=3)
    assert recipe_of("fitted") == RECIPES["quick"]  # until it is known what to fit it to
    mine = replace(RECIPES["quick"], filters=6)
    assert recipe_of(mine) is mine


def test_unknown_names():
    with pytest.raises(UnknownName, match="did you mean 'quick'"):
        recipe_of("quik")
    with pytest.raises(UnknownName, match="did you mean 'epochs'"):
        recipe_of({"epoch": 3})
    with pytest.raises(UnknownName, match="did you mean 'imagenet'"):
        replace(RECIPES["quick"], stem="imagnet")
    with pytest.raises(UnknownName, match="did you mean 'cosine'"):
        replace(RECIPES["quick"], schedule="cosin")


def test_what_older_stores_hold_is_still_what_is_recorded():
    """Runs of before ``schedule``, ``width_multiplier`` and ``more_filters`` must resume."""
    assert RECIPES["quick"].to_json() == {
        "epochs": 5, "batch_size": 64, "learning_rate": 0.02, "momentum": 0.9,
        "weight_decay": 1e-4, "label_smoothing": 0.0, "crop_padding": 0, "flip": False,
        "cutout": 0, "auxiliary_weight": 0.0, "drop_path": 0.0, "gradient_clip": 0.0,
        "repeats": 1, "filters": 4, "stem": "cifar",
    }  # fmt: skip
    later = {"more_filters": 40, "schedule": "steps", "steps": 9, "measured": 1}
    changed = replace(RECIPES["quick"], **later).to_json()
    assert changed.keys() - RECIPES["quick"].to_json().keys() == later.keys()


def test_the_first_papers_recipe():
    recipe = RECIPES["zoph2016-cifar"]  # Zoph & Le 2016, section 4.1
    assert (recipe.epochs, recipe.learning_rate, recipe.weight_decay) == (50, 0.1, 1e-4)
    assert recipe.momentum == 0.9
    assert recipe.flip
    assert recipe.crop_padding


def test_schedules():
    def rates(schedule):
        recipe = replace(RECIPES["zoph2016-cifar"], schedule=schedule)
        return [recipe.learning_rate_at(p) for p in (0, 0.25, 0.5, 0.75, 0.99)]

    assert rates("constant") == [0.1] * 5
    assert rates("steps") == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.001])
    assert rates("cosine")[:3] == pytest.approx([0.1, 0.1 * (1 + 0.5**0.5) / 2, 0.05])


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("decay_epochs", [1, 3])
def test_an_exponential_schedule_counts_epochs_after_the_warmup(warmup, decay_epochs):
    recipe = replace(
        RECIPES["zoph2016-cifar"], schedule="exponential", epochs=49, warmup_epochs=warmup,
        decay_epochs=decay_epochs, decay_factor=0.5,
    )  # fmt: skip
    for epoch in range(warmup, 49):
        after = (epoch - warmup) // decay_epochs
        assert recipe.learning_rate_at(epoch / 49) == pytest.approx(0.1 * 0.5**after)
