"""Golden data: what users see today, recorded in ``data/``; ``make.py`` writes it anew.

The tests here use public doors alone (the command, ``nas_gym.search``, ``gym.make``) and the names
of ``nas-gym list``, so that they stay as they are when modules move.
"""

import json
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

DATA = Path(__file__).parent / "data"
REMEDY = "if users are meant to see this, run `python tests/golden/make.py` and commit the data"


class Shown(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


def run_command(*arguments: str) -> Shown:
    """Run ``nas-gym`` with ``arguments`` in this process, as ``python -m nas_gym`` does."""
    out, err = StringIO(), StringIO()
    before = sys.argv, list(sys.path)
    sys.argv = ["nas-gym", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as exit_:
            runpy.run_module("nas_gym", run_name="__main__")
    finally:
        sys.argv, sys.path[:] = before
    return Shown(int(exit_.value.code or 0), out.getvalue(), err.getvalue())


@cache
def listing() -> dict[str, list[str]]:
    """Return what ``nas-gym list`` names."""
    listed: dict[str, list[str]] = json.loads(run_command("list", "--json").out)
    return listed


class Golden:
    """The recorded data; in the hands of ``make.py`` it records instead of comparing."""

    def __init__(self, record: bool) -> None:
        self.record = record

    def keys(self, name: str) -> set[str]:
        """Return the keys that are recorded in the JSON file ``name``."""
        return set(self._read(name))

    def check(self, name: str, key: str, data: Any) -> None:
        """Compare JSON ``data`` with what the file ``name`` holds under ``key``."""
        if self.record:
            text = json.dumps(dict(sorted({**self._read(name), key: data}.items())), indent=1)
            _file(name).parent.mkdir(exist_ok=True)
            _file(name).write_text(text + "\n", encoding="utf-8")
            return
        recorded = self._read(name)
        assert key in recorded, f"nothing is recorded of {key!r}: {REMEDY}"
        assert data == recorded[key], REMEDY

    def check_text(self, name: str, text: str) -> None:
        """Compare ``text`` with the file ``name``, line by line."""
        path = DATA / name
        if self.record:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        assert path.is_file(), f"nothing is recorded as {name}: {REMEDY}"
        assert text.splitlines() == path.read_text(encoding="utf-8").splitlines(), REMEDY

    def _read(self, name: str) -> dict[str, Any]:
        if not _file(name).is_file():
            return {}
        recorded: dict[str, Any] = json.loads(_file(name).read_text(encoding="utf-8"))
        return recorded


def _file(name: str) -> Path:
    return DATA / f"{name}.json"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``agent_name`` once per agent, ``space_name`` once per space."""
    for fixture, kind in (("agent_name", "agents"), ("space_name", "spaces")):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, listing()[kind])


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Golden:
    """The recorded data."""
    plugins = request.config.pluginmanager.get_plugins()
    return Golden(record=any(type(each).__name__ == "GoldenRecord" for each in plugins))


@pytest.fixture(scope="session")
def nas_gym_command() -> Callable[..., Shown]:
    """The command ``nas-gym``, in this process."""
    return run_command


@pytest.fixture(scope="session")
def listed() -> dict[str, list[str]]:
    """What ``nas-gym list`` names."""
    return listing()


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
