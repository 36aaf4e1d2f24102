import sys
from dataclasses import replace
from pathlib import Path

import pytest

import nas_gym
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, load_run
from nas_gym.testing.evaluators import FailingEvaluator

SPACE = NASNetCell(blocks=1)


@pytest.fixture
def run(tmp_path: Path) -> RunData:
    store = tmp_path / "store.sqlite"
    evaluator = FailingEvaluator(Landscape(SPACE), rate=0.4)
    nas_gym.search(SPACE, evaluator, "random-search", budget=12, run="a-run", store=store)
    run = load_run("a-run", store)
    metrics = {"parameters": 70, "accuracy": 0.5, "latency": 0.5, "seed": 3.0}
    first = replace(run.rows[0], metrics=metrics)
    return replace(run, rows=(first, *run.rows[1:]))


def test_rows_are_flat_and_alike(run: RunData) -> None:
    rows = run.records()
    assert len(rows) == 12
    assert len({tuple(row) for row in rows}) == 1  # the same keys in the same order
    assert {"parameters", "latency"} < rows[0].keys()
    for row, recorded in zip(rows, run.rows, strict=True):
        assert row["number"] == recorded.number
        assert row["tokens"] == recorded.tokens
        assert row["key"] == recorded.key
        assert row["accuracy"] == recorded.accuracy
        assert row["seed"] == recorded.seed  # not the metric of that name
        assert row["parameters"] == recorded.metrics.get("parameters")
        assert [row[n] for n in ("reward", "seconds", "source", "failure", "detail")] == [
            recorded.reward, recorded.seconds, recorded.source, recorded.failure, recorded.detail,
        ]  # fmt: skip
    assert {row["failure"] for row in rows} == {None, "error: failed on purpose"}
    assert rows[1]["latency"] is None


def test_no_rows(run: RunData) -> None:
    assert replace(run, rows=()).records() == []


def test_data_frame(run: RunData) -> None:
    pandas = pytest.importorskip("pandas")
    frame = run.dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(run.records()[0])
    assert list(frame["reward"]) == [row.reward for row in run.rows]
    assert list(replace(run, rows=()).dataframe().columns)[:2] == ["number", "tokens"]


def test_a_data_frame_needs_pandas(run: RunData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        run.dataframe()
