"""GitHub's workflows, which nothing here can run: they name what is there, and may do little."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.y*ml"))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# The events that each has to be run by.
EVENTS = {
    "ci.yml": {"push", "pull_request"},
    "docs.yml": {"push"},
    "release.yml": {"push"},
}
# All that they may write; contents are only ever read.
MAY_WRITE = {"docs.yml": {"pages", "id-token"}, "release.yml": {"id-token"}}
# Packages whose commands have other names.
COMMAND_OF = {"sphinx-build": "sphinx"}


def read(name: str) -> dict[Any, Any]:
    workflow: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return workflow


def events_of(workflow: dict[Any, Any]) -> dict[str, Any]:
    """What it is run by: YAML takes the word ``on`` for true."""
    events = workflow.get("on", workflow.get(True))
    if isinstance(events, str):
        events = [events]
    return events if isinstance(events, dict) else dict.fromkeys(events or ())


def commands(job: dict[str, Any]) -> Iterator[list[str]]:
    for step in job["steps"]:
        for line in step.get("run", "").replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def test_these_workflows_are_there() -> None:
    assert [file.name for file in WORKFLOWS] == sorted(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_they_are_run_by_what_the_pages_say(name: str) -> None:
    events = events_of(read(name))
    assert set(events) >= EVENTS[name]
    if name == "docs.yml":
        assert events["push"] == {"branches": ["main"]}
    if name == "release.yml":
        assert events["push"] == {"tags": ["v*"]}


@pytest.mark.parametrize("name", EVENTS)
def test_they_may_write_no_more_than_they_have_to(name: str) -> None:
    workflow = read(name)
    for part in (workflow, *workflow["jobs"].values()):
        permissions = part.get("permissions") or {}
        assert isinstance(permissions, dict), "name each permission"
        written = {what for what, how in permissions.items() if how == "write"}
        assert written <= MAY_WRITE.get(name, set())


@pytest.mark.parametrize("name", EVENTS)
def test_what_their_commands_name_is_there(name: str) -> None:
    for job in read(name)["jobs"].values():
        installed = {"pip"}
        for command, *words in commands(job):
            if command in ("bash", "sh"):
                assert (ROOT / words[0]).is_file(), words
            elif command == "pip" or words[:2] == ["-m", "pip"]:
                installed |= installed_by(words)
            elif command == "python" and words[0] == "-m":
                assert words[1] in installed or (ROOT / words[1].replace(".", "/")).exists(), words
            elif command == "python":
                assert (ROOT / words[0]).is_file(), words
            else:
                assert COMMAND_OF.get(command, command) in installed, command
            if command == "sphinx-build":
                assert (ROOT / next(word for word in words if not word.startswith("-"))).is_dir()


def installed_by(words: list[str]) -> set[str]:
    """Packages that ``pip install`` makes be there, by the words after it."""
    found = set()
    for word in words:
        if extra := re.fullmatch(r"\.\[([\w,-]+)\]", word):
            for each in extra[1].split(","):
                found |= {re.split(r"[\[<>=~! ]", wanted)[0] for wanted in EXTRAS[each]}
        elif not word.startswith("-"):
            found.add(re.split(r"[\[<>=~!]", word)[0])
    return found


@pytest.mark.parametrize("name", EVENTS)
def test_their_jobs_follow_from_each_other(name: str) -> None:
    jobs = read(name)["jobs"]
    handed: set[str] = set()
    for job in jobs.values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(jobs)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@[\w./-]+", step["uses"]), "name a version"
                if step["uses"].startswith("actions/upload-artifact@"):
                    handed.add(step["with"]["name"])
                if step["uses"].startswith("actions/download-artifact@"):
                    assert step["with"]["name"] in handed


def test_the_checks_begin_with_the_oldest_python_that_the_package_takes() -> None:
    versions = read("ci.yml")["jobs"]["checks"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions[0]}"


@pytest.mark.slow
def test_they_have_the_form_that_github_asks_for() -> None:
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
