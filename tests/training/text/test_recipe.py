import json
import math
from dataclasses import replace

import pytest

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.networks.task import LanguageTask
from nas_gym.training.text.recipe import (
    LANGUAGE_RECIPES,
    LanguageRecipe,
    language_recipe_of,
)

PTB, CHARACTERS = (LANGUAGE_RECIPES[name] for name in ("zoph2016-ptb", "zoph2016-ptb-char"))


def test_the_word_recipe_has_the_papers_values():
    assert (PTB.epochs, PTB.layers, PTB.parameters) == (35, 2, 20_000_000)
    assert (PTB.batch_size, PTB.bptt) == (20, 35)
    assert PTB.dropout_embedding > 0 < PTB.dropout_hidden


def test_the_character_recipe_has_the_papers_values():
    assert (CHARACTERS.optimizer, CHARACTERS.learning_rate) == ("adam", 0.001)
    assert (CHARACTERS.embedding, CHARACTERS.hidden, CHARACTERS.layers) == (128, 800, 2)
    assert (CHARACTERS.batch_size, CHARACTERS.bptt, CHARACTERS.weight_decay) == (32, 100, 1e-4)
    assert (CHARACTERS.dropout_input, CHARACTERS.dropout_output) == (0.2, 0.5)
    assert CHARACTERS.epochs * 5_059_550 / 3200 == pytest.approx(600_000, rel=0.01)


@pytest.mark.parametrize("name", LANGUAGE_RECIPES)
def test_recipes_go_through_json(name):
    recipe = LANGUAGE_RECIPES[name]
    assert LanguageRecipe(**json.loads(json.dumps(recipe.to_json()))) == recipe


def test_the_rate_is_divided_after_the_constant_epochs():
    rates = [PTB.rate(epoch, 0.5) for epoch in range(9)]  # Zaremba et al. 2014, medium
    assert rates[:6] == [1.0] * 5 + [1.0]
    assert rates[6:] == pytest.approx([1 / 1.2, 1 / 1.2**2, 1 / 1.2**3])


def test_the_rate_falls_along_half_a_cosine_or_stays():
    cosine = replace(PTB, schedule="cosine", learning_rate=0.2)
    assert [cosine.rate(0, p) for p in (0, 0.5, 1)] == pytest.approx([0.2, 0.1, 0])
    assert CHARACTERS.rate(300, 0.9) == 0.001


def test_task_asks_for_the_recipes_sizes():
    assert CHARACTERS.task(50, 800) == LanguageTask(
        50, layers=2, hidden=800, embedding=128, tied=False,
        dropout_input=0.2, dropout_hidden=0.2, dropout_output=0.5,
    )  # fmt: skip
    assert PTB.task(10_000, 537).embedding == 537


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("bptt", 2.5),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("division", 0.9),
        ("constant_epochs", -1),
        ("gradient_clip", -1),
        ("layers", True),
        ("hidden", 0),
        ("embedding", 0),
        ("dropout_output", 1.0),
        ("initial_range", "small"),
        ("tied", 1),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(InvalidOption, match=f"{field} is"):
        replace(CHARACTERS, **{field: value})


def test_sizes_that_contradict_each_other_are_refused():
    with pytest.raises(InvalidOption, match="hidden is 5 and parameters is 9: give one of the two"):
        replace(PTB, hidden=5, parameters=9)
    with pytest.raises(InvalidOption, match="hidden is None and parameters is None"):
        replace(PTB, parameters=None)
    with pytest.raises(InvalidOption, match="tied is true, embedding is 128 and hidden is 800"):
        replace(CHARACTERS, tied=True)


def test_unknown_names():
    with pytest.raises(UnknownName, match="unknown optimizer 'adm': did you mean 'adam'"):
        replace(PTB, optimizer="adm")
    with pytest.raises(UnknownName, match="unknown schedule"):
        replace(PTB, schedule="linear")
    with pytest.raises(UnknownName, match="did you mean 'quick-text'"):
        language_recipe_of("quick-txt")
    with pytest.raises(UnknownName, match="did you mean 'epochs'"):
        language_recipe_of({"epoch": 3})


def test_recipes_come_by_name_with_changes_or_as_they_are():
    quick = LANGUAGE_RECIPES["quick-text"]
    assert language_recipe_of("zoph2016-ptb") is not None
    assert language_recipe_of({"epochs": 3}) == replace(quick, epochs=3)
    assert language_recipe_of(PTB) is PTB
    assert language_recipe_of({"name": "zoph2016-ptb", "hidden": 9}).parameters is None
    assert language_recipe_of({"parameters": 9_999}).hidden is None
