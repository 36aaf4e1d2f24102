"""Golden data: what users see today, recorded in ``data/``; ``make.py`` writes it anew.

The tests here use public doors alone (the command, ``nas_gym.search``, ``gym.make``) and the names
of ``nas-gym list``, so that they stay as they are when modules move.
"""

import json
import re
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

    def recorded(self, name: str) -> dict[str, Any]:
        """Return what the JSON file ``name`` holds; nothing if there is none."""
        if not _file(name).is_file():
            return {}
        data: dict[str, Any] = json.loads(_file(name).read_text(encoding="utf-8"))
        return data

    def check(self, name: str, key: str, data: Any) -> None:
        """Compare JSON ``data`` with what the file ``name`` holds under ``key``."""
        if self.record:
            _file(name).parent.mkdir(exist_ok=True)
            _file(name).write_text(_as_text({**self.recorded(name), key: data}), encoding="utf-8")
            return
        recorded = self.recorded(name)
        assert key in recorded, f"nothing is recorded of {key!r}: {REMEDY}"
        assert data == recorded[key], REMEDY


def _file(name: str) -> Path:
    return DATA / f"{name}.json"


def _as_text(data: dict[str, Any]) -> str:
    """Return JSON that is easily compared: sorted, one line for a list of numbers."""
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return re.sub(r'\[[^][{}"]+\]', lambda found: " ".join(found.group().split()), text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``agent_name`` once per agent, ``space_name`` once per space.

    Presets are in the slow tier, as are the spaces that are presets by another name.
    """
    presets = ("amoebanet-cell", "enas-micro-cell")
    for fixture, kind in (("agent_name", "agents"), ("space_name", "spaces")):
        if fixture in metafunc.fixturenames:
            slow = {name: "/" in name or name in presets for name in listing()[kind]}
            parameters = [
                pytest.param(name, marks=pytest.mark.slow if slow[name] else ()) for name in slow
            ]
            metafunc.parametrize(fixture, parameters)


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
