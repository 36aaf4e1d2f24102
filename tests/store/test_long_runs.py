"""A long run is read in pieces, with the same outcome as a short one that is read at once."""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import nas_gym
from nas_gym.cli.main import main
from nas_gym.errors import StoreError
from nas_gym.runs.findings import Findings, summary
from nas_gym.store import Store, columns, load_run, long_runs
from nas_gym.store.long_runs import LazyRows, column

PARTS: Any = {"name": "nasnet-cell", "blocks": 1}, {"name": "landscape"}, "random-search"


@pytest.fixture
def as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every run for a long one, and small pieces."""
    monkeypatch.setattr(long_runs, "LONG", 0)
    monkeypatch.setattr(long_runs, "BLOCK", 7)
    monkeypatch.setattr(columns, "PAGE", 5)
    monkeypatch.setattr(long_runs, "CHUNK", 3)


@pytest.fixture(params=["finished", "cut"])
def run(request: pytest.FixtureRequest, place: str, cut: Any) -> str:
    """A run that has repeats, failures, and evaluations of another run; in a store at ``place``."""
    space = {"name": "nasnet-cell", "blocks": 1}
    options: Any = {"store": place, "child_seed": 1}
    nas_gym.search(space, {"name": "landscape"}, "random-search", budget=9, run="first", **options)
    ends = {"watcher": cut(20)} if request.param == "cut" else {}
    reward = lambda evaluation: float("nan") if evaluation.metrics["accuracy"] > 0.8 else 0.5  # noqa: E731
    try:
        nas_gym.search(
            space, {"name": "landscape"}, "regularized-evolution", budget=60, num_envs=4,
            run="long", reward=reward, **options, **ends,
        )  # fmt: skip
    except SystemExit:
        assert request.param == "cut"
    return place


@pytest.mark.few(2)
def test_the_same_findings(run: str, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    whole = load_run("long", run)
    request.getfixturevalue("as_long")
    data = load_run("long", run)
    rows = data.rows
    assert isinstance(rows, LazyRows)
    assert list(rows) == list(whole.rows)
    assert data.unanswered == whole.unanswered
    assert [rows[i] for i in (3, -1, 9, 0)] == [whole.rows[i] for i in (3, -1, 9, 0)]
    assert list(rows[2:19:3]) == list(whole.rows[2:19:3])
    for name in ("reward", "failure", "source", "seconds", "detail", "seed", "key"):
        assert list(column(rows, name)) == list(column(whole.rows, name))
    for row in whole.rows[:5]:
        assert list(rows.with_key(row.key)) == [r for r in whole.rows if r.key == row.key]
    lazy, eager = Findings.of(data), Findings.of(whole)
    for name in ("rows", "ranked", "paid", "memo", "evaluated"):
        assert list(getattr(lazy, name)) == list(getattr(eager, name))
    assert summary(lazy) == summary(eager)
    with pytest.raises(IndexError):
        rows[len(rows)]


@pytest.mark.few(1)
def test_a_long_run_that_goes_on(place: str, cut: Any, as_long: None) -> None:
    space = {"name": "nasnet-cell", "blocks": 1}
    parts: Any = space, {"name": "landscape"}, "regularized-evolution"
    options: Any = {"store": place, "num_envs": 4}
    nas_gym.search(*parts, budget=60, run="whole", child_seed=0, **options)
    with pytest.raises(SystemExit):
        nas_gym.search(*parts, budget=60, run="cut", child_seed=2**20, watcher=cut(25), **options)
    nas_gym.search(*parts, budget=60, run="other", child_seed=2**20, **options)
    nas_gym.resume("cut", place)
    resumed, other = load_run("cut", place), load_run("other", place)
    assert [(r.tokens, r.key, r.reward) for r in resumed.rows] == [
        (r.tokens, r.key, r.reward) for r in other.rows
    ]
    with Store(place) as store:
        assert {run["status"] for run in store.runs()} == {"finished"}


@pytest.mark.parametrize("table", ["requests", "evaluations"])
def test_a_changed_row_is_found_when_it_is_read(
    table: str, tmp_path: Path, as_long: None, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search(*PARTS, budget=30, run="r", store=store)
    engine = sa.create_engine(f"sqlite:///{store}")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {table} SET reward = reward + 1")
    engine.dispose()
    rows = load_run("r", store).rows
    with pytest.raises(StoreError, match=f"a row of its table '{table}'"):
        list(rows)
    with pytest.raises(SystemExit) as exit_:
        main(["report", "r", "--store", str(store)])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("damaged") == 1


@pytest.mark.few(1)
def test_little_is_read_to_list_and_open(place: str, as_long: None) -> None:
    """Of a run that is not looked into, no evaluation; counts come from one statement."""
    for seed in range(3):
        nas_gym.search(*PARTS, budget=12, run=f"r{seed}", seed=seed, store=place)
    with Store(place) as store:
        statements: list[str] = []

        @sa.event.listens_for(store.database.engine, "before_cursor_execute")
        def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        assert [run["requests"] for run in store.runs()] == [12, 12, 12]
        assert sum("FROM runs" in statement for statement in statements) == 1
        statements.clear()
        assert len(store.load_run("r1").rows) == 12
        assert not any("genotype" in statement for statement in statements)


@pytest.mark.few(2)
def test_the_list_of_runs_counts_as_before(run: str) -> None:
    with Store(run) as store:
        for listed in store.runs():
            data = store.load_run(listed["name"])
            evaluated = [*data.rows, *data.unanswered]
            fine = [row.reward for row in evaluated if row.failure is None]
            assert listed["requests"] == len(data.rows)
            assert listed["unanswered"] == len(data.unanswered)
            assert listed["best_reward"] == max(fine, default=None)
            assert [row.number for row in evaluated] == list(range(len(evaluated)))
            json.dumps(listed)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="measures memory")
def test_a_long_run_needs_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python objects its rows would take 500 MB more."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    large_store = importlib.import_module("benchmarks.speed.large_store")
    store = tmp_path / "store.sqlite"
    large_store.fill(store, 1, 100_000)
    command = [sys.executable, "-m", "nas_gym", "report", "run-0", "--store", str(store)]
    _, _, gigabytes = large_store.spent(command)
    _, _, empty = large_store.spent([*command[:4], "cut", *command[5:]])
    assert gigabytes < empty + 0.2
