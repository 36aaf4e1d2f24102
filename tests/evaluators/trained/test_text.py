import copy
import json
import pickle
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

import nas_gym
from nas_gym.errors import (
    InvalidDataset,
    InvalidOption,
    InvalidSpace,
    StoreError,
    UnknownName,
)
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.text import LanguageModelEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.testing.evaluator_suite import EvaluatorSuite
from nas_gym.training.text.dataset import load_text, text_from_strings
from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe

SHORT = LanguageRecipe(epochs=2, batch_size=8, bptt=5, learning_rate=0.02, optimizer="adam",
                       gradient_clip=5, hidden=4)  # fmt: skip
LINES = "the cat sat on the mat\nthe dog sat on the cat\na dog and a cat\n"
TEXT = text_from_strings("lines", LINES * 12, LINES * 2, LINES * 2)
SPACE = RNNCell(base=2)
METRICS = {
    "perplexity", "final_perplexity", "bits_per_character", "accuracy", "parameters",
    "multiply_adds",
}  # fmt: skip


def evaluations(evaluator, token_lists, seeds):
    architectures = [architecture_of(evaluator.space, tokens) for tokens in token_lists]
    return list(evaluator.evaluate(architectures, seeds))


class TestSuite(EvaluatorSuite):
    @pytest.fixture
    def space(self):
        return SPACE

    @pytest.fixture
    def evaluator(self, space):
        return LanguageModelEvaluator(space, dataset=TEXT, recipe=SHORT)


def test_metrics_of_a_trained_child():
    evaluator = LanguageModelEvaluator(SPACE, dataset=TEXT, recipe=SHORT)
    assert isinstance(evaluator, Evaluator)
    (evaluation,) = evaluations(evaluator, [(0,) * SPACE.max_length], [7])
    assert evaluation.failure is None
    assert evaluation.source == "trained"
    assert evaluation.metrics.keys() == METRICS
    words = len(TEXT.vocabulary)
    assert 1 < evaluation.metrics["perplexity"] < words + 1
    assert evaluation.metrics["perplexity"] <= evaluation.metrics["final_perplexity"]
    assert 0 < evaluation.accuracy < 1
    assert evaluation.metrics["parameters"] == words * 4 + 2 * (4 * 4 + 4 * 4) + words
    assert evaluation.metrics["multiply_adds"] == 2 * (4 * 4 + 4 * 4) + words * 4
    json.dumps(evaluation.to_info())


def test_enas_cells_are_trained_as_well():
    space = ENASRNNCell(nodes=2)
    evaluator = LanguageModelEvaluator(space, dataset=TEXT, recipe=SHORT)
    (evaluation,) = evaluations(evaluator, [(0,) * space.max_length], [7])
    assert evaluation.failure is None
    assert evaluation.metrics.keys() == METRICS


@dataclass(frozen=True)
class Own:
    """A user's space, with its own network, or something that goes wrong."""

    usual_evaluator = "language-model"
    max_length = 1
    max_options = 3

    def choose(self, pick):
        return pick("kind", ("fine", "raise", "diverge"))

    def build(self, genotype, task):
        if genotype == "raise":
            raise ValueError("no such kind")
        return Bag(task, float("inf") if genotype == "diverge" else 0.0)


class Bag(nn.Module):
    """Knows the last word alone."""

    def __init__(self, task, first):
        super().__init__()
        self.table = nn.Embedding(task.vocabulary, task.vocabulary)
        nn.init.constant_(self.table.weight, first)

    def first_state(self, batch):
        return ()

    def forward(self, tokens, state=None):
        return self.table(tokens), ()


def test_bad_children_are_rows_and_users_spaces_work():
    evaluator = LanguageModelEvaluator(Own(), dataset=TEXT, recipe=SHORT)
    raised, diverged, fine = evaluations(evaluator, [(1,), (2,), (0,)], [1, 2, 3])
    assert raised.failure == "error: ValueError: no such kind"
    assert diverged.failure == "diverged"
    assert raised.accuracy is diverged.accuracy is None
    assert fine.failure is None
    assert fine.metrics["parameters"] == len(TEXT.vocabulary) ** 2


def test_perplexity_depends_on_architecture_and_seed_alone():
    evaluator = LanguageModelEvaluator(
        SPACE, dataset=TEXT, recipe=replace(SHORT, dropout_output=0.2)
    )
    tokens = [(0,) * 10, (0, 1, 1, 2, 0, 3, 1, 0, 2, 1)]
    here = {e.architecture.tokens: e.metrics for e in evaluations(evaluator, tokens, [1, 2])}
    torch.rand(5)
    backwards = evaluations(evaluator, tokens[::-1], [2, 1])
    assert here == {e.architecture.tokens: e.metrics for e in backwards}
    (other,) = evaluations(evaluator, tokens[:1], [3])
    assert other.metrics["perplexity"] != here[tokens[0]]["perplexity"]


