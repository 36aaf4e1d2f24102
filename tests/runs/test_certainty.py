import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binomtest

import nas_gym
from nas_gym.evaluators.doubts import interval, luck_of_the_best, standard_error
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.certainty import Certainty
from nas_gym.runs.findings import Findings, summary
from nas_gym.runs.report import print_summary
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run

DATA = {
    "name": "photos",
    "classes": {"cat [x]": {"train": 60, "validation": 40, "test": 20}},
    "parts": {"train": 150, "validation": 100, "test": 50},
    "chance": 0.25,
    "largest_share": 0.4,
    "largest_class": "cat [x]",
}


class Judge:
    """Gives accuracies in turn, and says what it measured them on."""

    stateful = False

    def __init__(self, *accuracies: float, data: Any = DATA) -> None:
        self.accuracies, self.data = list(accuracies), data

    def data_summary(self) -> Any:
        return self.data

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        for architecture in architectures:
            accuracy = self.accuracies.pop(0)
            metrics = {"accuracy": accuracy, "balanced_accuracy": accuracy / 2}
            yield Evaluation(architecture, metrics)

    def close(self) -> None:
        pass


def found_by(judge: Judge, folder: Path, **options: Any) -> Findings:
    budget, store = len(judge.accuracies), folder / "s.sqlite"
    space = NASNetCell(blocks=1)
    nas_gym.search(
        space, judge, "random-search", budget=budget, run="a", store=store, seed=2, **options
    )
    return Findings.of(load_run("a", store))


def printed(found: Findings) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(found, console)
    return console.export_text()


def test_a_report_says_what_the_figures_are_worth(tmp_path: Path) -> None:
    found = found_by(Judge(0.40, 0.42, 0.44, 0.45), tmp_path)
    text = printed(found)
    assert "images: 150 to train, 100 to validate, 50 to test" in text
    assert "accuracy by chance: 0.2500" in text
    assert "always naming the largest class: 0.4000 (cat [x])" in text
    assert "the best architecture's validation accuracy: 0.4500: 0.3561 to 0.5476" in text
    assert "balanced accuracy" in text  # the classes are imbalanced
    assert "0.4500, is within noise of the others" in text
    assert "0.4500, is within noise of naming cat [x] always, 0.4000" in text
    said = summary(found)
    assert len(said["certainty"]["warnings"]) == 2
    assert (
        "constant answer: 4 of 4 architectures learnt nothing sure beyond naming one class" in text
    )
    assert said["certainty"]["baseline"] == {"accuracy": 0.4, "class": "cat [x]"}
    assert said["config"]["data"] == DATA
    page = card_as_markdown(card_of(found, found.ranked[0], 1))
    assert "| accuracy by chance | 0.2500 |" in page
    assert "within noise of the others" in page


def test_a_clear_winner_is_not_doubted(tmp_path: Path) -> None:
    found = found_by(Judge(0.60, 0.62, 0.95, 0.65), tmp_path)
    assert summary(found)["certainty"]["warnings"] == []
    assert "warning" not in printed(found)


@pytest.mark.parametrize(
    "data",
    [
        *(None, [], "text", 1, {}, {"parts": 3}, {"parts": {"validation": "many"}}),
        {"parts": {"validation": 0}},
        {"parts": {"validation": True}},
    ],
)
def test_nothing_is_said_of_unknown_data(tmp_path: Path, data: Any) -> None:
    """Older runs have none; a record may hold anything."""
    found = found_by(Judge(0.40, 0.42, data=data), tmp_path)
    assert "certainty" not in summary(found)
    assert "chance" not in printed(found)


def test_a_run_goes_on_when_it_had_recorded_no_data(tmp_path: Path) -> None:
    found_by(Judge(0.40, 0.42, data=None), tmp_path)
    space, store = NASNetCell(blocks=1), tmp_path / "s.sqlite"
    again: dict[str, Any] = {"run": "a", "store": store, "seed": 2, "resume": True}
    nas_gym.search(space, Judge(0.5), "random-search", budget=3, **again)
    assert Findings.of(load_run("a", store)).certainty is not None


def test_perplexities_are_compared_with_guessing_by_frequency() -> None:
    data = {"parts": {"validation": 70, "train": 700}, "unit": "words", "unigram_perplexity": 90.0}
    poor, good = (Certainty.of(data, [value], []) for value in (90.5, 40.0))
    assert poor is not None
    assert good is not None
    assert poor.facts()["words"] == "700 to train, 70 to validate"
    assert "no better than that of guessing by frequency, 90.00" in poor.warnings[0]
    assert (good.warnings, good.measured) == ([], {})


