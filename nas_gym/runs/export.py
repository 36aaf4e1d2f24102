"""Write the best architectures of a run: JSON to read back, a card and drawings for people."""

import csv
import io
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from nas_gym.errors import StoreError
from nas_gym.evaluators.evaluation import rank as rank_of
from nas_gym.evaluators.metrics import metric_named
from nas_gym.evaluators.trained.trainers import TRAINERS
from nas_gym.options import check
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.config import trained_protocol
from nas_gym.runs.drawings import DRAWN, kept_drawing
from nas_gym.runs.findings import Findings
from nas_gym.runs.fronts import Front, default_objectives, front_of
from nas_gym.search_spaces.grammar import decode
from nas_gym.store import Row, folder_beside
from nas_gym.store.long_runs import column

_log = logging.getLogger("nas_gym")


def export(found: Findings, best: int, folder: str | Path) -> list[Path]:
    """Write the ``best`` different architectures with the highest rewards.

    Args:
        found: What the run found.
        best: How many at most, >= 1.
        folder: Where to; made if it is not there.

    Returns:
        The files written: for each rank ``best-<rank>.json`` (what ``nas-gym describe`` reads, with
        the card), ``.md`` (the card for people), ``.svg`` and ``.png``. A search space of the
        user's own is drawn only if ``found`` trusts its module; drawings that are there are then
        kept if they are of the same architecture, and removed if not.

    Raises:
        InvalidOption: ``best`` is no whole number of 1 or more.
        StoreError: The run has no architecture without a failure, or the folder cannot be written
            to.
    """
    best = check("best", best, Annotated[int, Ge(1)])
    if not found.ranked:
        raise _nothing_to_export(found)
    folder = prepared(user_path(folder, "folder"))
    return _write_architectures(found, _best(found, best), folder, [])


def _nothing_to_export(found: Findings) -> StoreError:
    return StoreError(
        f"run {found.run!r} has no architecture that was evaluated without a failure: there is "
        "nothing to export"
    )


def _best(found: Findings, count: int) -> list[tuple[str, Row, int]]:
    """Return the best architectures, with names for their files and their ranks."""
    return [(f"best-{rank}", row, rank) for rank, row in enumerate(found.ranked[:count], start=1)]


def export_front(found: Findings, folder: str | Path) -> list[Path]:
    """Write the Pareto front of a run: of the agent's objectives, or of reward and parameters.

    Args:
        found: What the run found.
        folder: Where to; made if it is not there.

    Returns:
        The files written: for each architecture ``front-<number>`` with the endings of ``export``,
        ``front.csv`` with all metrics, and the drawing ``front.svg`` and ``.png``.

    Raises:
        StoreError: As ``export``.
    """
    front = front_of(found, default_objectives(found))
    if front is None:
        raise _nothing_to_export(found)
    folder = prepared(user_path(folder, "folder"))
    undrawn: list[Exception] = []
    files = _draw_front(found, front, folder, undrawn)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["front", "request", "reward", *front.metrics, "seconds", "tokens"])
    for number, row in enumerate(front.rows, start=1):
        measured = [row.metrics.get(name) for name in front.metrics]
        tokens = " ".join(map(str, row.tokens))
        writer.writerow([number, row.number + 1, row.reward, *measured, row.seconds, tokens])
    files.append(write_text(folder / "front.csv", table.getvalue()))
    ranks = {row.key: rank for rank, row in enumerate(found.ranked, start=1)}
    named = [(f"front-{i}", row, ranks[row.key]) for i, row in enumerate(front.rows, start=1)]
    return files + _write_architectures(found, named, folder, undrawn)


def _draw_front(
    found: Findings, front: Front, folder: Path, undrawn: list[Exception]
) -> list[Path]:
    """Draw the front; nothing if it has one objective."""
    if len(front.objectives) < 2:
        return []
    from nas_gym.drawing import draw_front

    names = [printable(metric_named(each.name).words) for each in front.objectives]
    signs = [each.sign for each in front.objectives]
    return _draw(
        lambda: draw_front(front.others, front.values, names, signs, title=printable(found.run)),
        folder / "front",
        (".png", ".svg"),
        undrawn,
    )


