"""Drawings of architectures that an earlier report wrote: kept while they are of the same ones."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas_gym.options.json_text import read_json
from nas_gym.runs.findings import Findings
from nas_gym.store.location import run_command

DRAWN = 3  # architectures that a report draws
_LARGEST = 4 * 2**20  # bytes of a file of an architecture


def kept_drawing(stem: Path, architecture: Mapping[str, Any]) -> Path | None:
    """Return the drawing that is there if it is of this architecture; remove it if it is not.

    Args:
        stem: Of its files, without an ending.
        architecture: With ``space`` and ``tokens``, as JSON data.
    """
    if _is_of(stem, architecture):
        drawing = stem.with_suffix(".svg")
        return drawing if _is_plain(drawing) else None
    for suffix in (".png", ".svg"):
        with suppress(OSError):  # whoever writes there next says why that cannot be
            stem.with_suffix(suffix).unlink(missing_ok=True)
    return None


def kept_drawings(found: Findings, folder: Path) -> dict[int, str]:
    """Return the SVG of those of the best, by rank, that are drawn in the folder of a report."""
    drawings: dict[int, str] = {}
    for rank, row in enumerate(found.ranked[:DRAWN], start=1):
        stem = folder / f"best-{rank}"
        file = stem.with_suffix(".svg")
        wanted = {"space": found.config.get("space"), "tokens": list(row.tokens)}
        with suppress(OSError, ValueError):
            if _is_of(stem, wanted) and _is_plain(file):
                text = file.read_text(encoding="utf-8")
                drawings |= {rank: text} if "<svg" in text else {}
    return drawings


def why_undrawn(found: Findings, store: str | Path) -> list[str]:
    """Return why a page says nothing of the architectures in words and drawings, and what does."""
    if found.untrusted is None:
        return []
    command = run_command("report", found.run, found.parts, store)
    return [
        "the architectures are not in words here, and drawn only where an earlier report drew "
        f"them: the search space {found.name_of('space')!r} is no part of nas-gym and was not "
        f"imported; {command} shows all"
    ]


def _is_of(stem: Path, architecture: Mapping[str, Any]) -> bool:
    file = stem.with_suffix(".json")
    with suppress(OSError, ValueError):
        if _is_plain(file) and file.stat().st_size <= _LARGEST:
            data = read_json(file.read_text(encoding="utf-8"))
            names = ("space", "tokens")
            return isinstance(data, dict) and all(data.get(n) == architecture[n] for n in names)
    return False


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()
