"""GitHub's workflows: their form, and that CI runs everything. None has run from here."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(name: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="pip install -e '.[dev]'")
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_they_have_the_form_that_github_asks_for() -> None:
    pytest.importorskip("check_jsonschema", reason="pip install -e '.[dev]'")
    assert len(WORKFLOWS) == 3
    command = ["check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, "-m", *command, *map(str, WORKFLOWS)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_ci_runs_as_root_on_debian_so_that_no_test_is_skipped() -> None:
    job = read("ci.yml")["jobs"]["checks"]
    assert re.fullmatch(r"python:\$\{\{ matrix\.python \}\}-[a-z]+", job["container"]["image"])
    assert "--user" not in job["container"]["options"]  # root, as the image has it
    assert job["steps"][-1]["run"] == "bash .ci/run"
    assert not any("setup-python" in step.get("uses", "") for step in job["steps"])


def test_ci_begins_with_the_oldest_python_that_is_promised() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    oldest = tomllib.loads(text)["project"]["requires-python"].removeprefix(">=")
    assert read("ci.yml")["jobs"]["checks"]["strategy"]["matrix"]["python"][0] == oldest


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_extras_that_are_installed_exist(file: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r'pip install -e "\.\[(\w+)\]"', file.read_text(encoding="utf-8"))
    assert set(extras) <= set(project["optional-dependencies"])
