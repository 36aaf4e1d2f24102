"""A real run of language models: its report, cards, progress and exported architectures."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import nas_gym
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.models.architectures import find
from nas_gym.networks.task import LanguageTask
from nas_gym.registry import make
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.export import document
from nas_gym.runs.findings import Findings, best_rows, summary
from nas_gym.runs.progress import SearchProgress
from nas_gym.runs.report import print_summary
from nas_gym.runs.validate import validate
from nas_gym.search_spaces.describe import describe
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.store import RunData, load_run
from nas_gym.training.text.recipe import LANGUAGE_RECIPES

SPACE = RNNCell(base=2)
RECIPE = {
    "name": "quick-text", "epochs": 1, "batch_size": 2, "bptt": 5, "parameters": 150, "layers": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for part, times in (("train", 20), ("valid", 6), ("test", 6)):
        (folder / f"{part}.txt").write_text("the cat saw a dog\nthe dog saw the cat\n" * times)
    return folder


@pytest.fixture(scope="module")
def found(text: Path) -> RunData:
    """Three children that were really trained, the best of them twice more."""
    evaluator = {"name": "language-model", "dataset": str(text), "recipe": RECIPE}
    store = text / "store.sqlite"
    reward = "inverse-perplexity-squared"
    nas_gym.search(
        SPACE, evaluator, "random-search", reward=reward, budget=3, run="talk", store=store
    )
    run = load_run("talk", store)
    return replace(run, validations=tuple(validate(run, best=1, repeats=2)))


def test_the_report_shows_perplexities(found: RunData) -> None:
    best = best_rows(found, 3)
    perplexities = [row.metrics["perplexity"] for row in best]
    assert perplexities == sorted(perplexities)
    console = Console(width=120, record=True)
    print_summary(Findings.of(found), console)
    shown = console.export_text()
    assert "perplexity" in shown
    assert "accuracy" not in shown
    for row in best:
        assert f" {row.metrics['perplexity']:.2f} " in shown
        assert f" {row.reward:.6f} " in shown
    assert "trained again with new seeds, perplexities" in shown
    tests = [v.metrics["test_perplexity"] for v in found.validations]
    assert f"{sum(tests) / 2:.2f} ± {abs(tests[0] - tests[1]) / 2**0.5:.2f}" in shown


def test_the_summary_has_the_metrics_of_the_validations(found: RunData) -> None:
    data = summary(Findings.of(found))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    (group,) = data["validations"]
    for name in (
        "perplexity",
        "bits_per_character",
        "test_perplexity",
        "test_bits_per_character",
    ):
        values = [v.metrics[name] for v in found.validations]
        assert group["metrics"][name]["values"] == values
        assert group["metrics"][name]["mean"] == pytest.approx(sum(values) / 2)
    assert data["best"][0]["perplexity"] == best_rows(found, 1)[0].metrics["perplexity"]


def test_a_failed_final_training_has_no_metrics(found: RunData) -> None:
    first, second = found.validations
    failed = replace(second, accuracy=None, test_accuracy=None, failure="diverged", metrics={})
    (group,) = Findings.of(replace(found, validations=(first, failed))).validations
    assert group.values("perplexity") == [first.metrics["perplexity"]]
    assert group.to_json()["metrics"]["test_perplexity"]["std"] is None
    assert group.failures == {"diverged": 1}


def test_the_card_shows_perplexity_and_bits_per_character(found: RunData) -> None:
    row, other = best_rows(found, 2)
    card = card_of(Findings.of(found), row, 1)
    page = card_as_markdown(card, Findings.of(found).leading)
    assert f"| validation perplexity in the search | {row.metrics['perplexity']:.2f} |" in page
    bits = row.metrics["bits_per_character"]
    assert f"| validation bits per character in the search | {bits:.4f} |" in page
    assert "| test perplexity of 2 new trainings (recipe as in the search) |" in page
    assert "| multiply-adds of one word or character |" in page
    assert "accuracy" not in page
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    page = card_as_markdown(card_of(Findings.of(found), other, 2), Findings.of(found).leading)
    assert "| test perplexity | not measured: `nas-gym validate talk` does |" in page


def test_recipes_for_text_have_names(found: RunData) -> None:
    protocol = {"recipe": LANGUAGE_RECIPES["zoph2016-ptb"].to_json()}
    trained = replace(found.validations[0], protocol=protocol)
    (group,) = Findings.of(found).groups_of([trained])
    assert group.recipe_in_words == "zoph2016-ptb"


def test_an_exported_cell_is_described_at_its_size(found: RunData, tmp_path: Path) -> None:
    for rank, row in enumerate(best_rows(found, 3), start=1):
        file = tmp_path / f"best-{rank}.json"
        file.write_text(json.dumps(document(Findings.of(found), row, rank)))
        genotype, space, task, _ = find(str(file), None)
        assert isinstance(task, LanguageTask)
        assert space == SPACE
        description = describe(genotype, task, space)
        assert description.parameters == row.metrics["parameters"] <= RECIPE["parameters"]
        assert description.multiply_adds == row.metrics["multiply_adds"]
        names = [part.name for part in description.parts]
        assert names == ["embedding", "layer0", "layer1", "decoder"]


def test_progress_shows_the_lowest_perplexity(text: Path) -> None:
    evaluator = make(
        "evaluator",
        {"name": "language-model", "dataset": str(text), "recipe": RECIPE},
        space=SPACE,
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=140)
    with SearchProgress(2, "", console) as progress:
        assert "best -" in progress.status()
        progress.started()
        env = NASVectorEnv(SPACE, evaluator, record=progress, budget=2)
        answers = env.play([(0,) * 10, (1,) * 10])
        lowest = min(a.evaluation.metrics["perplexity"] for a in answers)
        assert f"best perplexity {lowest:.2f}, " in progress.status()
