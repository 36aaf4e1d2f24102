"""The ids are there whenever Gymnasium is, in whatever order and way it is imported."""

import subprocess
import sys

import pytest

from nas_gym.envs.ids import IDS

ALL_THERE = f"assert {set(IDS)!r} <= set(gymnasium.registry), sorted(gymnasium.registry)"


def check(code: str) -> None:
    script = f"{code}\nimport gymnasium\n{ALL_THERE}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "code",
    [
        "import nas_gym",
        "import gymnasium, nas_gym",
        "import gymnasium; gymnasium.make('nas_gym:NASBench201-v0')",
        "import nas_gym; import gymnasium.envs.registration as r; r.make('NASBench201-v0')",
        "import nas_gym, gymnasium; gymnasium.register_envs(nas_gym)",
        "import nas_gym.envs.registration",
        "import nas_gym; nas_gym.NASEnv",
        # Whoever only looks whether it is installed does not import it.
        "import importlib.util, nas_gym; assert importlib.util.find_spec('gymnasium')",
        "import importlib, nas_gym; importlib.reload(nas_gym)",
        "import nas_gym, gymnasium, importlib; importlib.reload(nas_gym)",
        "import threading, nas_gym\n"
        "threads = [threading.Thread(target=__import__, args=('gymnasium',)) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]",
    ],
)
def test_the_ids_are_registered(code: str) -> None:
    check(code)


def test_a_gymnasium_behind_another_finder_is_found() -> None:
    """As in an editable install of Gymnasium."""
    check(
        "import sys, importlib.machinery as m\n"
        "class Editable:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return m.PathFinder.find_spec(name, path) if name == 'gymnasium' else None\n"
        "sys.meta_path.insert(0, Editable())\n"
        "import nas_gym"
    )


def test_gymnasium_looks_as_if_nothing_had_happened() -> None:
    check(
        "import sys, nas_gym, gymnasium, inspect\n"
        "own = type(gymnasium.__spec__.loader).__module__\n"
        "assert own.startswith(('_frozen_importlib', 'importlib')), own\n"
        "assert gymnasium.__loader__ is gymnasium.__spec__.loader\n"
        "assert 'make' in inspect.getsource(gymnasium)\n"
        "assert not [f for f in sys.meta_path if type(f).__module__.startswith('nas_gym')]"
    )


def test_importing_the_package_imports_no_gymnasium() -> None:
    code = "import sys, nas_gym; assert not {'gymnasium', 'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
