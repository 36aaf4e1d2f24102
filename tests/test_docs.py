"""Every Python block of every page runs as written; links, options and names on them exist."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest
import yaml

import nas_gym
from nas_gym.envs.ids import ENTRY_POINT
from nas_gym.plugins import names

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GENERATED = (ROOT / "docs" / "environments", ROOT / "docs" / "benchmarks" / "results")
PAGES = [
    page
    for page in sorted([README, *ROOT.glob("docs/**/*.md"), *ROOT.glob("agents/*.md")])
    if not any(folder in page.parents for folder in GENERATED)
]
ELSEWHERE = {  # whose blocks are run by others
    "docs/developer/architecture.md",  # files: tests/test_house.py
    *(f"docs/tutorials/{page.name}" for page in ROOT.glob("docs/tutorials/*.md")),  # as notebooks
    *(f"docs/guide/libraries/{name}.md" for name in ("rllib", "tianshou", "torchrl")),  # in venvs
}


# What the blocks of a page import beside what nas-gym needs.
NEEDS = {
    "docs/guide/models.md": ("onnx", "onnxscript", "onnxruntime"),
    "docs/guide/watching.md": ("tensorboard", "optuna"),
    "docs/guide/trackers.md": ("wandb", "mlflow"),
}
# MLflow warns of how it uses SQLAlchemy itself.
LOUD = {"docs/guide/trackers.md"}


def blocks(page: Path, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def slow(page: Path) -> bool:
    """Those with worker processes, a training, or a whole search of SB3's take longest."""
    text = "".join(blocks(page))
    return "__main__" in text or any(
        word in text
        for word in ("mlflow", "optuna", "MaskablePPO", "sb3_contrib", "nas_gym.train(", "ray")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if slow(page) else [], id=name_of(page))
        for page in PAGES
        if blocks(page) and name_of(page) not in ELSEWHERE
    ],
)
def test_python_blocks_run_as_written(page: Path, tmp_path: Path) -> None:
    """A page's blocks are one script, in their order."""
    for needed in NEEDS.get(name_of(page), ()):
        pytest.importorskip(needed, reason=f"pip install {needed}")
    script = tmp_path / "page.py"
    script.write_text("\n\n".join(blocks(page)), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, *([] if name_of(page) in LOUD else ["-W", "error"]), script], cwd=tmp_path,
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_the_whole_file_of_an_own_space_is_searched_by_its_command(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "guide" / "own_space.md").read_text(encoding="utf-8")
    whole = text.partition("## The whole file\n")[2]
    (block,) = re.findall(r"^```python\n(.*?)^```", whole, re.S | re.M)
    (tmp_path / "my_spaces.py").write_text(block, encoding="utf-8")
    (command,) = re.findall(r"^    nas-gym (.*)$", whole, re.M)
    words = command.replace("--budget 20", "--budget 2").split()
    result = subprocess.run(
        [sys.executable, "-m", "nas_gym", *words],
        cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    drawing = (tmp_path / "runs" / "chains" / "best-1.svg").read_text(encoding="utf-8")
    assert "classifier" in drawing


def test_the_first_example_is_short() -> None:
    assert len(blocks(README)[0].splitlines()) <= 15


def test_the_readme_is_short() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert len(text.encode()) <= 7000


@pytest.mark.parametrize("kind", ["space", "agent", "evaluator", "reward"])
def test_the_tables_name_everything(kind: str) -> None:
    page = (ROOT / "docs" / "guide" / "parts.md").read_text(encoding="utf-8")
    assert [name for name in names(kind) if f"`{name}`" not in page] == []


def test_every_agent_has_a_page() -> None:
    titles = ", ".join(
        page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        for page in (ROOT / "docs" / "agents").glob("*.md")
    ).split(", ")
    assert {name for name in names("agent") if "/" not in name} - set(titles) == set()


def test_every_engine_is_on_its_page() -> None:
    page = (ROOT / "docs" / "guide" / "many_machines.md").read_text(encoding="utf-8")
    assert [name for name in names("executor") if f"--executor {name}" not in page] == []


def test_linked_pages_exist() -> None:
    for page in [*PAGES, *ROOT.glob("benchmarks/**/*.md"), ROOT / ".github" / "CONTRIBUTING.md"]:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", text):
            assert (page.parent / target).exists(), f"{page} links to {target}"


def test_options_of_commands_exist() -> None:
    """Each ``nas-gym … --option`` on a page is one that the subcommand has."""
    golden = ROOT / "tests" / "golden" / "data" / "command-options.json"
    known = json.loads(golden.read_text(encoding="utf-8"))
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^ *(?:\.venv/bin/)?nas-gym ([a-z].*)$", text, re.M):
            words = shlex.split(re.split(r"   |[|>&#…]", line)[0], posix=True)
            for word in words[1:]:
                if re.match(r"--[a-z]", word):
                    option = word.partition("=")[0]
                    assert option in json.dumps(known[words[0]]), f"{page.name}: {line}"


def test_the_citation_has_the_versions_date_in_the_changelog() -> None:
    """A version without a number in the changelog is not released, and has none."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = re.escape(nas_gym.__version__)
    released = re.search(rf"^## \[?{version}\]?,? [-(]?\s*(\d{{4}}-\d\d-\d\d)", changelog, re.M)
    assert citation["version"] == nas_gym.__version__
    assert str(citation.get("date-released")) == str(released and released[1])


def test_the_page_of_what_is_missing_has_all_that_the_readme_says() -> None:
    """The README's paragraph leads to it for more, so that it is longer, and says the same."""
    readme = README.read_text(encoding="utf-8").partition("## What it does not do")[2]
    page = (ROOT / "docs" / "guide" / "limitations.md").read_text(encoding="utf-8")
    assert len(page) > len(readme.partition("\n\n")[2].partition("\n\n")[0])
    for said in ("Penn Treebank", "GPU-days", "Shared weights"):
        assert (said in readme, said in page) == (True, True)


def test_the_two_commands_stand_word_for_word() -> None:
    page = README.read_text(encoding="utf-8")
    for command in (
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/nas-gym search",
        'python3 -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/pytest',
    ):
        assert command in page.splitlines()


@pytest.mark.slow
def test_every_environment_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    from environment_pages import write_environment_pages

    write_environment_pages(tmp_path)
    ours = {each.id for each in gym.registry.values() if each.entry_point == ENTRY_POINT}
    pages = {page.stem: page.read_text(encoding="utf-8") for page in tmp_path.glob("*.md")}
    assert pages.keys() == ours
    for name, page in pages.items():
        form = "Edit" if "Edit" in name else "MO" if "MO" in name else ""
        token_id = name.replace(form, "") if form else name
        assert (f"({token_id}.md)" in page) == bool(form)
        assert bool(re.search(r"- `dataset` \(default `'", page)) == (not form)  # of the evaluator
        assert "`docs/" not in page  # but a link
        assert ("(../guide/limits.md)" in page) == (not form)
        if name == "NASNetCell-v0":
            assert "- `blocks` (default `5`): " in page
            (operations,) = re.findall(r"^\| operation_a \|.*$", page, re.M)
            assert operations.count("`") == 2 * (1 + 13)  # its name, and all that it offers
        assert "## Arguments" in page
        assert ("reward space" in page) == (form == "MO")
        assert ("steps per episode" in page) == (form == "Edit")


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="pip install -e '.[docs]'")
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", tmp_path / "site"],
        cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    board = (tmp_path / "site" / "benchmarks" / "leaderboard.html").read_text(encoding="utf-8")
    assert "benchmarks/leaderboard/rl-vs-evolution/ppo.json</code>)" not in board  # but a link
    contributing = (tmp_path / "site" / "developer" / "contributing.html").read_text("utf-8")
    assert "runs what CI runs" in contributing
    api = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    for place in (
        "nas_gym.envs.recorder.Watcher",
        "nas_gym.envs.ledger.LedgerOptions",
        "nas_gym.runs.session.SearchResult",
        "nas_gym.store.run_data.RunData",
        "nas_gym.store.run_data.Row",
        "nas_gym.registry.make",
    ):
        assert f'id="{place}"' in api, place
    for page in (ROOT / "docs" / "environments").glob("*.md"):
        assert (tmp_path / "site" / "environments" / f"{page.stem}.html").exists()
        (block,) = blocks(page)
        exec(compile(block, page, "exec"), {"__name__": "page"})
    offered = {file.stem: file for file in tmp_path.glob("site/_downloads/*/*.ipynb")}
    pages = {page.stem for page in ROOT.glob("docs/tutorials/*.md")}
    assert offered.keys() == pages - {"index"}
    for name, notebook in offered.items():
        shown = (tmp_path / "site" / "tutorials" / f"{name}.html").read_text(encoding="utf-8")
        assert f'href="../{notebook.relative_to(tmp_path / "site").as_posix()}"' in shown
        assert json.loads(notebook.read_text(encoding="utf-8"))["cells"]
