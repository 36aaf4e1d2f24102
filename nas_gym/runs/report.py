"""Findings for a person: a table of the best architectures, the final validations, the failures."""

import json
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.segment import Segments
from rich.table import Table

from nas_gym.evaluators.metrics import ACCURACY, SIZES, metric_named
from nas_gym.evaluators.proxies.names import UNSCORED
from nas_gym.evaluators.within_limits import acceptance_in_words
from nas_gym.options.durations import time_in_words
from nas_gym.options.printable import printable
from nas_gym.runs.config import name_with_preset, space_and_data
from nas_gym.runs.failure_groups import FailureGroup
from nas_gym.runs.findings import Findings
from nas_gym.runs.flying import RECORDED, flying_in_words
from nas_gym.runs.fronts import Front, in_words
from nas_gym.runs.recipe_words import AS_SEARCHED, unit_of
from nas_gym.runs.spread import spread
from nas_gym.runs.validated import Validated
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.store.location import run_command
from nas_gym.store.long_runs import column
from nas_gym.training.images.recipe import PARTS

SECONDS = "seconds"  # heading of what an evaluation took
FRONT = 20  # architectures of a Pareto front that are printed


def print_summary(found: Findings, console: Console, top: int = 5) -> None:
    """Print what was asked, what it cost, the ``top`` best, and the best one drawn in words."""
    _print_cost(found, console)
    for group in found.failures:
        _print_failures(group, console)
    if not found.ranked:
        console.print("no architecture was evaluated without a failure")
        return
    _print_whole(_best_table(found, top), console)
    if found.front is not None:
        _print_front(found, found.front, console)
    if found.note is not None:
        console.print(printable(found.note), soft_wrap=True, markup=False, highlight=False)
    _print_unscored(found, console)
    if found.validations:
        print_validations(found, found.validations, console)
    else:
        _print_certainty(found, console)
    console.print("best architecture:")
    console.print(_best_in_words(found), soft_wrap=True, markup=False)


def print_command(found: Findings, console: Console) -> None:
    """Print the command that made a run, if it was one."""
    if found.command is not None:
        line = f"made with: {printable(found.command)}"
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _print_unscored(found: Findings, console: Console) -> None:
    """Print how many architectures have the lowest rank because they could not be scored."""
    lacking = sum(row.metrics.get(UNSCORED, 0) > 0 for row in found.ranked)
    if lacking:
        console.print(
            f"{lacking:,} of {len(found.ranked):,} architectures could not be scored by every "
            "proxy: they have the lowest rank there",
            soft_wrap=True, highlight=False,
        )  # fmt: skip


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
    flying = config.get(RECORDED)
    where = "in a batch that was cut" if flying is None else "not handed over when it was cut"
    left = len(found.unanswered)
    kept = "it is kept" if left == 1 else "they are kept"
    cut = f"; {left} of them {where}: {kept}, and used when the run goes on" if left else ""
    how = "" if flying is None else f", {flying_in_words(flying)}"
    budget = config.get("budget")
    table = config.get("evaluator", {}).get("file")
    space = space_and_data(
        name_with_preset(config, "space"), (found.protocol or {}).get("dataset"), table
    )
    of = "" if budget is None else f" of {budget}"
    console.print(
        f"run {found.run}: {found.status}, {len(found.evaluated)}{of} evaluations by "
        f"{name_with_preset(config, 'agent')} in {space}{how}{cut}",
        soft_wrap=True,
    )
    cost = found.cost
    counts = (cost.epochs, cost.epochs_saved)
    unit = unit_of(found.protocol)
    epochs, spared = ("" if count is None else f" and {count:,} {unit}s" for count in counts)
    console.print(
        f"{len(found.paid)} evaluated in {time_in_words(cost.seconds)}{epochs} of child time, "
        f"{len(found.memo)} from memo ({time_in_words(cost.seconds_saved)}{spared} saved), "
        f"{sum(len(group.rows) for group in found.failures)} failed",
        soft_wrap=True,
    )
    if unit == "part" and cost.epochs is not None:
        whole = found.most_epochs or PARTS
        console.print(
            f"(a part is one of the {whole} into which the steps of a whole training are divided)",
            soft_wrap=True,
            highlight=False,
        )
    beside = cost.beside_the_papers()
    if beside is not None:
        console.print(beside, soft_wrap=True)
    if "cost_limits" in config:
        limits = limits_of(config["cost_limits"])
        which = "every network has" if found.acceptance is None else "networks are to have"
        console.print(f"{which} {limits}{limits.where}", soft_wrap=True)
    if found.acceptance is not None:
        console.print(acceptance_in_words(found.acceptance), soft_wrap=True)
    simulated = config.get("simulated", {})
    if simulated.get("budget_seconds") is not None:
        machines = simulated["simulated_workers"]
        asked = time_in_words(sum(column(found.rows, "seconds")))
        console.print(
            f"{asked} of training asked for, repeats counted again; the budget is "
            f"{time_in_words(simulated['budget_seconds'])}, simulated on {machines} "
            f"machine{'s'[: machines != 1]}",
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
        *(printable(metric.words) for metric in (*shown, *found.own)),
        SECONDS,
        "request",
    ):
        table.add_column(heading, justify="right")
    in_part = any(column(found.rows, "epochs"))
    if in_part:
        table.add_column("epochs", justify="right")
    for rank, row in enumerate(found.ranked[:top], start=1):
        table.add_row(
            str(rank),
            format(row.reward, found.leading.reward_in_table),
            *(metric.in_words(row.metrics.get(metric.name)) for metric in shown),
            *(in_words(metric.name, row.metrics.get(metric.name)) for metric in found.own),
            f"{row.seconds:.1f}",
            str(row.number + 1),
            *([str(row.epochs or "all")] if in_part else []),
        )
    return table


def _print_whole(table: Table, console: Console) -> None:
    """Print a table, none of whose figures is shortened: a narrow terminal wraps its lines."""
    needed = console.measure(table, options=console.options.update(width=10_000)).maximum
    lines = console.render(table, console.options.update(width=needed))
    console.print(Segments(lines), end="", crop=False)


def _print_front(found: Findings, front: Front, console: Console) -> None:
    """Print the Pareto front with all metrics, and its share of the true front's hypervolume."""
    wanted = printable(", ".join(map(str, front.objectives)))
    count = len(front.rows)
    title = f"Pareto front of {wanted}: {count} architecture{'s'[: count != 1]}"
    console.print(title, soft_wrap=True, markup=False, highlight=False)
    # Without lines between the columns all usual metrics fit into 80 characters.
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    names = front.metrics
    for heading in ("#", "reward", *(metric_named(n).words for n in names), SECONDS, "request"):
        table.add_column(printable(heading), justify="right")
    for number, row in enumerate(front.rows[:FRONT], start=1):
        table.add_row(
            str(number),
            format(row.reward, found.leading.reward_in_table),
            *(in_words(name, row.metrics.get(name)) for name in names),
            f"{row.seconds:.1f}",
            str(row.number + 1),
        )
    _print_whole(table, console)
    if count > FRONT:
        command = run_command("export", found.run, found.parts)
        more = f"and {count - FRONT} more: `{command} --front` writes all"
        console.print(printable(more), soft_wrap=True, markup=False, highlight=False)
    if front.share is not None:
        console.print(f"hypervolume: {front.share_in_words}", soft_wrap=True, highlight=False)


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
