"""What is installed, and what importing it costs."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import pytest

import nas_gym


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return set(result.stdout.split())


def test_import_and_make_load_neither_torch_nor_sb3() -> None:
    loaded = modules_after(
        "import nas_gym, gymnasium\n"
        "env = gymnasium.make('NASNetCell-v0')\n"
        "gymnasium.make_vec('NASNetCell-v0', num_envs=4)\n"
        "env.reset(seed=0)\n"
        "env.step(1)"
    )
    heavy = {"torch", "stable_baselines3", "sklearn", "matplotlib", "sqlalchemy", "pandas"}
    assert not loaded & heavy


def test_make_imports_the_package_by_itself() -> None:
    assert "nas_gym.envs.env" in modules_after(
        "import gymnasium\ngymnasium.make('nas_gym:NASNetCell-v0')"
    )


def test_every_public_name_is_there() -> None:
    for name in nas_gym.__all__:
        assert getattr(nas_gym, name) is not None
    from nas_gym.runs.search import search

    assert nas_gym.search is search


def test_the_distribution_is_as_documented() -> None:
    data = metadata("nas-gym")
    assert data["Version"] == nas_gym.__version__
    assert data["License-Expression"] == "MIT AND Apache-2.0"
    assert data["Requires-Python"] == ">=3.11"


@pytest.mark.slow
def test_the_wheel_searches_where_nothing_else_of_ours_is(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]

    def run(*command: object, **options: object) -> str:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=300, check=False,
            **options,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "dist", root)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel)
    with zipfile.ZipFile(wheel) as archive:
        (file,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        words = archive.read(file).decode()
    # PyPI has none of the files beside the README.
    assert re.findall(r"\]\((?!https?:)[^)]*\)|<img", words) == []
    assert "*A picture (`docs/learning_curve.png`): Accuracy of 150 children" in words
    assert "quickstart (`docs/quickstart.md`), tutorials (`docs/tutorials/index.md`)" in words
    installed = tmp_path / "installed"
    run(*pip, "install", "--no-deps", "--target", installed, wheel)
    there = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(installed)}}
    code = "import nas_gym, nas_agents; print(nas_gym.__file__, nas_agents.__file__)"
    assert all(str(installed) in file for file in run(sys.executable, "-c", code, **there).split())
    table = ("--space", "nasbench201", "--evaluator", "nasbench201", "--budget", "20")
    assert "best" in run(sys.executable, "-m", "nas_gym", "search", *table, **there)


def test_every_hint_to_install_has_one_form_and_names_extras_that_there_are() -> None:
    root = Path(__file__).parents[1]
    with (root / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    for path in [*root.glob("nas_gym/**/*.py"), *root.glob("docs/**/*.md"), root / "README.md"]:
        text = " ".join(re.sub(r'"\s+"', "", path.read_text(encoding="utf-8")).split())
        named = re.findall(r"pip install 'nas-gym\[([\w,]+)\]'", text)
        named += re.findall(r"not_installed\([^()]*?['\"](\w+)['\"]\)", text)
        assert {each for listed in named for each in listed.split(",")} <= extras, path
        assert set(re.findall(r'pip install -e "\.\[(\w+)\]"', text)) <= {"dev", "docs"}, path
