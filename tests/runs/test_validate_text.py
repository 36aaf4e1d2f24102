"""Final validation of language models, which read the test text."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

import nas_gym
from nas_gym.errors import InvalidDataset, InvalidOption
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.trained.final import FinalLanguageTraining
from nas_gym.runs.validate import validate
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.store import RunData, Store, load_run
from nas_gym.training.text.dataset import load_text
from nas_gym.training.text.recipe import LanguageRecipe
from nas_gym.training.text.sizing import build_language_model
from nas_gym.training.text.train import measure_test_perplexity, train_language_model

CELLS = RNNCell(base=2)
SMALL = {"epochs": 1, "batch_size": 4, "bptt": 5, "hidden": 4}
LINES = "the cat sat on the mat\nthe dog sat on the cat\na dog and a cat\n"


def text_folder(folder: Path, test: str = LINES * 2) -> Path:
    folder.mkdir()
    for part, content in (("train", LINES * 9), ("valid", LINES), ("test", test)):
        (folder / f"{part}.txt").write_text(content)
    return folder


@pytest.fixture
def read(tmp_path: Path) -> RunData:
    """A run of two language models on a folder of text."""
    spec = {
        "name": "language-model", "recipe": SMALL, "vocabulary": 6,
        "dataset": str(text_folder(tmp_path / "text")),
    }  # fmt: skip
    store = tmp_path / "read.sqlite"
    nas_gym.search(
        CELLS, spec, "random-search", reward="inverse-perplexity", budget=2, run="r", store=store
    )
    return load_run("r", store)


def test_language_models_are_trained_again_and_read_the_test_text(
    read: RunData, tmp_path: Path
) -> None:
    (result,) = validate(read, best=1, repeats=1)
    assert result.failure is None
    assert result.protocol == read.config["protocol"]
    text = load_text(tmp_path / "text", vocabulary=6)
    recipe = LanguageRecipe(**read.config["protocol"]["recipe"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(result.seed)
            genotype = architecture_of(CELLS, result.tokens).genotype
            network = build_language_model(CELLS, genotype, recipe, 6)
        trained = train_language_model(network, text, recipe, result.seed)
        tested = measure_test_perplexity(network, text)
    finally:
        torch.set_num_threads(threads)
    assert trained.best is not None
    assert tested is not None
    assert result.metrics == {
        "perplexity": trained.best.perplexity,
        "bits_per_character": trained.best.bits_per_character,
        "test_perplexity": tested.perplexity,
        "test_bits_per_character": tested.bits_per_character,
    }
    assert (result.accuracy, result.test_accuracy) == (trained.best.accuracy, tested.accuracy)


def test_validations_with_metrics_go_through_the_store(read: RunData, tmp_path: Path) -> None:
    with Store(tmp_path / "read.sqlite", must_exist=True) as store:
        validate(read, best=1, repeats=1, save=lambda each: store.save_validation("r", each))
    (stored,) = load_run("r", tmp_path / "read.sqlite").validations
    assert stored.metrics.keys() == {
        *("perplexity", "bits_per_character", "test_perplexity", "test_bits_per_character")
    }
    assert validate(replace(read, validations=(stored,)), best=1, repeats=1) == [stored]
    old = {k: v for k, v in asdict(stored).items() if k != "metrics"}  # before there were metrics
    assert Validation(**old).metrics == {}


def test_texts_that_are_another_or_lie_elsewhere(read: RunData, tmp_path: Path) -> None:
    there = text_folder(tmp_path / "there")
    (result,) = validate(read, best=1, repeats=1, dataset=str(there))
    assert result.failure is None
    other = text_folder(tmp_path / "other", test="the cat\n" * 5)
    with pytest.raises(InvalidDataset, match="is not the one that run 'r' was searched on"):
        validate(read, best=1, repeats=1, dataset=str(other))
    with pytest.raises(InvalidOption, match=r"folder is 'x'.*say where the text lies with --data"):
        validate(read, best=1, repeats=1, folder="x")


def test_no_search_can_read_the_test_text() -> None:
    evaluator = FinalLanguageTraining(CELLS)
    with pytest.raises(InvalidOption, match="reads the test part, which no search may see"):
        nas_gym.search(CELLS, evaluator, "random-search", budget=1)


def test_a_text_has_no_size_of_images_and_a_recipe_that_can_be_changed(read: RunData) -> None:
    with pytest.raises(InvalidOption, match="image_size is 16, and run 'r' was trained on text"):
        validate(read, image_size=16)
    (longer,) = validate(read, best=1, repeats=1, recipe={"epochs": 2})
    own = read.config["protocol"]["recipe"]
    assert longer.protocol["recipe"] == {**own, "epochs": 2}