@pytest.mark.slow
def test_workers_change_nothing():
    evaluator = LanguageModelEvaluator(SPACE, recipe={"epochs": 1})
    tokens = [(0,) * 10, (0, 1, 1, 2, 0, 3, 1, 0, 2, 1)]
    here = {e.architecture.tokens: e.metrics for e in evaluations(evaluator, tokens, [1, 2])}
    parallel = ParallelEvaluator(evaluator, workers=2)
    try:
        architectures = [architecture_of(SPACE, each) for each in tokens]
        there = list(parallel.evaluate(architectures, [1, 2]))
    finally:
        parallel.close()
    assert [e.failure for e in there] == [None] * 2
    assert here == {e.architecture.tokens: e.metrics for e in there}


def test_copies_are_configuration_and_share_no_text():
    evaluator = LanguageModelEvaluator(SPACE)
    size = len(pickle.dumps(evaluator))
    assert evaluator.data.name == "python-docs"
    assert len(pickle.dumps(evaluator)) == size
    for twin in (copy.deepcopy(evaluator), pickle.loads(pickle.dumps(evaluator))):
        assert twin == evaluator
        assert "data" not in vars(twin)


def test_protocol_says_what_results_depend_on():
    evaluator = LanguageModelEvaluator(SPACE, level="character", recipe="zoph2016-ptb-char")
    protocol = evaluator.protocol
    assert json.loads(json.dumps(protocol)) == protocol
    text = load_text("python-docs", level="character")
    assert (protocol["evaluator"], protocol["dataset"]) == ("language-model", "python-docs")
    assert protocol["fingerprint"] == text.fingerprint
    assert (protocol["level"], protocol["vocabulary"]) == ("character", len(text.vocabulary))
    assert protocol["recipe"] == LANGUAGE_RECIPES["zoph2016-ptb-char"].to_json()


def test_the_usual_recipe_is_the_spaces():
    assert LanguageModelEvaluator(SPACE).named_recipe == LANGUAGE_RECIPES["quick-text"]
    assert LanguageModelEvaluator(Own()).named_recipe == LANGUAGE_RECIPES["quick-text"]

    @dataclass(frozen=True)
    class Other(Own):
        usual_recipe = "zoph2016-ptb"

    assert LanguageModelEvaluator(Other()).named_recipe == LANGUAGE_RECIPES["zoph2016-ptb"]
    changed = LanguageModelEvaluator(Other(), recipe={"epochs": 2}).named_recipe
    assert changed == replace(LANGUAGE_RECIPES["zoph2016-ptb"], epochs=2)


def test_spaces_for_other_data_are_refused():
    for space in (ConvNet(), NASNetCell()):
        with pytest.raises(InvalidSpace, match=r"no space of language models: .*'training'"):
            LanguageModelEvaluator(space)
    with pytest.raises(InvalidSpace, match=r"RNNCell builds language models.*'language-model'"):
        TrainingEvaluator(SPACE)


def test_bad_options_are_found_before_the_first_child(tmp_path):
    with pytest.raises(UnknownName, match="recipe"):
        LanguageModelEvaluator(SPACE, recipe="quick")
    with pytest.raises(InvalidOption, match="threads is 0"):
        LanguageModelEvaluator(SPACE, threads=0)
    with pytest.raises(InvalidDataset, match=r"has no train\.txt"):
        LanguageModelEvaluator(SPACE, dataset=str(tmp_path))
    short = LanguageModelEvaluator(SPACE, dataset=TEXT, recipe=replace(SHORT, bptt=99))
    with pytest.raises(InvalidDataset, match="a sequence of 99 needs 100"):
        evaluations(short, [(0,) * 10], [1])


def test_too_few_parameters_are_refused_before_any_run(tmp_path):
    recipe = {"name": "quick-text", "parameters": 10}
    with pytest.raises(InvalidOption, match=r"parameters is 10, .* give that many or more"):
        nas_gym.search(SPACE, {"name": "language-model", "recipe": recipe}, "random-search",
                       budget=1, run="r", store=tmp_path / "s.sqlite")  # fmt: skip
    with pytest.raises(StoreError, match="there is no results database"):
        nas_gym.load_run("r", tmp_path / "s.sqlite")


def test_a_run_whose_text_has_changed_is_not_gone_on_with(tmp_path):
    folder, store = tmp_path / "text", tmp_path / "s.sqlite"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text(LINES * 4, encoding="utf-8")
    recipe = {"name": "quick-text", "epochs": 1, "bptt": 5, "hidden": 4}
    evaluator = {"name": "language-model", "dataset": str(folder), "recipe": recipe}
    nas_gym.search(SPACE, evaluator, "random-search", budget=2, run="r", store=store)
    (folder / "train.txt").write_text(LINES * 5, encoding="utf-8")
    with pytest.raises(InvalidOption, match="the data of run 'r' has changed since it was begun"):
        nas_gym.resume("r", store, budget=3)
    assert len(nas_gym.load_run("r", store).rows) == 2


def test_the_summary_has_what_is_really_trained_on():
    whole, half = (
        LanguageModelEvaluator(SPACE, dataset=TEXT, recipe=replace(SHORT, train_share=share))
        for share in (1.0, 0.5)
    )
    assert whole.data_summary()["parts"]["train"] == len(TEXT.train)
    assert half.data_summary()["parts"]["train"] == len(TEXT.train) // 2
    images = TrainingEvaluator(NASNetCell(blocks=1), recipe={"name": "quick", "train_share": 0.1})
    assert images.data_summary()["parts"]["train"] < 0.2 * len(images.data.train_labels)
