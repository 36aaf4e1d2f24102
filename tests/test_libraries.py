"""Other RL libraries: each page's installation and script, word for word, in a venv of its own."""

import re
import subprocess
import sysconfig
import venv
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "guide" / "libraries"
# What pip says where it reaches no index; anything else is a fault of the page.
NO_INDEX = ("No matching distribution", "ConnectionError", "Could not fetch URL")
# Ends with an error if an action is closed: nas-gym itself folds it onto an open one.
STRICT = """
from nas_gym.envs.env import NASEnv
taken = []
step = NASEnv.step
def strict(self, action):
    masks = self.action_masks()
    taken.append(bool(masks.all()))
    assert masks[int(action)], f"token {action} is closed: {masks}"
    return step(self, action)
NASEnv.step = strict
"""
CHECKED = """
assert len(taken) > 5000 and not all(taken), "the masks were never needed"
"""


def block(page: Path, language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
    return str(found)


def installations(page: Path) -> list[list[str]]:
    """The requirements of each ``pip install`` on the page, but for nas-gym itself."""
    lists = re.findall(r"bin/pip install ([^&\n]+)", block(page, "bash"))
    asked = [re.findall(r'"([^"]+)"', words) for words in lists]
    return [requirements for requirements in asked if requirements]


def over_ours(folder: Path) -> Path:
    """A venv that sees what is installed here, and puts its own packages before it."""
    venv.create(folder, with_pip=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=paths))
    ours = sysconfig.get_path("purelib")
    site.joinpath("ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n", "utf-8")
    return Path(sysconfig.get_path("scripts", vars=paths)) / "python"


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=500, check=False
    )


def run_page(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it again if Ray gave up on its own node, for which it waits half a minute."""
    for _ in range(3):
        done = run(*command, cwd=cwd)
        if "node timed out during startup" not in done.stderr:
            break
    return done


def test_there_is_a_page_for_each() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} == {"rllib", "tianshou", "torchrl"}


@pytest.mark.slow
@pytest.mark.parametrize("library", ["rllib", "tianshou", "torchrl"])
def test_the_page_learns_with_masks(library: str, tmp_path: Path) -> None:
    page = FOLDER / f"{library}.md"
    python = over_ours(tmp_path / "venv")
    for requirements in installations(page):
        done = run(python, "-m", "pip", "-q", "install", *requirements, cwd=tmp_path)
        if done.returncode and any(words in done.stderr for words in NO_INDEX):
            pytest.skip(f"pip cannot install {' '.join(requirements)} here")
        assert done.returncode == 0, done.stderr

    script = tmp_path / "page.py"
    script.write_text(STRICT + block(page, "python") + CHECKED, encoding="utf-8")
    done = run_page(python, script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before, after = map(float, re.findall(r"\b0\.\d{4}\b", done.stdout.splitlines()[-1]))
    assert after > before + 0.02

    # Nothing that nas-gym asks for was taken away: no pin of the library's is outside our ranges.
    versions = "from importlib.metadata import version; import sys; print(version(sys.argv[1]))"
    for requirement in map(Requirement, requires("nas-gym") or []):
        if requirement.marker is None:
            found = run(python, "-c", versions, requirement.name, cwd=tmp_path).stdout.strip()
            assert requirement.specifier.contains(found, prereleases=True), (requirement, found)
