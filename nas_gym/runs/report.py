"""Findings for a person: a table of the best architectures, the final validations, the failures."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from nas_gym.evaluators.metrics import ACCURACY, SIZES
from nas_gym.options.printable import printable
from nas_gym.runs.config import name_with_preset
from nas_gym.runs.failure_groups import FailureGroup
from nas_gym.runs.findings import AS_SEARCHED, Findings, Validated
from nas_gym.runs.spread import spread
from nas_gym.store.long_runs import column


def print_summary(found: Findings, console: Console, top: int = 5) -> None:
    """Print what was asked, what it cost, the ``top`` best, and the best one drawn in words."""
    _print_cost(found, console)
    for group in found.failures:
        _print_failures(group, console)
    if not found.ranked:
        console.print("no architecture was evaluated without a failure")
        return
    console.print(_best_table(found, top))
    if found.note is not None:
        console.print(printable(found.note), soft_wrap=True, markup=False, highlight=False)
    if found.validations:
        print_validations(found, found.validations, console)
    else:
        _print_certainty(found, console)
    console.print("best architecture:")
    console.print(_best_in_words(found), soft_wrap=True, markup=False)


def print_validations(found: Findings, groups: Sequence[Validated], console: Console) -> None:
    """Print a table of final trainings, one line per architecture and recipe, and failures."""
    console.print(_validation_table(found, groups))
    console.print("(mean ± standard deviation; no search has seen the test part)")
    _print_certainty(found, console)
    for group in groups:
        for reason, count in group.failures.items():
            line = f"  rank {group.rank}: {count} x {printable(reason)}"
            console.print(line, soft_wrap=True, markup=False)


def _print_certainty(found: Findings, console: Console) -> None:
    """Print what is to be known beside the figures, and what makes them doubtful."""
    if found.certainty is None:
        return
    said = [f"{name}: {value}" for name, value in found.certainty.facts().items()]
    said += [f"warning: {warning}" for warning in found.certainty.warnings]
    console.print("\n".join(said), soft_wrap=True, markup=False, highlight=False)


def _print_cost(found: Findings, console: Console) -> None:
    """Print how many evaluations there were, and how long they took."""
    config = found.config
    cut = (
        f"; {len(found.unanswered)} more were evaluated in a batch that was cut: they are kept, "
        "and used when the run goes on"
    )
    budget = config.get("budget")
    of = "" if budget is None else f" of {budget}"
    console.print(
        f"run {found.run}: {found.status}, {len(found.rows)}{of} evaluations by "
        f"{name_with_preset(config, 'agent')} in {name_with_preset(config, 'space')}"
        f"{cut if found.unanswered else ''}",
        soft_wrap=True,
    )
    cost = found.cost
    counts = (cost.epochs, cost.epochs_saved)
    epochs, spared = ("" if count is None else f" and {count:,} epochs" for count in counts)
    console.print(
        f"{len(found.paid)} evaluated in {cost.seconds:.0f} s{epochs} of child time, "
        f"{len(found.memo)} from memo ({cost.seconds_saved:.0f} s{spared} saved), "
        f"{sum(len(group.rows) for group in found.failures)} failed",
        soft_wrap=True,
    )
    if cost.device is not None:
        console.print(cost.beside_the_papers(), soft_wrap=True)
    simulated = config.get("simulated", {})
    if simulated.get("budget_seconds") is not None:
        machines = simulated["simulated_workers"]
        console.print(
            f"{sum(column(found.rows, 'seconds')):,.0f} seconds of training asked for, repeats "
            f"counted again; the budget is {simulated['budget_seconds']:,g} simulated seconds on "
            f"{machines} machine{'s'[: machines != 1]}",
            soft_wrap=True,
        )


def _print_failures(group: FailureGroup, console: Console) -> None:
    """Print how often they came, why, and what is known of the first one."""
    lines = [f"  {len(group.rows)} x {printable(group.reason)}"]
    if group.reason.startswith("crashed ("):  # nothing more is known
        console.print(lines[0], soft_wrap=True, markup=False, highlight=False)
        return
    first = group.rows[0]
    if first.failure != group.reason:
        lines.append(f"      the first, request {first.number + 1}: {printable(first.failure)}")
    if first.detail:
        lines += [f"      {line}" for line in printable(first.detail, lines=True).splitlines()]
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)


def _best_in_words(found: Findings) -> str:
    best = found.ranked[0]
    if found.space is None:
        tokens = ",".join(map(str, best.tokens))
        return f"tokens {tokens}\n{json.dumps(best.genotype)}"
    from nas_gym.search_spaces.rendering import genotype_as_text

    return printable(genotype_as_text(found.space, best.tokens), lines=True)


def _best_table(found: Findings, top: int) -> Table:
    table = Table(title="best architectures", title_justify="left")
    leading = found.shown if found.leading == ACCURACY else [found.leading]
    shown = (*leading, *found.asked_for, *SIZES)
    for heading in (
        "rank",
        "reward",
        *(printable(metric.words) for metric in shown),
        "s",
        "request",
    ):
        table.add_column(heading, justify="right")
    in_part = any(column(found.rows, "epochs"))
    if in_part:
        table.add_column("epochs", justify="right")
    unanswered = {id(row) for row in found.unanswered}
    for rank, row in enumerate(found.ranked[:top], start=1):
        table.add_row(
            str(rank),
            format(row.reward, found.leading.reward_in_table),
            *(metric.in_words(row.metrics.get(metric.name)) for metric in shown),
            f"{row.seconds:.1f}",
            "-" if id(row) in unanswered else str(row.number + 1),
            *([str(row.epochs or "all")] if in_part else []),
        )
    return table


def _validation_table(found: Findings, groups: Sequence[Validated]) -> Table:
    leading = found.leading
    trained = all("recipe" in group.protocol for group in groups)
    title = "trained again with new seeds" if trained else "the table's means over its seeds"
    title += "" if leading == ACCURACY else f", {printable(leading.plural)}"
    table = Table(title=f"final validation: {title}", title_justify="left")
    for heading in ("rank", "search", "validation", "test", "trainings", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    recipes = [group.recipe_in_words for group in groups]
    show_recipe = set(recipes) != {AS_SEARCHED}
    if show_recipe:
        table.add_column("recipe")
    for group, recipe in zip(groups, recipes, strict=True):
        table.add_row(
            str(group.rank),
            leading.in_words(group.row.metrics.get(leading.name)),
            spread(group.values(leading.name), leading.digits),
            spread(group.values(leading.test_name), leading.digits),
            str(len(group.trainings)),
            str(sum(group.failures.values())),
            *([printable(recipe)] if show_recipe else []),
        )
    return table
