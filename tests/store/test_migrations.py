"""A store of version 1, as the code of its time wrote it, brought up to date."""

import signal
import sqlite3
import subprocess
import sys
from json import dumps, loads
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, Store, load_run
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import BitString

OLD = Path(__file__).with_name("store_v1.sql")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return make_old(tmp_path / "store.sqlite")


def make_old(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(OLD.read_text())
    connection.close()
    return path


def told(path: Path) -> dict[str, dict[str, Any]]:
    """What a store of version 1 says, by its own tables."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    runs = {}
    for run in connection.execute("SELECT * FROM runs").fetchall():
        requests = connection.execute(
            "SELECT r.number, r.tokens, e.genotype, e.key, e.seed, e.metrics, e.seconds, r.source,"
            " r.reward, e.failure FROM requests r JOIN evaluations e ON e.id = r.evaluation_id"
            " WHERE r.run_id = ? ORDER BY r.number",
            (run["id"],),
        ).fetchall()
        left = connection.execute(
            "SELECT ? AS number, tokens, genotype, key, seed, metrics, seconds, source, reward,"
            " failure FROM evaluations WHERE run_id = ?"
            " AND id NOT IN (SELECT evaluation_id FROM requests) ORDER BY id",
            (len(requests), run["id"]),
        ).fetchall()
        runs[run["name"]] = {
            "started": run["started"],
            "status": run["status"],
            "config": run["config"],
            "rows": [tuple(row) for row in requests],
            "unanswered": [tuple(row) for row in left],
        }
    connection.close()
    return runs


def plain(row: Any) -> tuple[Any, ...]:
    return (
        row.number, dumps(list(row.tokens)), dumps(row.genotype), row.key, row.seed,
        dumps(row.metrics), row.seconds, row.source, row.reward, row.failure,
    )  # fmt: skip


def as_told(run: RunData) -> dict[str, Any]:
    status = "running" if run.status == "cut" else run.status
    rows, unanswered = ([plain(row) for row in part] for part in (run.rows, run.unanswered))
    return {"started": run.started, "status": status, "rows": rows, "unanswered": unanswered}


def sorted_text(tokens: Any) -> Any:
    """Genotypes are written with sorted keys now."""
    number, tokens_, genotype, *rest = tokens
    return number, tokens_, dumps(loads(genotype), sort_keys=True), *rest


def history(run: RunData) -> list[Any]:
    return [(r.tokens, r.key, r.seed, r.metrics, r.reward, r.failure, r.source) for r in run.rows]


def test_all_that_was_in_it_is_in_it(old: Path) -> None:
    before = told(old)
    with Store(old) as store:
        runs = {name: store.load_run(name) for name in before}
        listed = {run["name"]: run for run in store.runs()}
    counts = {n: (r.status, len(r.rows), len(r.unanswered)) for n, r in runs.items()}
    assert counts == {"finished": ("finished", 24, 0), "interrupted": ("interrupted", 8, 3),
                      "cut": ("cut", 8, 5)}  # fmt: skip
    for name, run in runs.items():
        expected, found = before[name], as_told(run)
        for part in ("rows", "unanswered"):
            assert list(map(sorted_text, found.pop(part))) == list(
                map(sorted_text, expected.pop(part))
            )
        assert expected.items() >= found.items()
        assert listed[name]["requests"] == len(run.rows)
        (session,) = run.sessions  # what version 1 wrote into the configuration
        assert session["machine"]["cpus"] == 2
        assert session["versions"]["nas-gym"] == "0.1.0"
        assert not {"machine", "versions", "workers"} & run.config.keys()
    assert sum(row.failure is not None for row in runs["finished"].rows) > 2
    assert sum(row.source == "memo" for row in runs["finished"].rows) > 2


def test_a_command_that_only_reads_says_what_to_do(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = old.read_bytes()
    with pytest.raises(SystemExit) as exit_:
        main(["report", "cut", "--store", str(old)])
    assert exit_.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "written by an older nas-gym (schema 1, this one reads 2)" in sentence
    advice = f"`nas-gym list --store {old}`"
    assert advice in sentence
    assert old.read_bytes() == before
    with pytest.raises(SystemExit) as exit_:
        main([*advice.strip("`").split()[1:]])
    assert exit_.value.code in (0, None)
    assert "cut: cut, 13 evaluations" in capsys.readouterr().out
    assert len(load_run("cut", old).rows) == 8


def test_a_cut_run_goes_on_as_if_it_had_never_been_cut(old: Path, tmp_path: Path) -> None:
    with Store(old):
        pass
    nas_gym.resume("cut", old)
    nas_gym.search(
        {"name": "nasnet-cell", "blocks": 2},
        {"name": "landscape", "noise": 0.01},
        "random-search",
        budget=24,
        seed=7,
        run="whole",
        store=tmp_path / "new.sqlite",
    )
    resumed, whole = load_run("cut", old), load_run("whole", tmp_path / "new.sqlite")
    assert resumed.status == "finished"
    assert history(resumed) == history(whole)
    assert resumed.unanswered == ()


def test_a_run_of_live_objects_goes_on_from_its_script_alone(old: Path, tmp_path: Path) -> None:
    space = NASNetCell(blocks=1)
    parts = space, FailingEvaluator(Landscape(space, seed=3), rate=0.4), "random-search"
    options: Any = {"budget": 16, "num_envs": 4, "seed": 6}
    with Store(old):
        pass
    with pytest.raises(StoreError, match=r"run that script again with search\(\.\.\., run="):
        nas_gym.resume("interrupted", old)
    with pytest.raises(InvalidOption, match="begun with child_seed 6, and is given 1"):
        nas_gym.search(*parts, **options | {"seed": 1}, run="interrupted", resume=True, store=old)
    nas_gym.search(*parts, **options, run="interrupted", resume=True, store=old)
    nas_gym.search(*parts, **options, run="whole", store=tmp_path / "new.sqlite")
    resumed, whole = load_run("interrupted", old), load_run("whole", tmp_path / "new.sqlite")
    assert history(resumed) == history(whole)
    assert resumed.unanswered == ()


def test_the_run_with_repeats_is_what_todays_code_finds(old: Path) -> None:
    space = BitString(4)
    failing = FailingEvaluator(Landscape(space, seed=3), rate=0.4)
    found = nas_gym.search(space, failing, "random-search", budget=24, num_envs=4, seed=5)
    with Store(old):
        rows = [(r.tokens, r.reward, r.source) for r in load_run("finished", old).rows]
    assert rows == [
        (a.evaluation.architecture.tokens, a.reward, a.evaluation.source) for a in found.answers
    ]


OPEN = "import sys; from nas_gym.store import Store; Store(sys.argv[1]).close()"
DIE = """
import os, signal, sys
from nas_gym.store import Store, migrations
whole, calls = migrations.summed, 0

def dying(*arguments):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*arguments)

