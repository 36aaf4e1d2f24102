"""The best architectures on a page: a card for each of the first ones, a table, Pareto fronts."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from nas_gym.envs.objectives import REWARD, Objective, Objectives
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.metrics import (
    ACCURACY,
    LATENCY,
    PARAMETERS,
    SIZES,
    Metric,
    metric_named,
)
from nas_gym.options.durations import time_in_words
from nas_gym.options.printable import printable
from nas_gym.plugins import foreign_module
from nas_gym.runs.drawings import DRAWN
from nas_gym.runs.findings import Findings
from nas_gym.runs.fronts import Front, front_of, in_words
from nas_gym.runs.html import pictures
from nas_gym.runs.html.scatter import front_picture
from nas_gym.runs.recipe_words import unit_of
from nas_gym.search_spaces.rendering import genotype_as_text
from nas_gym.store import Row
from nas_gym.store.location import run_command

TABLE = 50  # architectures in the table
SECONDS = "training, s"

Cell = tuple[str, float | None]  # what is read, and the number by which it is sorted


def cards(found: Findings, store: Any, drawings: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return the first ones: drawing, figures, words, genotype, commands.

    Args:
        found: The run.
        store: Where it is.
        drawings: SVG by rank, where there are some already.
    """
    best = found.ranked[:DRAWN]
    return [_card(found, store, drawings, row, rank) for rank, row in enumerate(best, start=1)]


def _card(
    found: Findings, store: Any, drawings: Mapping[int, str], row: Row, rank: int
) -> dict[str, Any]:
    space, picture, words = found.space, None, None
    if rank in drawings:  # also of a space that is not imported
        picture = pictures.kept_picture(drawings[rank])
    if space is not None:
        words = printable(genotype_as_text(space, row.tokens), lines=True)
        picture = picture or _drawn(space, row)
    return {
        "rank": rank,
        "drawing": picture,
        "figures": _figures(found, row),
        "commands": _commands(found, store, rank),
        "words": words,
        "tokens": ",".join(map(str, row.tokens)),
        "genotype": printable(json.dumps(row.genotype)),
    }


def _drawn(space: Any, row: Row) -> pictures.Drawing | None:
    """Return the drawing; None where a user's ``draw`` fails: none is needed."""
    try:
        return pictures.drawing(space, row.tokens)
    except Exception:
        return None


def _figures(found: Findings, row: Row) -> dict[str, str]:
    """Return what is known of it, by its name for people."""
    reward = format(row.reward, found.leading.reward_alone)
    figures = {"reward": reward}
    for metric in _measured(found, [row]):
        said = metric.in_words(row.metrics.get(metric.name))
        if not (metric == found.leading and said == reward):  # the reward is that very figure
            figures[printable(metric.words)] = said
    return {
        **figures,
        "training": time_in_words(row.seconds),
        **({f"{unit_of(found.protocol)}s": str(row.epochs)} if row.epochs else {}),
        "request": f"{row.number + 1:,}",
        "seed of the child": str(row.seed),
    }


def _commands(found: Findings, store: Any, rank: int) -> dict[str, str]:
    """Return what writes it into files, and what trains it, for a shell."""
    best = f" --best {rank}" if rank > 1 else ""
    commands = {"write it into files": run_command("export", found.run, found.parts, store)}
    ours = foreign_module("space", found.name_of("space")) is None
    # Only of the best: `train --best 2` would train both. Whether an own space has `build` is not
    # known where its module was not imported.
    if rank == 1 and (ours or hasattr(found.space, "build")):
        commands["train it to its end"] = run_command("train", found.run, found.parts, store)
    return {name: printable(f"{command}{best}") for name, command in commands.items()}


def _measured(found: Findings, rows: list[Row]) -> list[Metric]:
    """Return the metrics that one of some architectures has, those that all know first."""
    leading = found.shown if found.leading == ACCURACY else [found.leading]
    known = dict.fromkeys([*(m.name for m in (*leading, *found.asked_for, *SIZES))])
    own = {name for row in rows for name in row.metrics if not name.startswith("final_")}
    metrics = [metric_named(name) for name in [*known, *sorted(own - set(known))]]
    return [m for m in metrics if any(m.name in row.metrics for row in rows)]


def table(found: Findings) -> dict[str, Any]:
    """Return ``headings`` and ``rows`` of the best architectures."""
    rows = list(found.ranked[:TABLE])
    measured = _measured(found, rows)
    return {
        "headings": ["rank", "reward", *(printable(m.words) for m in measured), SECONDS, "request"],
        "rows": [
            [
                (str(rank), rank),
                (format(row.reward, found.leading.reward_in_table), row.reward),
                *((m.in_words(row.metrics.get(m.name)), row.metrics.get(m.name)) for m in measured),
                (f"{row.seconds:.1f}", row.seconds),
                (str(row.number + 1), row.number + 1),
            ]
            for rank, row in enumerate(rows, start=1)
        ],
    }


def fronts(found: Findings) -> list[dict[str, Any]]:
    """Return the Pareto fronts: that of the agent, else of the reward and what a child costs."""
    if found.front is not None:
        return [_front(found, found.front)]
    if not found.ranked:
        return []
    told = []
    for metric in (PARAMETERS, LATENCY):
        front = _usual_front(found, (Objective(REWARD), Objective(metric.name, -1)))
        if front is not None:
            told.append(_front(found, front))
    return told


def _usual_front(found: Findings, objectives: Objectives) -> Front | None:
    """Return it; None if the run did not measure that, or always the same."""
    if objectives[1].name not in found.ranked[0].metrics:
        return None
    try:
        front = front_of(found, objectives, truth=False)
    except InvalidOption:
        return None
    return None if front is None or not float(np.ptp(front.others[:, 1])) else front


def _front(found: Findings, front: Front) -> dict[str, Any]:
    names = front.metrics
    objectives = [_words(each) for each in front.objectives]
    shown = [front_picture(front, n, objectives) for n in range(1, len(objectives))]
    return {
        "wanted": printable(" and ".join(map(_wanted, front.objectives))),
        "count": len(front.rows),
        "among": f"{len(front.others):,}",
        "pictures": shown,
        "outside": sum(picture.outside for picture in shown),
        "share": front.share_in_words,
        "headings": [
            "front", "reward", *(printable(metric_named(name).words) for name in names), "request",
        ],
        "rows": [
            [
                (str(number), number),
                (format(row.reward, found.leading.reward_in_table), row.reward),
                *((in_words(n, row.metrics.get(n)), row.metrics.get(n)) for n in names),
                (str(row.number + 1), row.number + 1),
            ]
            for number, row in enumerate(front.rows[:TABLE], start=1)
        ],
    }  # fmt: skip


def _wanted(objective: Objective) -> str:
    words = _words(objective).partition(",")[0]  # without a unit
    return f"{'high' if objective.sign > 0 else 'low'} {words}"


def _words(objective: Objective) -> str:
    return REWARD if objective.name == REWARD else metric_named(objective.name).words
