"""The tutorials as notebooks: what the site offers, executed by a real kernel."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
PAGES = sorted(page for page in TUTORIALS.glob("*.md") if page.stem != "index")
SHOW_A_FIGURE = {"rl_against_evolution"}


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of ``docs/`` that writes them."""
    pytest.importorskip("jupytext", reason="pip install -e '.[docs]'")
    monkeypatch.syspath_prepend(ROOT / "docs")
    import notebooks  # type: ignore[import-not-found]

    return notebooks  # type: ignore[no-any-return]


def read(file: Path) -> Any:
    return pytest.importorskip("nbformat").read(file, as_version=4)


def test_each_tutorial_is_a_notebook_with_the_same_cells(
    notebooks: ModuleType, tmp_path: Path
) -> None:
    files = notebooks.write_notebooks(TUTORIALS, tmp_path)
    assert [file.stem for file in files] == [page.stem for page in PAGES]
    for page, file in zip(PAGES, files, strict=True):
        made, text = read(file), page.read_text(encoding="utf-8")
        cells = [cell.source for cell in made.cells if cell.cell_type == "code"]
        # No shell blocks: a notebook's shell does not find the commands of the kernel's venv.
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, re.S | re.M)
        assert {language for language, _ in blocks} == {"python"}
        assert cells == [block.rstrip() for _, block in blocks]
        assert not any("__main__" in cell for cell in cells)  # a notebook is no script
        words = "".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
        assert re.findall(r"\]\((?!https://)", words) == []  # a download has no pages beside it
        again = tmp_path / "again"
        notebooks.write_notebooks(TUTORIALS, again)
        assert (again / file.name).read_bytes() == file.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_notebook_runs_from_top_to_bottom(
    page: Path, notebooks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder of its own, without the settings and kernels of whoever runs the tests."""
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[dev]'")
    pytest.importorskip("ipykernel", reason="pip install -e '.[dev]'")
    from traitlets.config import Config

    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    here = tmp_path / "here"
    files = notebooks.write_notebooks(TUTORIALS, here)
    made = read(next(file for file in files if file.stem == page.stem))
    monkeypatch.chdir(here)
    # Sockets in this folder: a port that is free now may be another test's a moment later.
    config = Config({"KernelManager": {"transport": "ipc"}})
    nbclient.NotebookClient(made, config=config, timeout=500).execute()
    outputs = [output for cell in made.cells for output in cell.get("outputs", ())]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert printed
    assert "Warning" not in printed
    shown = {kind for output in outputs for kind in output.get("data", ())}
    assert ("image/png" in shown) == (page.stem in SHOW_A_FIGURE)
