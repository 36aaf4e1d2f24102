"""Which signals there are, and what each is compared with: trainings that it has not seen."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.benchmark.correlation import Agreement, Lead
from nas_gym.benchmark.scoring import Measured
from nas_gym.benchmark.signal_pages import (
    read_worth,
    sentences,
    table_page,
    verdict_page,
    worth_pages,
)
from nas_gym.benchmark.signals import Pair, pairs_of, tables_of, trainings_of
from nas_gym.benchmark.study import Finding, Study, Worth, found
from nas_gym.errors import InvalidTable, StoreError
from nas_gym.evaluators.tables import digits
from nas_gym.evaluators.tables.tabular import Entry, NotInTable, TabularEvaluator

CELLS = [(i,) for i in range(40)]


class Curved(TabularEvaluator):
    """A table with curves of five epochs; the accuracy is the best of the last two."""

    seeds = "mean"
    most_epochs = 5
    last_counted = 2
    protocol: Mapping[str, Any] = {}  # type: ignore[assignment]

    def entry(self, tokens: tuple[int, ...]) -> Entry:
        (i,) = tokens
        if i == 39:
            raise NotInTable("it was not trained")
        last = 0.5 + i / 100
        first = (0.1, 0.3 - i / 1000, 0.2, 0.4, last)
        second = (0.1, 0.1, 0.1, 0.1, last + 0.1)
        curves = (first, second)[: 1 if i == 38 else 2]
        return Entry(tuple(max(curve[-2:]) for curve in curves), 10.0 + i, {}, curves)


class Plain(Curved):
    """A table without curves, of two trainings."""

    most_epochs = None  # type: ignore[assignment]
    last_counted = 1

    def entry(self, tokens: tuple[int, ...]) -> Entry:
        return Entry((0.5 - tokens[0] / 100, 0.6), 100.0)


def measured() -> Measured:
    numbers = np.arange(40.0)
    values = {
        "parameters": numbers % 7,
        "multiply_adds": numbers % 5,
        "expressivity": numbers,
        "progressivity": numbers,
        "trainability": np.where(numbers == 0, np.nan, numbers),
        "nwot": -numbers,
        "synflow": numbers,
        "shared-weights": numbers,
    }
    seconds = dict.fromkeys(("parameters", "multiply_adds", "az-nas", "nwot"), np.full(40, 0.25))
    seconds["synflow"] = np.full(40, 0.5)
    seconds["shared-weights"] = np.array([81.0, *[1.0] * 39])  # the first one with the training
    return Measured(values, seconds)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    tables = {"curved": trainings_of(Curved(), CELLS), "plain": trainings_of(Plain(), CELLS)}
    return list(pairs_of(measured(), tables))


def of(pairs: list[Pair], dataset: str, signal: str) -> Pair:
    (pair,) = [each for each in pairs if (each.dataset, each.signal) == (dataset, signal)]
    return pair


def test_all_signals_of_a_truth_in_order(pairs: list[Pair]) -> None:
    everywhere = ["parameters", "multiply-adds", "random", "az-nas", "az-nas: expressivity"]
    everywhere += ["az-nas: progressivity", "az-nas: trainability", "nwot", "synflow"]
    everywhere += ["nwot + synflow + parameters", "shared weights on digits"]
    named = {name: [p.signal for p in pairs if p.dataset == name] for name in ("curved", "plain")}
    assert named["curved"] == [
        *everywhere, "1 epoch on curved", "2 epochs on curved", "4 epochs on curved",
        "a training on plain", "another training on curved",
    ]  # fmt: skip
    assert named["plain"] == [*everywhere, "a training on curved", "another training on plain"]


def test_a_training_and_its_epochs_are_compared_with_the_others(pairs: list[Pair]) -> None:
    last = 0.5 + np.arange(38) / 100  # the 39th has one training, the 40th none
    for signal, values in (
        ("another training on curved", last),
        ("4 epochs on curved", np.full(38, 0.4)),  # the best of epochs 3 and 4
        ("2 epochs on curved", 0.3 - np.arange(38) / 1000),
        ("1 epoch on curved", np.full(38, 0.1)),
    ):
        pair = of(pairs, "curved", signal)
        np.testing.assert_allclose(pair.values, values)
        np.testing.assert_allclose(pair.truth, last + 0.1)  # the second training
        assert len(pair.parameters) == 38
    seconds = np.median(10.0 + np.arange(39))
    assert of(pairs, "curved", "another training on curved").seconds == seconds
    assert of(pairs, "curved", "2 epochs on curved").seconds == pytest.approx(seconds * 2 / 5)


def test_others_are_compared_with_the_mean_of_all_trainings(pairs: list[Pair]) -> None:
    mean = [0.55 + i / 100 for i in range(38)] + [0.5 + 38 / 100]
    for signal in ("parameters", "az-nas", "shared weights on digits", "a training on plain"):
        np.testing.assert_allclose(of(pairs, "curved", signal).truth, mean)
    there = of(pairs, "plain", "a training on curved")
    np.testing.assert_allclose(there.values, 0.5 + np.arange(39) / 100)
    np.testing.assert_allclose(there.truth, (1.1 - np.arange(39) / 100) / 2)
    assert of(pairs, "curved", "a training on plain").seconds == 100
    # Its training, 80 seconds, is shared by 40 cells.
    assert of(pairs, "curved", "shared weights on digits").seconds == pytest.approx(3)
    assert of(pairs, "curved", "nwot + synflow + parameters").seconds == pytest.approx(1)


def test_a_proxy_that_has_no_value_has_the_lowest_rank(pairs: list[Pair]) -> None:
    assert of(pairs, "plain", "az-nas: trainability").values.tolist() == list(range(1, 41))


def test_the_verdict_says_which_beat_parameters(pairs: list[Pair]) -> None:
    findings = tuple(found(pair) for pair in pairs if pair.dataset == "curved")
    text = " ".join(sentences(findings))
    assert "Of all cells, 6 of 12 signals are clearly better than that: az-nas: expr" in text
    assert "and 3 more; 2 are clearly worse." in text
    assert "None is clearly better in both." in text  # there is no interval of four cells
    assert "another training, which orders all with 1.00" in text
    assert "the ten best by az-nas loses 0.00 points of accuracy to the best of all" in text
    few = [f for f in findings if f.signal in ("parameters", "random", "nwot")]
    assert "by no other signal less" in " ".join(sentences(few))
    worth = Worth(Study(cells=40), findings, ("digits is left out.",))
    assert "- digits is left out." in table_page(worth)
    assert "| random | 0.00 | 0.00 | 0.00 |" in table_page(worth)
    assert verdict_page(worth) == f"# proxies: verdict\n\n## curved\n\n{text}\n"


def made_up(signal: str, kind: str, seconds: float) -> Finding:
    lead = Lead(0.1, 0.2) if kind in ("proxy", "dataset") else Lead(math.nan, math.nan)
    figures = Agreement(0.9, 0.8, 0.7, 1.0, 0.0 if kind == "dataset" else 0.5)
    return Finding("mine", signal, kind, 100, figures, 10, lead, lead, seconds)


MADE_UP = (
    made_up("parameters", "size", 0.1),
    made_up("random", "random", 0.0),
    made_up("a training on other", "dataset", 50.0),
    made_up("a training on the same", "dataset", 20.0),
    made_up("another training on mine", "training", 20.0),
)


def test_what_is_no_cheaper_than_the_training_is_not_called_cheap() -> None:
    left_out = "or more, is not counted: a training on other, a training on the same."
    text = " ".join(sentences(MADE_UP))
    assert "The cheapest" not in text
    assert "ten best by parameters loses 0.50" in text
    assert left_out in text
    text = " ".join(sentences([*MADE_UP, made_up("zen", "proxy", 5.0)]))
    assert "1 of 1 signals is clearly better than that: zen (0.90, 5.0 s per cell)" in text
    assert "The cheapest that is clearly better in both is zen, at 5.0 s per cell." in text
    assert left_out in text


def test_pages_are_written_again_from_the_results(tmp_path: Path) -> None:
    worth = Worth(Study(cells=40, datasets=("digits",)), MADE_UP, ("A note.",))
    file = tmp_path / "results.json"
    file.write_text(json.dumps(worth.to_json(), allow_nan=False))
    assert worth_pages(read_worth(tmp_path)) == worth_pages(worth)
    for broken in (
        '{"study": {}, "notes": [], "findings": [{}]}',
        "[]",
        "",
        '{"study": {"cel": 1}}',
    ):
        file.write_text(broken)
        with pytest.raises(StoreError, match=r"no readable results .*: run the benchmark first"):
            read_worth(tmp_path)


def test_cells_are_drawn_once_each_and_fewer_are_the_first_of_more() -> None:
    cells = Study(cells=200).drawn
    assert len(set(cells)) == 200
    assert Study(cells=50).drawn == cells[:50]
    assert Study(proxies=("nwot",)).computed == ("parameters", "multiply_adds", "nwot")


@pytest.mark.slow
def test_a_table_that_is_missing_is_said(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(tables_of(("cifar10", "digits"))) == ["cifar10", "digits"]
    monkeypatch.setattr(digits, "FILE", tmp_path / "nowhere.npz")
    with pytest.raises(InvalidTable, match="cannot be read"):
        tables_of(("cifar10", "digits"))