def write_files(found: Findings, folder: Path, top: int = DRAWN) -> list[Path]:
    """Write the learning curve (PNG, SVG) and the best architectures, as ``export`` does.

    The Pareto front is drawn as well if the agent had several objectives.

    Returns:
        The files written.

    Raises:
        StoreError: The run has no requests yet, or the folder cannot be written to.
    """
    if not found.evaluated:
        raise StoreError(f"run {found.run!r} has no evaluations yet: nothing to draw")
    from nas_gym.drawing import draw_learning_curve

    prepared(folder)
    columns = (column(found.evaluated, name) for name in ("reward", "failure", "epochs"))
    answers = list(zip(*columns, strict=True))
    # Rewards of different epochs do not compare: those of the children trained furthest are drawn.
    furthest = min(rank_of(epochs, 0.0) for _, _, epochs in answers)
    rewards = [
        None if failure or rank_of(epochs, 0.0) != furthest else reward
        for reward, failure, epochs in answers
    ]
    title, ylabel = printable(found.run), printable(found.name_of("reward"))
    undrawn: list[Exception] = []
    files = _draw(
        lambda: draw_learning_curve(rewards, title=title, ylabel=ylabel),
        folder / "learning_curve",
        (".png", ".svg"),
        undrawn,
    )
    if found.front is not None:
        files += _draw_front(found, found.front, folder, undrawn)
    return files + _write_architectures(found, _best(found, top), folder, undrawn)


def _draw(
    figure: Callable[[], Any], stem: Path, suffixes: Sequence[str], undrawn: list[Exception]
) -> list[Path]:
    """Save a drawing and return its files; what goes wrong goes to ``undrawn``, none is needed."""
    try:
        from nas_gym.drawing import save

        drawn = figure()
        return [save(drawn, _plain(stem.with_suffix(suffix))) for suffix in suffixes]
    except StoreError:  # a folder that cannot be written to: nothing else can be, either
        raise
    except Exception as error:
        undrawn.append(error)
        return []


def document(found: Findings, row: Row, rank: int) -> dict[str, Any]:
    """Return the architecture of ``row`` as JSON data: enough to build it again, and its card."""
    return {
        "space": found.config.get("space"),
        "tokens": list(row.tokens),
        "architecture": row.genotype,
        "task": _task(found, row),
        "card": card_of(found, row, rank),
    }


def _task(found: Findings, row: Row) -> Any:
    """Return the size of a child that was trained, a task as JSON data; None if there is none."""
    protocol = trained_protocol(found.config)
    trainer = TRAINERS.get(protocol.get("evaluator", ""))
    if trainer is None or found.space is None:
        return protocol.get("task")
    genotype = decode(found.space, row.tokens)
    try:
        return trainer.recorded_task(found.space, genotype, protocol)
    except (LookupError, TypeError, OverflowError):  # no protocol that a trainer wrote
        return None


def folder_of(store: str | Path, run: str) -> Path:
    """Return the folder for the files of a run, beside its store.

    Raises:
        StoreError: It is a link, which would lead what is written somewhere else.
    """
    folder = folder_beside(store) / run
    if folder.is_symlink():
        raise StoreError(f"{folder} is a link to another place: name that folder with --out")
    return folder


def _plain(path: Path) -> Path:
    """Return ``path``; raise StoreError if it is a link to a file, which would be overwritten."""
    if path.is_symlink():
        raise StoreError(
            f"{path} is a link to another file: remove it, or name a folder with --out"
        )
    return path


def prepared(folder: Path) -> Path:
    """Make ``folder`` if it is not there and return it; raise StoreError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _write_architectures(
    found: Findings,
    named: Sequence[tuple[str, Row, int]],
    folder: Path,
    undrawn: list[Exception],
) -> list[Path]:
    """Write architectures, with names and ranks, into an existing folder; return the files."""
    files = []
    for name, row, rank in named:
        files += _write_architecture(found, row, rank, folder / name, undrawn)
    if undrawn:
        _log.warning(
            "%d pictures are left out, all else is written (%s: %s)",
            len(undrawn), type(undrawn[0]).__name__, printable(undrawn[0]),
        )  # fmt: skip
    return files


def _write_architecture(
    found: Findings, row: Row, rank: int, stem: Path, undrawn: list[Exception]
) -> list[Path]:
    from nas_gym.search_spaces.rendering import draw_genotype

    drawings: list[Path] = []
    if found.space is not None:
        drawings = _draw(
            lambda: draw_genotype(found.space, row.tokens), stem, (".png", ".svg"), undrawn
        )
    data = document(found, row, rank)
    drawing = drawings[1] if drawings else kept_drawing(stem, data)
    shown = None if drawing is None else drawing.name
    page = card_as_markdown(data["card"], found.leading, drawing=shown)
    texts = {".json": json.dumps(data, indent=2, allow_nan=False) + "\n", ".md": page}
    return drawings + [write_text(stem.with_suffix(suffix), text) for suffix, text in texts.items()]


def write_text(path: Path, text: str) -> Path:
    """Write a text and return its path; raise StoreError if it cannot be, or is a link."""
    try:
        # Names are any bytes.
        _plain(path).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise _not_writable(path, error) from error
    return path


def _not_writable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write to {path} ({error.strerror or error}), but the run is recorded: give "
        "another folder with --out, to `nas-gym report` or `nas-gym export`"
    )
