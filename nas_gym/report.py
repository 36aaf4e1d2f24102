"""What a run found, read from the store: in words, as JSON data, and as pictures."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from nas_gym.errors import StoreError
from nas_gym.registry import make
from nas_gym.store import Row, RunData

DRAWN = 3  # of the best architectures


def best_rows(run: RunData, count: int) -> list[Row]:
    """The ``count`` different architectures with the highest rewards, best first; no failures."""
    unique: dict[str, Row] = {}
    # Stable: the first of equals stays first.
    for row in sorted([*run.rows, *run.unanswered], key=lambda row: -row.reward):
        if row.failure is None:
            unique.setdefault(row.key, row)
    return list(unique.values())[:count]


def summary(run: RunData, top: int = 5) -> dict[str, Any]:
    """The run as JSON data: what was asked, what it cost, what was best."""
    paid = [row for row in run.rows if row.source != "memo"] + list(run.unanswered)
    memo = [row for row in run.rows if row.source == "memo"]
    return {
        "run": run.name,
        "status": run.status,
        "started": run.started,
        "config": run.config,
        "requests": len(run.rows),
        "evaluated": len(paid),
        "memo_hits": len(memo),
        "failures": dict(Counter(row.failure for row in paid if row.failure is not None)),
        "child_seconds_paid": sum(row.seconds for row in paid),
        "child_seconds_saved": sum(row.seconds for row in memo),
        "best": [
            {
                "rank": rank,
                "request": row.number + 1,
                "reward": row.reward,
                **row.metrics,
                "seconds": row.seconds,
                "tokens": list(row.tokens),
                "architecture": row.genotype,
            }
            for rank, row in enumerate(best_rows(run, top), start=1)
        ],
    }


def print_summary(run: RunData, console: Console, top: int = 5) -> None:
    """The same for a person: a table of the best architectures, the best one drawn in words."""
    data = summary(run, top)
    config = run.config
    console.print(
        f"run {run.name}: {run.status}, {data['requests']} of {config['budget']} evaluations by "
        f"{config['agent']['name']} in {config['space']['name']}",
        soft_wrap=True,
    )
    console.print(
        f"{data['evaluated']} evaluated in {data['child_seconds_paid']:.0f} s of child time, "
        f"{data['memo_hits']} from memo ({data['child_seconds_saved']:.0f} s saved), "
        f"{sum(data['failures'].values())} failed",
        soft_wrap=True,
    )
    for reason, count in data["failures"].items():
        console.print(f"  {count} x {reason}", soft_wrap=True)
    if not data["best"]:
        console.print("no architecture was evaluated without a failure")
        return
    console.print(_best_table(data["best"]))
    console.print("best architecture:")
    console.print(_in_words(run, best_rows(run, 1)[0]), soft_wrap=True)


def write_files(run: RunData, folder: Path, top: int = DRAWN) -> list[Path]:
    """Write the learning curve (PNG) and the best architectures (PNG, SVG, JSON).

    Returns:
        The files written.

    Raises:
        StoreError: The run has no requests yet, or the folder cannot be written to.
    """
    if not run.rows and not run.unanswered:
        raise StoreError(f"run {run.name!r} has no evaluations yet: nothing to draw")
    from nas_gym.drawing import draw_learning_curve, save

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder} ({error}), but the run is recorded: give another folder "
            f"with `nas-gym report {run.name} --out FOLDER`"
        ) from error
    rewards = [None if row.failure else row.reward for row in (*run.rows, *run.unanswered)]
    curve = draw_learning_curve(rewards, title=run.name, ylabel=run.config["reward"]["name"])
    files = [save(curve, folder / "learning_curve.png")]
    for rank, row in enumerate(best_rows(run, top), start=1):
        files += _write_architecture(run, row, folder / f"best-{rank}")
    return files


def _write_architecture(run: RunData, row: Row, stem: Path) -> list[Path]:
    from nas_gym.drawing import draw_genotype, save

    figure = draw_genotype(make("space", run.config["space"]), row.tokens)
    protocol = run.config.get("protocol") or {}
    data = {
        "space": run.config["space"],
        "tokens": list(row.tokens),
        "architecture": row.genotype,
        "task": protocol.get("task"),  # the size of its children, where it was trained
    }
    as_json = stem.with_suffix(".json")
    as_json.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return [save(figure, stem.with_suffix(".png")), save(figure, stem.with_suffix(".svg")), as_json]


def _in_words(run: RunData, row: Row) -> str:
    from nas_gym.drawing import genotype_as_text

    return genotype_as_text(make("space", run.config["space"]), row.tokens)


def _best_table(best: list[dict[str, Any]]) -> Table:
    table = Table(title="best architectures", title_justify="left")
    for heading in ("rank", "reward", "accuracy", "parameters", "multiply-adds", "s", "request"):
        table.add_column(heading, justify="right")
    for row in best:
        table.add_row(
            str(row["rank"]),
            f"{row['reward']:.4f}",
            f"{row['accuracy']:.4f}" if "accuracy" in row else "-",
            f"{row['parameters']:,.0f}" if "parameters" in row else "-",
            f"{row['multiply_adds']:,.0f}" if "multiply_adds" in row else "-",
            f"{row['seconds']:.1f}",
            str(row["request"]),
        )
    return table
