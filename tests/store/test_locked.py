"""Stores that another program has locked: one sentence, nothing lost."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.errors import StoreError
from nas_gym.store import RunData, load_run, sqlite


def history(run: RunData) -> list[Any]:
    return [(r.tokens, r.key, r.seed, r.metrics, r.reward, r.failure, r.detail) for r in run.rows]


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", 0.2)


def locked(path: Path, *statements: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path), *statements],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    return process


@pytest.mark.few(1)
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("statements", "readable"),
    [
        (["BEGIN IMMEDIATE"], True),
        (["BEGIN EXCLUSIVE"], True),
        (["PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"], False),
        (["PRAGMA journal_mode = DELETE", "BEGIN EXCLUSIVE"], False),
    ],
)
def test_a_store_that_another_program_has_locked(
    statements: list[str], readable: bool, filled: Path, stores: Any
) -> None:
    before = load_run("first", filled)
    with locked(filled, *statements) as process:
        for command in (stores.search, stores.resume):
            sentence = stores.refused(*command, filled)
            assert "has been locked by another program for too long: close" in sentence
        if readable:
            assert load_run("first", filled) == before
        else:
            assert "locked by another program" in stores.refused(*stores.report, filled)
        process.communicate()
    nas_gym.resume("cut", filled)
    assert len(load_run("cut", filled).rows) == 16
    assert load_run("first", filled) == before


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
def test_a_lock_in_the_middle_of_a_search(
    filled: Path, tmp_path: Path, stores: Any, cut: Any
) -> None:
    class Locks(cut):  # type: ignore[misc]
        process: Any = None

        def evaluated(self, answer: Any, seed: int) -> None:
            self.left -= 1
            if not self.left:
                self.process = locked(filled, "BEGIN IMMEDIATE")

    watcher = Locks(10)
    parts: Any = {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search"
    with pytest.raises(StoreError, match=r"locked by another.*`nas-gym resume mine"):
        nas_gym.search(*parts, budget=24, seed=2, run="mine", store=filled, watcher=watcher)
    watcher.process.communicate()
    assert len(load_run("mine", filled).rows) == 8
    stores.succeeded("resume", "mine", "--workers", "1", "--store", filled)
    nas_gym.search(*parts, budget=24, seed=2, run="whole", store=tmp_path / "whole.sqlite")
    whole = load_run("whole", tmp_path / "whole.sqlite")
    assert history(load_run("mine", filled)) == history(whole)
