"""Write the tutorials as notebooks, which their pages offer for download."""

import json
from pathlib import Path

import jupytext
from links import change_links, to_repository

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def write_notebooks(pages: Path, folder: Path) -> list[Path]:
    """Write each page with Python blocks as a notebook into a folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page in sorted(pages.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if "```python\n" in text:
            written.append(folder / f"{page.stem}.ipynb")
            written[-1].write_text(_as_notebook(page, text), encoding="utf-8")
    return written


def _as_notebook(page: Path, text: str) -> str:
    """Convert a page; its links lead elsewhere, as a download has no pages beside it."""
    text = change_links(
        text,
        lambda label, path, anchor: to_repository(label, (page.parent / path).resolve(), anchor),
    )
    made = jupytext.reads(text, fmt="md")
    made.metadata = {"kernelspec": KERNEL}
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"  # random ones would make each build differ
        cell["metadata"] = {}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
