import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import nas_agents
from nas_gym import plugins
from nas_gym.errors import InvalidOption, UnknownName

LISTED = """
import sys
from nas_gym.plugins import PLUGINS, names
before = set(sys.modules)
print(*(name for kind in (*PLUGINS, "agent") for name in names(kind)))
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("kind", [*plugins.PLUGINS, "agent"])
def test_listed_presets_are_those_of_the_modules(kind: str) -> None:
    listed = nas_agents.PRESETS if kind == "agent" else plugins.PRESETS.get(kind, {})
    presets = {}
    for name, path in plugins.table(kind).items():
        module = importlib.import_module(path.partition(":")[0])
        found = tuple(preset for preset in getattr(module, "PRESETS", {}) if preset != "default")
        if found:
            presets[name] = found
    assert listed == presets


def test_names_are_listed_without_an_import_of_what_they_stand_for() -> None:
    run = subprocess.run([sys.executable, "-c", LISTED], capture_output=True, text=True, check=True)
    names, imported = run.stdout.splitlines()
    assert {"reinforce/zoph2016", "conv-net/pooling", "table", "accuracy"} <= set(names.split())
    assert imported == "nas_agents"


def test_own_modules_have_presets_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Mine = str\nPRESETS = {'large': 7}\n"
    (tmp_path / "plugins_of_mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.load("space", "plugins_of_mine:Mine") is str
    assert plugins.load("space", "plugins_of_mine:Mine/large") == 7
    with pytest.raises(UnknownName, match=r"unknown preset of space .* 'lage': did you mean"):
        plugins.load("space", "plugins_of_mine:Mine/lage")


@pytest.mark.parametrize("name", ["plugins_broken:Mine", "plugins_broken:Mine/large"])
@pytest.mark.parametrize("line", ["1 / 0", "str.nothing", "import plugins_not_there"])
def test_modules_that_cannot_be_imported_say_so(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins_broken.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidOption, match="module 'plugins_broken' cannot be imported"):
        plugins.load("agent", name)


def test_of_many_names_only_the_nearest_are_said() -> None:
    with pytest.raises(UnknownName) as raised:
        plugins.load("agent", "reinfor")
    said = "unknown agent 'reinfor': did you mean 'reinforce' or 'softmax-reinforce' or "
    assert str(raised.value).startswith(said)
    rest = "? known: all of `nas-gym list`, module:attribute of your own"
    assert str(raised.value).endswith(rest)
    assert str(raised.value).count("'") == 2 * 5
    with pytest.raises(UnknownName, match="unknown agent 'zzz': known: all of `nas-gym list`, mod"):
        plugins.load("agent", "zzz")
    with pytest.raises(UnknownName, match="unknown reward 'zzz': known: accuracy, "):
        plugins.load("reward", "zzz")
