"""What a run found, read from the store: in words, as JSON data, and as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from nas_gym.errors import StoreError
from nas_gym.exporting import prepared, write_architectures
from nas_gym.findings import (
    AS_SEARCHED,
    FailureGroup,
    Validated,
    best_rows,
    failure_groups,
    is_language,
    paid_rows,
    recipe_in_words,
    spread,
    validated,
)
from nas_gym.registry import make
from nas_gym.store import Row, RunData

__all__ = ["best_rows", "print_summary", "print_validations", "summary", "write_files"]

DRAWN = 3  # of the best architectures


def summary(run: RunData, top: int = 5) -> dict[str, Any]:
    """The run as JSON data: what was asked, what it cost, what was best, what failed.

    ``validations`` are final trainings with new seeds, after the search; the only test figures.
    """
    paid = paid_rows(run)
    memo = [row for row in run.rows if row.source == "memo"]
    failures = failure_groups(paid)
    return {
        "run": run.name,
        "status": run.status,
        "started": run.started,
        "config": run.config,
        "requests": len(run.rows),
        "evaluated": len(paid),
        "memo_hits": len(memo),
        "failures": {group.reason: len(group.rows) for group in failures},
        "failure_details": [group.to_json() for group in failures],
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
        "validations": [group.to_json() for group in validated(run)],
    }


def print_summary(run: RunData, console: Console, top: int = 5) -> None:
    """The same for a person: a table of the best architectures, the best one drawn in words."""
    data = summary(run, top)
    config = run.config
    of = "" if config["budget"] is None else f" of {config['budget']}"
    console.print(
        f"run {run.name}: {run.status}, {data['requests']}{of} evaluations by "
        f"{config['agent']['name']} in {config['space']['name']}",
        soft_wrap=True,
    )
    console.print(
        f"{data['evaluated']} evaluated in {data['child_seconds_paid']:.0f} s of child time, "
        f"{data['memo_hits']} from memo ({data['child_seconds_saved']:.0f} s saved), "
        f"{sum(data['failures'].values())} failed",
        soft_wrap=True,
    )
    simulated = config.get("simulated", {})
    if simulated.get("budget_seconds") is not None:
        machines = simulated["simulated_workers"]
        console.print(
            f"{sum(row.seconds for row in run.rows):,.0f} seconds of training asked for, repeats "
            f"counted again; the budget is {simulated['budget_seconds']:,g} simulated seconds on "
            f"{machines} machine{'s'[: machines != 1]}",
            soft_wrap=True,
        )
    for group in failure_groups(paid_rows(run)):
        _print_failures(group, console)
    if not data["best"]:
        console.print("no architecture was evaluated without a failure")
        return
    console.print(_best_table(data["best"]))
    groups = validated(run)
    if groups:
        print_validations(run, groups, console)
    console.print("best architecture:")
    console.print(_in_words(run, best_rows(run, 1)[0]), soft_wrap=True, markup=False)


def print_validations(run: RunData, groups: Sequence[Validated], console: Console) -> None:
    """A table of final trainings, one line an architecture and recipe, and why some failed."""
    console.print(_validation_table(run, groups))
    console.print("(mean ± standard deviation; no search has seen the test part)")
    for group in groups:
        for reason, count in group.failures.items():
            line = f"  rank {group.rank}: {count} x {reason}"
            console.print(line, soft_wrap=True, markup=False)


def write_files(run: RunData, folder: Path, top: int = DRAWN) -> list[Path]:
    """Write the learning curve (PNG, SVG) and the best architectures as ``nas_gym.exporting`` does.

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


def _print_failures(group: FailureGroup, console: Console) -> None:
    """How often, why, and what is known of the first one."""
    lines = [f"  {len(group.rows)} x {group.reason}"]
    if group.reason.startswith("crashed ("):  # that is all there is
        console.print(lines[0], soft_wrap=True, markup=False)
        return
    first = group.rows[0]
    if first.failure != group.reason:
        lines.append(f"      the first, request {first.number + 1}: {first.failure}")
    if first.detail:
        lines += [f"      {line}" for line in first.detail.splitlines()]
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)


def _in_words(run: RunData, row: Row) -> str:
    from nas_gym.drawing import genotype_as_text

    return genotype_as_text(make("space", run.config["space"]), row.tokens)


def _best_table(best: list[dict[str, Any]]) -> Table:
    table = Table(title="best architectures", title_justify="left")
    language = any(map(is_language, best))
    figure, digits = ("perplexity", 2) if language else ("accuracy", 4)
    for heading in ("rank", "reward", figure, "parameters", "multiply-adds", "s", "request"):
        table.add_column(heading, justify="right")
    for row in best:
        table.add_row(
            str(row["rank"]),
            f"{row['reward']:.{6 if language else 4}f}",  # 80 / perplexity ** 2 is small
            f"{row[figure]:.{digits}f}" if figure in row else "-",
            f"{row['parameters']:,.0f}" if "parameters" in row else "-",
            f"{row['multiply_adds']:,.0f}" if "multiply_adds" in row else "-",
            f"{row['seconds']:.1f}",
            str(row["request"]),
        )
    return table


def _validation_table(run: RunData, groups: Sequence[Validated]) -> Table:
    recipes = [recipe_in_words(run, group.protocol) for group in groups]
    trained = all("recipe" in group.protocol for group in groups)
    title = "trained again with new seeds" if trained else "the table's means over its seeds"
    if any(group.is_language for group in groups):
        title += ", perplexities"
    table = Table(title=f"final validation: {title}", title_justify="left")
    for heading in ("rank", "search", "validation", "test", "trainings", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    if set(recipes) != {AS_SEARCHED}:
        table.add_column("recipe")
    for group, recipe in zip(groups, recipes, strict=True):
        cells = (
            str(group.rank),
            *_validated_figures(group),
            str(len(group.trainings)),
            str(sum(group.failures.values())),
        )
        table.add_row(*cells, *([recipe] if len(table.columns) > len(cells) else []))
    return table


def _validated_figures(group: Validated) -> tuple[str, str, str]:
    """In the search, in the final trainings, on the test part."""
    if group.is_language:
        searched = group.row.metrics.get("perplexity")
        return (
            "-" if searched is None else f"{searched:.2f}",
            spread(group.values("perplexity"), 2),
            spread(group.values("test_perplexity"), 2),
        )
    return (
        "-" if group.row.accuracy is None else f"{group.row.accuracy:.4f}",
        spread(group.accuracies),
        spread(group.test_accuracies),
    )
