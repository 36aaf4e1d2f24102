"""The judgement, the page and our adapter of ``benchmarks/peers``; no peer is installed or run."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MEANS = [0.1 + 0.8 * (n % 97) / 96 for n in range(5**6)]
TABLE = [[mean - 0.01, mean + 0.01] for mean in MEANS]


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "peers" / "adapters")


def load(name: str) -> Any:
    return importlib.import_module(name)


def job(**more: Any) -> dict[str, Any]:
    settings = {"agent": "regularized-evolution", "population": 10, "sample": 3}
    settings |= more.pop("settings", {})
    return {"seed": 1, "budget": 40, "noise": "random", "raise_at": None} | more | {
        "settings": settings
    }  # fmt: skip


def search(**more: Any) -> dict[str, Any]:
    result = load("harness").run(load("search_nas_gym").search, TABLE, job(**more))
    return json.loads(json.dumps(result))  # as it comes out of the other process


def result(cells: list[int], ms: float = 1.0, error: str | None = None) -> dict[str, Any]:
    return {
        "cells": cells,
        "rewards": [MEANS[cell] for cell in cells],
        "answered": len(cells),
        "error": error,
        "strategy_seconds": ms * len(cells) / 1000,
        "memory": 100.0,
    }


def row(name: str, against: str | None, cells: list[int], **more: Any) -> dict[str, Any]:
    ms = more.pop("ms", 1.0)
    fine = result(cells, ms)
    return {
        "name": name,
        "against": against,
        "environment": "one",
        "failure": None,
        "runs": {"a setting": [result(cells, ms * (1 + n / 100)) for n in range(12)]},
        "repeats": [fine],
        "plain": fine,
        "plain again": fine,
        "seeded": fine,
        "seeded again": fine,
        "raises": result(cells[:2], error="RuntimeError: 2"),
        "raises, survived": fine,
    } | more


def measured(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": "a machine",
        "load": 0.0,
        "settings": {"a setting": {"budget": 4}},
        "probe": {"budget": 4, "population": 2, "sample": 1, "raises": 2},
        "rows": {row["name"]: row for row in rows},
        "environments": {
            "one": {"name": "one", "failure": None, "packages": 3, "size": 10.0},
            "big": {"name": "big", "failure": None, "packages": 3, "size": 1000.0},
        },
    }


GOOD, BAD = [1, 2, 3, 96], [1, 2, 3, 3]  # 96 is the best of all


def outcomes(*rows: dict[str, Any]) -> dict[str, str]:
    verdicts = load("benchmarks.peers.judge").judge(measured(*rows), MEANS)
    return {v.column.partition(" (")[0]: v.outcome for v in verdicts}


def test_ours_ahead():
    peer = row("theirs", "ours", BAD, ms=5.0, environment="big", **{"plain again": result(GOOD)})
    found = outcomes(row("ours", None, GOOD), peer)
    assert found.pop("memory") == "as good"
    assert found.pop("one raising child, by default") == "as good"
    assert found.pop("… with its switch") == "as good"
    assert set(found.values()) == {"better"}
    assert len(found) == 7


def test_ours_behind_is_said_with_the_reason():
    ours = row("ours", None, BAD, ms=5.0, environment="big")
    peer = row("theirs", "ours", GOOD, raises=result(GOOD))
    found = outcomes(ours, peer)
    behind = ("best found", "share at the optimum", "overhead", "repeats asked for")
    behind += ("repeats paid", "one raising child, by default", "installed size")
    assert {name for name, outcome in found.items() if outcome == "worse"} == set(behind)
    page = load("benchmarks.peers.page").page(measured(ours, peer), TABLE)
    assert "Ours is not as good in these:" in page
    assert "torch" in page.partition("**installed size**: theirs ")[2].splitlines()[0]


def test_equals_are_not_told_apart():
    page = load("benchmarks.peers.page").page(
        measured(row("ours", None, GOOD), row("theirs", "ours", GOOD)), TABLE
    )
    assert "Ours is at least as good in every column." in page
    assert "4 no difference found" in page


def test_a_peer_that_does_not_run_is_a_row():
    broken = {"name": "theirs", "against": "ours", "environment": "one", "runs": {}}
    data = measured(row("ours", None, GOOD), broken | {"failure": "No module named x"})
    module = load("benchmarks.peers.page")
    assert "did not run: No module named x" in module.page(data, TABLE)
    lines = module.csv_of(data, TABLE).splitlines()
    assert len(lines) == 1 + 12
    assert lines[1] == "ours,a setting,0,90.0000,1,4,0,1.0000"


def test_statistics():
    judge = load("benchmarks.peers.judge")
    assert judge.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert judge.stochastically_larger([2, 1], [1, 0]) == (3 + 0.5) / 4
    assert judge.rank_test([1.0] * 5, [1.0] * 5) == 1


@pytest.mark.slow
def test_our_adapter_asks_for_what_it_may():
    one, again, other = search(), search(), search(seed=2)
    assert one["error"] is None
    assert len(one["cells"]) == one["answered"] == 40
    for cell, reward in zip(one["cells"], one["rewards"], strict=True):
        assert min(abs(reward - answer) for answer in TABLE[cell]) == 0
    assert one["cells"] == again["cells"] != other["cells"]
    assert 0 < one["strategy_seconds"] < 10


@pytest.mark.slow
def test_our_adapter_pays_no_repeat_where_answers_are_the_same():
    result = search(noise="mean", budget=200)
    assert result["answered"] == 200
    assert len(result["cells"]) == len(set(result["cells"])) < 200


def test_a_child_that_raises_is_seen():
    result = search(raise_at=20)
    assert result["cells"][19:20]
    assert result["rewards"][19] is None


def test_an_adapter_that_cannot_start_says_why(tmp_path):
    workers = load("benchmarks.peers.workers")
    with (
        workers.Worker(sys.executable, "pyglove", tmp_path / "none.json") as worker,
        pytest.raises(workers.Broken, match=r"pyglove|none\.json"),
    ):
        worker.ask(job())