def test_networks_that_have_learnt_nothing_are_counted() -> None:
    text = {"parts": {"validation": 70}, "unit": "words", "unigram_perplexity": 100.0}
    some = Certainty.of(text, [40.0, 97.0, 99.0, 130.0], [])
    assert some is not None
    assert some.no_better == 2
    assert some.warnings == [
        "2 of 4 architectures learnt nothing sure beyond frequencies: train longer or by another "
        "recipe"
    ]
    near = Certainty.of(text, [98.5, 99.0], [])
    assert near is not None
    assert near.warnings == [
        "the best perplexity, 98.50, is hardly better than that of guessing by frequency, 100.00"
    ]
    images = {"parts": {"validation": 1000}, "chance": 0.1, "largest_share": 0.12}
    accuracies = Certainty.of(images, [0.9, 0.2, 0.12, 0.1], [])
    assert accuracies is not None
    assert accuracies.warnings == [
        "2 of 4 architectures learnt nothing sure beyond naming one class: train longer or by "
        "another recipe"
    ]


@pytest.mark.parametrize("children", [1, 2, 10, 150])
def test_luck_is_that_of_drawn_normals(children: int) -> None:
    draws = np.random.default_rng(0).standard_normal((20_000, children)).max(1)
    assert np.mean(draws <= luck_of_the_best(children)) == pytest.approx(0.95, abs=0.006)


def test_the_standard_error_is_that_of_drawn_parts() -> None:
    draws = np.random.default_rng(0).binomial(60, 0.52, 20_000) / 60
    assert standard_error(0.52, 60) == pytest.approx(draws.std(), rel=0.02)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons_and_never_without_width(part: tuple[int, int]) -> None:
    right, count = part
    low, high = interval(right / count, count)
    expected = binomtest(right, count).proportion_ci(0.95, "wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= right / count <= high <= 1
    assert high - low > 0.5 / count


def test_no_page_is_sure_of_an_accuracy_of_one(tmp_path: Path) -> None:
    """54 of 54 right are no proof that all are: the standard error of the counted ones is 0."""
    data = {"parts": {"validation": 54, "test": 54}, "chance": 0.5, "largest_share": 0.5}
    found = found_by(Judge(0.9, 1.0, data=data), tmp_path)
    assert "validation accuracy: 1.0000: 0.9336 to 1.0000" in printed(found)
    assert "1.0000: 0.9336 to 1.0000" in card_as_markdown(card_of(found, found.ranked[0], 1))
    tested = Certainty.of(data, [1.0], [1.0, 1.0])
    assert tested is not None
    assert tested.facts()["95 % interval of the best architecture's test accuracy"] == (
        "1.0000: 0.9336 to 1.0000"
    )


ODD = st.sampled_from(
    [None, True, -1, 0, 3, 10**400, 0.5, math.nan, math.inf, "text", "[red]", [], [1], {}, {"a": 1}]
)
NAMES = ("parts", "chance", "largest_share", "largest_class", "unit", "unigram_perplexity")


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[ODD] * len(NAMES)), st.integers(1, 10**9), st.lists(st.floats(0, 1), max_size=4))
def test_whatever_a_record_holds_is_read_or_left(
    odd: tuple[Any, ...], count: int, values: list[float]
) -> None:
    data = dict(zip(NAMES, odd, strict=True))
    for given_ in (data, data | {"parts": {"validation": count, "test": odd[0]}}):
        found = Certainty.of(given_, sorted(values, reverse=True), [])
        if found is not None:
            json.dumps(found.to_json(), allow_nan=False)
            found.facts()


@pytest.mark.parametrize("size", [10**400, 2**53, -1, True, 5.0])
@pytest.mark.parametrize("part", ["validation", "test", "train"])
def test_a_size_that_no_data_set_has_counts_for_nothing(part: str, size: Any) -> None:
    data = {"parts": {"validation": 5, part: size}, "chance": 0.5, "largest_share": 0.5}
    found = Certainty.of(data, [0.6, 0.5], [])
    if part == "validation":
        assert found is None
    else:
        assert found is not None
        assert found.parts == {"validation": 5}
        json.dumps(found.to_json(), allow_nan=False)
