"""The commands that measure proxies: what they tabulate, on a few cells."""

import math
from pathlib import Path

import numpy as np

from benchmarks.learning import proxies, proxies_in_search
from nas_gym.benchmark import chunks
from nas_gym.benchmark.suite import Suite
from nas_gym.benchmark.trials import run_chunk
from nas_gym.evaluators.proxies.names import PROXIES, values_for
from nas_gym.registry import make


def test_cells_are_drawn_once_each() -> None:
    cells = proxies.drawn(200, seed=1)
    assert len(set(cells)) == 200
    assert proxies.drawn(50, seed=1) == cells[:50]


def test_rankings_have_every_proxy_and_the_lowest_place_for_what_has_no_score() -> None:
    names = values_for(PROXIES)
    values = [dict.fromkeys(names, float(i)) for i in range(5)]
    values[3] = dict.fromkeys(names, math.nan) | {"parameters": 3.0}
    found = proxies.rankings(values, seed=0)
    assert set(names) <= set(found)
    assert {"AZ-NAS", "random"} <= set(found)
    assert np.argmin(found["AZ-NAS"]) == 3
    assert found["AZ-NAS"][4] == 0
    assert found["parameters"].tolist() == [1, 2, 3, 4, 5]


def test_correlations_are_of_the_cells_that_are_kept() -> None:
    order = {"same": np.array([1.0, 2, 3, 4]), "turned": np.array([4.0, 3, 2, 9])}
    truth = {"a": np.array([10.0, 20, 30, 40])}
    page = proxies.table_of(order, truth, lambda dataset: slice(0, 3))
    assert "| same | 1.000 / 1.000 |" in page
    assert "| turned | -1.000 / -1.000 |" in page


def test_agents_are_compared_with_themselves_alone(tmp_path: Path) -> None:
    entries, pairs = proxies_in_search.entries(["genetic", "predictor-evolution"], 50, "x.jsonl")
    assert [entry.label for entry in entries] == [
        "genetic", "genetic, first", "genetic, filter", "predictor-evolution",
        "predictor-evolution, first", "predictor-evolution, filter",
        "predictor-evolution, features", "predictor-evolution, features, early",
    ]  # fmt: skip
    assert set(pairs.values()) == {"genetic", "predictor-evolution"}
    for entry in entries:
        make("agent", entry.agent)
    suite = Suite(
        "x", "x", tuple(entries[:1]), proxies_in_search.tables(["cifar10"]), seeds=3, budget=9,
        checkpoints=(4, 9),
    )  # fmt: skip
    (unit,) = chunks.units(suite, tmp_path)
    chunks.write(run_chunk(unit.chunk), unit.file)
    found = proxies_in_search.recommended([unit])
    assert found["genetic", "cifar10"].shape == (3, 2)
    better = found["genetic", "cifar10"] + 1
    both = {**found, ("genetic, first", "cifar10"): better}
    page = proxies_in_search.table_of(suite, "cifar10", both, {"genetic, first": "genetic"})
    assert "(+1.00 ± 0.00)" in page
