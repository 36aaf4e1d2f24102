"""Writes the best architectures of a run: JSON to read back, a card and drawings for people."""

import json
from pathlib import Path
from typing import Any

from nas_gym.errors import InvalidOption, StoreError
from nas_gym.networks.task import task_to_json
from nas_gym.registry import make
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.findings import best_rows
from nas_gym.search_spaces.grammar import decode
from nas_gym.store import Row, RunData
from nas_gym.training.text.recipe import LanguageRecipe


def export(run: RunData, best: int, folder: str | Path) -> list[Path]:
    """Write the ``best`` different architectures with the highest rewards.

    Args:
        run: Which run.
        best: How many at most, >= 1.
        folder: Where to; made where there is none.

    Returns:
        The files written: for each rank ``best-<rank>.json`` (what ``nas-gym describe`` reads, with
        the card), ``.md`` (the card for people), ``.svg`` and ``.png``.

    Raises:
        InvalidOption: ``best`` is below 1.
        StoreError: The run has no architecture without a failure, or the folder cannot be written
            to.
    """
    if best < 1:
        raise InvalidOption(f"best is {best}: give 1 or more")
    rows = best_rows(run, best)
    if not rows:
        raise StoreError(
            f"run {run.name!r} has no architecture that was evaluated without a failure: there is "
            "nothing to export"
        )
    return write_architectures(run, rows, prepared(Path(folder)))


def document(run: RunData, row: Row, rank: int) -> dict[str, Any]:
    """The architecture of ``row`` as JSON data: enough to build it again, and its card."""
    return {
        "space": run.config["space"],
        "tokens": list(row.tokens),
        "architecture": row.genotype,
        "task": _task(run, row),
        "card": card_of(run, row, rank),
    }


def _task(run: RunData, row: Row) -> Any:
    """The size of its children, where it was trained: a task as JSON data."""
    protocol = run.config.get("protocol") or {}
    if protocol.get("evaluator") != "language-model":
        return protocol.get("task")
    # Of a language model it may depend on the cell: on how many units have so many parameters.
    from nas_gym.training.text.sizing import language_task_of

    space = make("space", run.config["space"])
    genotype = decode(space, row.tokens)
    try:
        recipe = LanguageRecipe(**protocol["recipe"])
    except TypeError:
        return None  # a recipe of another version of nas-gym
    return task_to_json(language_task_of(space, genotype, recipe, protocol["vocabulary"]))


def write_architectures(run: RunData, rows: list[Row], folder: Path) -> list[Path]:
    """Write ``rows``, which are ranked from 1 on, into an existing folder; returns the files."""
    files = []
    for rank, row in enumerate(rows, start=1):
        files += _write_architecture(run, row, rank, folder / f"best-{rank}")
    return files


def prepared(folder: Path) -> Path:
    """``folder``, made where there is none; raises StoreError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _write_architecture(run: RunData, row: Row, rank: int, stem: Path) -> list[Path]:
    from nas_gym.drawing import save
    from nas_gym.search_spaces.rendering import draw_genotype

    figure = draw_genotype(make("space", run.config["space"]), row.tokens)
    drawings = [save(figure, stem.with_suffix(suffix)) for suffix in (".png", ".svg")]
    data = document(run, row, rank)
    page = card_as_markdown(data["card"], drawing=drawings[1].name)
    texts = {".json": json.dumps(data, indent=2, allow_nan=False) + "\n", ".md": page}
    return drawings + [_write(stem.with_suffix(suffix), text) for suffix, text in texts.items()]


def _write(path: Path, text: str) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _not_writable(path, error) from error
    return path


def _not_writable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write to {path} ({error.strerror or error}), but the run is recorded: give "
        "another folder with --out, to `nas-gym report` or `nas-gym export`"
    )


DRAWN = 3  # of the best architectures


def write_files(run: RunData, folder: Path, top: int = DRAWN) -> list[Path]:
    """Write the learning curve (PNG, SVG) and the best architectures, as ``export`` does.

    Returns:
        The files written.

    Raises:
        StoreError: The run has no requests yet, or the folder cannot be written to.
    """
    if not run.rows and not run.unanswered:
        raise StoreError(f"run {run.name!r} has no evaluations yet: nothing to draw")
    from nas_gym.drawing import draw_learning_curve, save

    prepared(folder)
    rewards = [None if row.failure else row.reward for row in (*run.rows, *run.unanswered)]
    curve = draw_learning_curve(rewards, title=run.name, ylabel=run.config["reward"]["name"])
    files = [save(curve, folder / f"learning_curve.{suffix}") for suffix in ("png", "svg")]
    return files + write_architectures(run, best_rows(run, top), folder)