migrations.summed = dying
Store(sys.argv[1])
"""


def test_two_processes_may_migrate_at_once(old: Path) -> None:
    before = told(old)
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(old)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    for name, run in before.items():
        assert len(load_run(name, old).rows) == len(run["rows"])


@pytest.mark.parametrize("calls", [1, 30])
def test_a_kill_in_the_middle_leaves_the_old_store_whole(old: Path, calls: int) -> None:
    before = told(old)
    died = subprocess.run([sys.executable, "-c", DIE, str(old), str(calls)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert told(old) == before
    with Store(old) as store:
        assert len(store.load_run("finished").rows) == 24


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE evaluations SET tokens = '[1, 2'",
        "UPDATE evaluations SET seconds = 'x'",
        "UPDATE requests SET evaluation_id = 99",
        "UPDATE runs SET config = '[]'",
        "UPDATE runs SET config = '{}'",
        "UPDATE runs SET config = replace(printf('%.100000c', 'x'), 'x', '[')",
        "ALTER TABLE requests RENAME COLUMN evaluation_id TO evaluation",
        "DROP TABLE requests",
        "CREATE TABLE protocols (id)",
    ],
)
def test_a_damaged_old_store_is_refused_as_it_is(old: Path, damage: str) -> None:
    connection = sqlite3.connect(old)
    connection.executescript(f"PRAGMA foreign_keys = OFF; {damage}")
    before = list(connection.iterdump())
    with pytest.raises(StoreError, match="damaged"):
        Store(old)
    assert list(connection.iterdump()) == before
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_an_old_store_that_cannot_be_written_stays_as_it_is(disk: Any) -> None:
    old = make_old(disk / "store.sqlite")
    disk.remount("ro")
    before = old.read_bytes()
    for read_only in (True, False):
        with pytest.raises(StoreError, match="bring it up to date, where it can be written"):
            Store(old, read_only=read_only)
    assert old.read_bytes() == before
