import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.errors import StoreError
from nas_gym.ledger import Ledger
from nas_gym.rewards import Accuracy
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.store import SCHEMA_VERSION, Store, load_run
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.landscapes import BitCount, Landscape
from nas_gym.testing.spaces import BitString
from nas_gym.vector_env import NASVectorEnv

CONFIG = {"budget": 20}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "folder" / "store.sqlite") as opened:
        yield opened


def recorded(store: Store, space: Any, evaluator: Any, name: str = "a-run") -> list[Any]:
    env = NASVectorEnv(space, evaluator, num_envs=4, record=store.start_run(name, CONFIG))
    env.reset(seed=0)
    played = []
    rng = np.random.default_rng(0)
    for _ in range(5):
        tokens = [rng.integers(2, size=space.max_length).tolist() for _ in range(3)]
        played += env.play([*tokens, tokens[0]])
    return played


def test_what_was_asked_comes_back(store: Store) -> None:
    space = NASNetCell(blocks=2)
    played = recorded(store, space, FailingEvaluator(Landscape(space), rate=0.4))
    run = load_run(store.path, "a-run")
    assert (run.status, run.config) == ("running", CONFIG)
    assert [row.number for row in run.rows] == list(range(20))
    for row, answer in zip(run.rows, played, strict=True):
        evaluation = answer.evaluation
        assert row.tokens == answer.tokens
        assert row.reward == answer.reward
        assert row.metrics == dict(evaluation.metrics)
        assert (row.source, row.failure) == (evaluation.source, evaluation.failure)
    assert sum(row.source == "memo" for row in run.rows) >= 5
    assert 0 < sum(row.failure is not None for row in run.rows) < 20


def test_a_noisy_evaluator_has_a_row_for_each_answer(store: Store) -> None:
    played = recorded(store, BitString(6), BitCount())
    rows = store.load_run("a-run").rows
    assert [row.metrics["accuracy"] for row in rows] == [a.evaluation.accuracy for a in played]


def test_an_evaluation_is_on_disk_before_its_answer(store: Store) -> None:
    space = NASNetCell(blocks=1)
    record = store.start_run("a-run", CONFIG)
    counts = []

    class Watcher:
        def evaluated(self, answer: Any, seed: int) -> None:
            record.evaluated(answer, seed)
            with sqlite3.connect(store.path) as other:  # another connection sees commits alone
                counts.append(other.execute("select count(*) from evaluations").fetchone()[0])
            other.close()

        def requested(self, first: int, answers: Any) -> None:
            record.requested(first, answers)

    ledger = Ledger(Landscape(space), Accuracy(), record=Watcher())
    env = NASVectorEnv(space, Landscape(space), num_envs=3)
    env.ledger = ledger
    env.play([(0, 0, i, 0, 0, 0, 0, 0, 0, 0) for i in range(3)])
    assert counts == [1, 2, 3]


def test_runs_are_listed_and_end(store: Store) -> None:
    recorded(store, BitString(6), BitCount())
    store.start_run("other", CONFIG).finish("interrupted")
    listed = store.runs()
    assert [(r["name"], r["status"], r["requests"]) for r in listed] == [
        ("a-run", "running", 20),
        ("other", "interrupted", 0),
    ]
    assert listed[0]["best_reward"] == max(row.reward for row in store.load_run("a-run").rows)


def test_a_taken_name_is_refused(store: Store) -> None:
    store.start_run("a-run", CONFIG)
    with pytest.raises(StoreError, match=r"there is a run 'a-run'.*another name"):
        store.start_run("a-run", CONFIG)


def test_an_unknown_run_gets_a_hint(store: Store) -> None:
    store.start_run("first-try", CONFIG)
    with pytest.raises(StoreError, match="did you mean 'first-try'"):
        store.load_run("first-tri")
    with pytest.raises(StoreError, match="nas-gym list"):
        store.load_run("zzz")


def test_files_that_are_no_store_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.sqlite"
    text.write_text("hello " * 1000)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(text)
    with pytest.raises(StoreError, match="there is no results database"):
        Store(tmp_path / "none.sqlite", must_exist=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path / "file" / "store.sqlite")
    newer = Store(tmp_path / "newer.sqlite")
    newer.close()
    connection = sqlite3.connect(newer.path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer nas-gym"):
        Store(newer.path)


def test_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    code = """
import sys
from nas_gym.store import Store
for i in range(20):
    with Store(f"{sys.argv[1]}/{i}.sqlite") as store:
        store.start_run(sys.argv[2], {}).finish("finished")
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, f"run{n}"], stderr=subprocess.PIPE)
        for n in range(4)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    for i in range(20):
        with Store(tmp_path / f"{i}.sqlite") as store:
            assert sorted(run["name"] for run in store.runs()) == [f"run{n}" for n in range(4)]
