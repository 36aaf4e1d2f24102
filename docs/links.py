"""Point links that leave the site at the repository, or say which file is meant."""

import os
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# On GitHub the workflow's own variables say where the repository is; elsewhere a path is a path.
SOURCE = (
    f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}/blob/main/"
    if "GITHUB_REPOSITORY" in os.environ
    else ""
)
_LINK = re.compile(r"(!?\[[^\]]*\])\(((?!https?:|#|mailto:)[^)\s#]+)(#[^)\s]*)?\)")


def change_links(text: str, changed: Callable[[str, str, str], str]) -> str:
    """Change each relative link of a Markdown text, outside of its blocks.

    Args:
        text: The page.
        changed: What stands for a link, given its ``[label]``, its path and its ``#anchor`` or "".
    """
    parts = re.split(r"(^```.*?^```$)", text, flags=re.S | re.M)
    return "".join(
        p if p.startswith("```") else _LINK.sub(lambda m: changed(m[1], m[2], m[3] or ""), p)
        for p in parts
    )


def to_repository(label: str, target: Path, anchor: str) -> str:
    """Link to a file of the repository; without its address, name the file."""
    inside = target.relative_to(ROOT).as_posix()
    if SOURCE and not label.startswith("!"):
        return f"{label}({SOURCE}{inside}{anchor})"
    return f"{label.removeprefix('!')[1:-1]} (`{inside}`)"
