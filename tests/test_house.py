"""The structure: few rooms, small modules, one home per name, and a way in for newcomers."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "nas_gym", ROOT / "agents" / "nas_agents")
MODULES = sorted(file for package in PACKAGES for file in package.rglob("*.py"))
LOOSE = 8  # modules at the top of nas_gym, at most
LINES = 320  # of a module, at most
LONG = {  # module -> why it is longer
    # One formula, forward and backward, and the matrices that both share.
    "nas_gym/search_spaces/rnn_cell/fused.py",
}
PAGE = ROOT / "docs" / "developer" / "architecture.md"


def test_few_modules_stand_loose_at_the_top() -> None:
    loose = [file.name for file in (ROOT / "nas_gym").glob("*.py")]
    assert len(loose) <= LOOSE, loose


def test_modules_are_short_or_say_why_not() -> None:
    lines = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in MODULES
    }
    assert {name for name, count in lines.items() if count > LINES} == set(LONG)


def test_no_class_name_is_defined_twice() -> None:
    homes = defaultdict(list)
    for file in MODULES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_import_contracts_have_no_exceptions() -> None:
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def imported(file: Path) -> set[str]:
    """The modules that a module imports, in its functions as well, but not for type checkers."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(file.read_text(encoding="utf-8")))
    return found


def test_no_imports_run_in_a_circle() -> None:
    names = {
        ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"):
        file
        for package in PACKAGES for file in package.rglob("*.py")
    }  # fmt: skip
    order = TopologicalSorter(
        {name: imported(file) & names.keys() - {name} for name, file in names.items()}
    )
    order.prepare()  # raises CycleError, which names the circle


# ---------------------------------------------------------------- a newcomer follows the page


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with the page's four toys added as it says."""
    copy = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(
            package, copy / package.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__")
        )
    page = PAGE.read_text(encoding="utf-8")
    for name, text in re.findall(r"^`(\S+\.py)`:\n\n```python\n(.*?)^```", page, re.S | re.M):
        assert not (copy / name).exists()
        (copy / name).write_text(text, encoding="utf-8")
    lines = re.findall(
        r"^The line, (?:under `(\"\w+\")` in|in `(\w+)` of) `(\S+)`:\n\n```\n(.*?)^```",
        page, re.S | re.M,
    )  # fmt: skip
    assert len(lines) == 4
    for kind, table, name, line in lines:
        file = copy / name
        text = file.read_text(encoding="utf-8")
        begin = re.search(rf"^ *{kind}: {{\n" if kind else rf"^{table}\b.*{{\n", text, re.M)
        assert begin is not None, (kind or table, name)
        file.write_text(text[: begin.end()] + line + text[begin.end() :], encoding="utf-8")
    return copy


def run(house: Path, *arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "nas_gym", *arguments, "--json"],
        cwd=house,
        env={"PYTHONPATH": f"{house}:{house / 'agents'}", "HOME": str(house)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_newcomers_parts_are_listed(house: Path) -> None:
    listed = run(house, "list")
    for kind, name in {
        "spaces": "two-layers",
        "agents": "first-best",
        "evaluators": "small-is-good",
        "datasets": "stripes",
    }.items():
        assert name in listed[kind]  # type: ignore[operator]


@pytest.mark.slow
def test_a_newcomers_space_agent_and_data_set_search_for_real(house: Path) -> None:
    found = run(
        house, "search", "--space", "two-layers", "--agent", "first-best", "--dataset", "stripes",
        "--set", "recipe.epochs=3", "--budget", "4", "--workers", "1", "--run", "real",
    )  # fmt: skip
    assert (found["status"], found["requests"], found["failures"]) == ("finished", 4, {})
    assert found["best"][0]["accuracy"] > 0.8  # type: ignore[index]


@pytest.mark.slow
def test_a_newcomers_evaluator_judges(house: Path) -> None:
    found = run(
        house, "search", "--space", "two-layers", "--agent", "first-best",
        "--evaluator", "small-is-good", "--budget", "30", "--run", "toy",
    )  # fmt: skip
    assert found["best"][0]["tokens"] == [0, 0]  # type: ignore[index]
