"""A store of another version is refused by one sentence, and left as it is."""

import re
import sqlite3
from pathlib import Path

import pytest

from nas_gym.cli.main import main
from nas_gym.errors import StoreError
from nas_gym.store import SCHEMA_VERSION, Store


@pytest.fixture(params=[1, SCHEMA_VERSION + 1, -1])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    path = tmp_path / "store.sqlite"
    connection = sqlite3.connect(path)
    version = f"PRAGMA user_version = {request.param}"
    connection.executescript(f"{version}; CREATE TABLE runs (id)")
    connection.close()
    return path, request.param


@pytest.mark.parametrize("read_only", [True, False])
def test_another_version_is_refused_and_left_as_it_is(
    read_only: bool, other: tuple[Path, int]
) -> None:
    path, version = other
    before = path.read_bytes()
    said = f"another version of nas-gym (schema {version}, this one reads {SCHEMA_VERSION}): use"
    with pytest.raises(StoreError, match=re.escape(said)):
        Store(path, read_only=read_only)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_command_says_so_in_one_sentence(
    other: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    path, version = other
    with pytest.raises(SystemExit) as exit_:
        main(["report", "cut", "--store", str(path)])
    assert exit_.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert f"{path} was written by another version of nas-gym (schema {version}," in sentence


def test_tables_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    for _ in range(2):
        Store(path).close()
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        connection.close()
