"""Files and disks that cannot be used: one sentence each, status 2, nothing lost."""

import contextlib
import os
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.store import RunData, load_run


def files_of(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file()}


@pytest.mark.few(8)
@pytest.mark.parametrize("command", ["search", "report", "list", "resume"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"These are my notes.\n" * 300, "is a file of something else: name another"),
        (b"SQLite format 3\0" + bytes(4080), "is a file of something else|is damaged"),
        ("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')", "something else: name"),
        (
            "PRAGMA user_version = 4; CREATE TABLE runs (id)",
            r"another version of nas-gym \(schema 4",
        ),
        ("PRAGMA user_version = -1; CREATE TABLE runs (id)", "another version of nas-gym"),
        ("PRAGMA user_version = 3; CREATE TABLE runs (id)", "is damaged"),
    ],
)
def test_a_file_of_something_else(
    command: str,
    content: Any,
    message: str,
    tmp_path: Path,
    stores: Any,
) -> None:
    path = tmp_path / "store.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        connection = sqlite3.connect(path)
        connection.executescript(content)
        connection.close()
    before = path.read_bytes()
    sentence = stores.refused(*stores.commands[command], path)
    assert re.search(message, sentence)
    assert path.read_bytes() == before  # not even its journal mode


@pytest.mark.slow
def test_an_empty_file(tmp_path: Path, stores: Any) -> None:
    path = tmp_path / "store.sqlite"
    path.touch()
    assert "is empty: run a search first" in stores.refused(*stores.report, path)
    assert "is empty: run a search first" in stores.refused(*stores.resume, path)
    stores.succeeded(*stores.search, path)
    assert len(load_run("new", path).rows) == 8


def test_what_is_not_a_file(tmp_path: Path, stores: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "pipe", os.devnull):
        for command in (stores.search, stores.report):
            assert f"{path} is not a file: name a file" in stores.refused(*command, path)
    within = tmp_path / "file" / "store.sqlite"
    assert f"{within.parent} is not a folder" in stores.refused(*stores.search, within)
    assert "there is no results database" in stores.refused(*stores.report, within)
    long = tmp_path / ("x" * 300)
    assert "longer than a path can be: give a shorter one" in stores.refused(*stores.search, long)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ended", "ended_as"),
    [("closed", "interrupted"), ("killed", "cut"), ("killed, its shared memory lost", "")],
)
def test_a_read_only_disk(disk: Any, ended: str, ended_as: str, stores: Any) -> None:
    store = disk / "store.sqlite"
    if ended == "closed":
        stores.fill(store)
        for left in ("-wal", "-shm"):
            Path(f"{store}{left}").unlink(missing_ok=True)
    else:
        stores.killed(store)
        if ended.endswith("lost"):
            Path(f"{store}-shm").unlink()
    disk.remount("ro")
    before = files_of(disk.folder)
    out = Path(tempfile.mkdtemp())
    try:
        if ended.endswith("lost"):
            for command in (stores.report, stores.list_, stores.resume, stores.search):
                assert "ends in -wal), which cannot be read" in stores.refused(*command, store)
            return
        stores.succeeded(*stores.report, store, "--out", out)
        stores.succeeded(*stores.list_, store)
        done = {"interrupted": 11, "cut": 8}[ended_as]
        assert f"cut: {ended_as}, {done} evaluations" in stores.capsys.readouterr().out
        for command in (
            stores.search,
            stores.resume,
            (*stores.search[:-2], "cut", "--resume", "--store"),
        ):
            assert f"{store} is read-only: make it" in stores.refused(*command, store)
    finally:
        shutil.rmtree(out)
        assert files_of(disk.folder) == before


@pytest.mark.slow
def test_a_disk_that_fills_up_in_the_middle(disk: Any, tmp_path: Path, stores: Any) -> None:
    disk.remount("size=384k")
    search = ("search", *stores.cheap, "--budget", "400", "--run", "cut", "--json", "--store")
    sentence = stores.refused(*search, disk / "store.sqlite")
    assert "cannot grow, the disk is full: make room" in sentence
    assert "what was recorded is kept: go on with `nas-gym resume cut" in sentence
    again = stores.refused(*search, disk / "store.sqlite")
    assert "there is a run 'cut'" in again or "the disk is full" in again
    disk.remount("size=8m")
    cut = load_run("cut", disk / "store.sqlite")
    assert cut.status == "cut"
    assert 0 < len(cut.rows) < 400
    with pytest.raises(SystemExit) as exit_:
        main(["resume", "cut", "--workers", "1", "--store", str(disk / "store.sqlite")])
    assert exit_.value.code in (0, None)
    whole = nas_gym.search(
        {"name": "nasnet-cell", "blocks": 2}, {"name": "landscape"}, "random-search",
        budget=400, run="whole", store=tmp_path / "store.sqlite",
    )  # fmt: skip
    assert len(whole.answers) == 400
    resumed = load_run("cut", disk / "store.sqlite")
    assert resumed.rows[: len(cut.rows)] == cut.rows
    assert history(resumed) == history(load_run("whole", tmp_path / "store.sqlite"))


@pytest.mark.slow
def test_a_disk_that_was_full_before(disk: Any, stores: Any) -> None:
    disk.remount("size=256k")
    with (disk / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    sentence = stores.refused(*stores.search, disk / "store.sqlite")
    assert "the disk is full" in sentence
    (disk / "full").unlink()
    disk.remount("size=4m")
    stores.succeeded(*stores.search, disk / "store.sqlite")
    assert len(load_run("new", disk / "store.sqlite").rows) == 8


def history(run: RunData) -> list[Any]:
    return [(r.tokens, r.key, r.seed, r.metrics, r.reward, r.failure, r.detail) for r in run.rows]
