"""What a run found, read from the store: in words, as JSON data, and as pictures."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from nas_gym.evaluators.metrics import is_language
from nas_gym.registry import make
from nas_gym.runs.export import write_files
from nas_gym.runs.findings import (
    AS_SEARCHED,
    FailureGroup,
    Validated,
    best_rows,
    failure_groups,
    paid_rows,
    recipe_in_words,
    spread,
    summary,
    validated,
)
from nas_gym.store import Row, RunData

__all__ = ["best_rows", "print_summary", "print_validations", "summary", "write_files"]


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
    from nas_gym.search_spaces.rendering import genotype_as_text

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
