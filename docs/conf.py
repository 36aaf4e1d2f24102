"""How the pages become a site: ``sphinx-build -W docs site``, without a network."""

import os
import re
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
OF_CONTRIBUTING = DOCS / "developer" / "contributing.md"
sys.path.insert(0, str(DOCS))

from environment_pages import write_environment_pages  # noqa: E402 (it lies beside this file)
from links import SOURCE, change_links, to_repository  # noqa: E402
from notebooks import write_notebooks  # noqa: E402

import nas_gym  # noqa: E402

project = "nas-gym"
author = copyright = "The nas-gym contributors"
version = release = nas_gym.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
html_theme = "furo"
html_title = f"nas-gym {release}"
exclude_patterns = ["site", "_build"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
suppress_warnings = [
    "myst.header",  # results begin at any level
    "ref.python",  # members of one name in several classes
]
copybutton_exclude = ".linenos, .gp, .go"


def copy_results(folder: Path) -> None:
    """Copy the committed results, which are pages of their own, into the site's sources."""
    shutil.rmtree(folder, ignore_errors=True)
    for page in [*(ROOT / "benchmarks/results").rglob("*.md")]:
        if "raw" not in page.parts:
            target = folder / page.relative_to(ROOT / "benchmarks/results")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("---\norphan: true\n---\n\n" + page.read_text(encoding="utf-8"))
            for picture in page.parent.glob("*.png"):
                shutil.copy2(picture, target.parent)


def point_outwards(_: object, name: str, text: list[str]) -> None:
    """Point links that leave ``docs/`` at the results' copies, or at the repository."""
    here = DOCS / f"{name}.md"
    results = DOCS / "benchmarks" / "results"
    if results in here.parents:  # a copy: its links are those of the original
        origin = ROOT / "benchmarks" / "results" / here.relative_to(results)
    elif here == OF_CONTRIBUTING:  # stands in for what GitHub looks for elsewhere
        origin = CONTRIBUTING
        text[0] = CONTRIBUTING.read_text(encoding="utf-8")
    else:
        origin = here

    def pointed(label: str, path: str, anchor: str) -> str:
        target = (origin.parent / path).resolve()
        if target.is_relative_to(ROOT / "benchmarks/results") and target.suffix in (".md", ".png"):
            target = results / target.relative_to(ROOT / "benchmarks/results")
        if target.is_relative_to(DOCS):
            return f"{label}({os.path.relpath(target, here.parent)}{anchor})"
        if target == CONTRIBUTING:
            return f"{label}({os.path.relpath(OF_CONTRIBUTING, here.parent)})"
        if not SOURCE and target.suffix == ".json":  # of a leaderboard: the site has it itself
            file = os.path.relpath(target, here.parent)
            return f"{{download}}`{label[1:-1].strip('`')} <{file}>`"
        return to_repository(label, target, anchor)

    text[0] = change_links(text[0], pointed)


def offer_notebook(_: object, name: str, text: list[str]) -> None:
    """Offer a tutorial as a notebook, below its title."""
    here = DOCS / f"{name}.ipynb"
    if here.exists():
        title, _, rest = text[0].partition("\n")
        text[0] = f"{title}\n\n{{download}}`Download as a notebook <{here.name}>`\n{rest}"


def headings_as_rubrics(*given: object) -> None:
    """Let the ``## Reward`` of our docstrings be small headings."""
    lines = given[-1]
    text = re.sub(r"^#+ (.*)$", r".. rubric:: \1\n", "\n".join(lines), flags=re.M)
    text = re.sub(r"``docs/([\w/]+)\.md``", r":doc:`/\1`", text)
    lines[:] = text.split("\n")


def setup(app: object) -> None:
    """Prepare the generated pages and connect the changes above."""
    write_environment_pages(DOCS / "environments")
    copy_results(DOCS / "benchmarks" / "results")
    write_notebooks(DOCS / "tutorials", DOCS / "tutorials")
    app.connect("source-read", point_outwards)
    app.connect("source-read", offer_notebook)
    app.connect("autodoc-process-docstring", headings_as_rubrics)
