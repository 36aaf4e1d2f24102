"""Write the best architectures of a run: JSON to read back, a card and drawings for people."""

import json
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from nas_gym.errors import StoreError
from nas_gym.evaluators.trained.trainers import TRAINERS
from nas_gym.options import check
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.findings import Findings
from nas_gym.search_spaces.grammar import decode
from nas_gym.store import Row

DRAWN = 3  # architectures that a report draws


def export(found: Findings, best: int, folder: str | Path) -> list[Path]:
    """Write the ``best`` different architectures with the highest rewards.

    Args:
        found: What the run found.
        best: How many at most, >= 1.
        folder: Where to; made if it is not there.

    Returns:
        The files written: for each rank ``best-<rank>.json`` (what ``nas-gym describe`` reads, with
        the card), ``.md`` (the card for people), ``.svg`` and ``.png``.

    Raises:
        InvalidOption: ``best`` is no whole number of 1 or more.
        StoreError: The run has no architecture without a failure, or the folder cannot be written
            to.
    """
    best = check("best", best, Annotated[int, Ge(1)])
    if not found.ranked:
        raise StoreError(
            f"run {found.run!r} has no architecture that was evaluated without a failure: there is "
            "nothing to export"
        )
    return _write_architectures(found, best, _prepared(Path(folder)))


def write_files(found: Findings, folder: Path, top: int = DRAWN) -> list[Path]:
    """Write the learning curve (PNG, SVG) and the best architectures, as ``export`` does.

    Returns:
        The files written.

    Raises:
        StoreError: The run has no requests yet, or the folder cannot be written to.
    """
    if not found.evaluated:
        raise StoreError(f"run {found.run!r} has no evaluations yet: nothing to draw")
    from nas_gym.drawing import draw_learning_curve, save

    _prepared(folder)
    rewards = [None if row.failure else row.reward for row in found.evaluated]
    curve = draw_learning_curve(rewards, title=found.run, ylabel=found.config["reward"]["name"])
    files = [save(curve, folder / f"learning_curve.{suffix}") for suffix in ("png", "svg")]
    return files + _write_architectures(found, top, folder)


def document(found: Findings, row: Row, rank: int) -> dict[str, Any]:
    """Return the architecture of ``row`` as JSON data: enough to build it again, and its card."""
    return {
        "space": found.config["space"],
        "tokens": list(row.tokens),
        "architecture": row.genotype,
        "task": _task(found, row),
        "card": card_of(found, row, rank),
    }


def _task(found: Findings, row: Row) -> Any:
    """Return the size of a child that was trained, a task as JSON data; None if there is none."""
    protocol = found.protocol
    trainer = TRAINERS.get(protocol.get("evaluator", ""))
    if trainer is None:
        return protocol.get("task")
    return trainer.recorded_task(found.space, decode(found.space, row.tokens), protocol)


def _prepared(folder: Path) -> Path:
    """Make ``folder`` if it is not there; raise StoreError if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _write_architectures(found: Findings, best: int, folder: Path) -> list[Path]:
    """Write the best architectures into an existing folder; return the files."""
    files = []
    for rank, row in enumerate(found.ranked[:best], start=1):
        files += _write_architecture(found, row, rank, folder / f"best-{rank}")
    return files


def _write_architecture(found: Findings, row: Row, rank: int, stem: Path) -> list[Path]:
    from nas_gym.drawing import save
    from nas_gym.search_spaces.rendering import draw_genotype

    figure = draw_genotype(found.space, row.tokens)
    drawings = [save(figure, stem.with_suffix(suffix)) for suffix in (".png", ".svg")]
    data = document(found, row, rank)
    page = card_as_markdown(data["card"], found.leading, drawing=drawings[1].name)
    texts = {".json": json.dumps(data, indent=2, allow_nan=False) + "\n", ".md": page}
    return drawings + [_write(stem.with_suffix(suffix), text) for suffix, text in texts.items()]


def _write(path: Path, text: str) -> Path:
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")  # names are any bytes
    except OSError as error:
        raise _not_writable(path, error) from error
    return path


def _not_writable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write to {path} ({error.strerror or error}), but the run is recorded: give "
        "another folder with --out, to `nas-gym report` or `nas-gym export`"
    )
