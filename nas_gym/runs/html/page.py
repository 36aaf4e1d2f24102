"""One file of HTML for one run or several: no request to any host, nothing beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from nas_gym.options.printable import printable
from nas_gym.runs.drawings import why_undrawn
from nas_gym.runs.findings import Findings
from nas_gym.runs.html import curves, pictures, story
from nas_gym.runs.html.behaviour import behaviour_of
from nas_gym.runs.recipe_words import unit_of
from nas_gym.search_spaces.rendering import genotype_as_text
from nas_gym.store import Row

DRAWN = 3  # architectures


@dataclass(frozen=True)
class Baseline:
    """Another run of the store, drawn beside for comparison: its name and rewards by request."""

    name: str
    rewards: Sequence[float | None]


@dataclass(frozen=True)
class Shown:
    """A run on a page."""

    found: Findings
    store: str | Path
    drawings: Mapping[int, str] = field(default_factory=dict)  # SVG by rank, if there are any yet


def html_page(runs: Sequence[Shown], baselines: Sequence[Baseline] = (), refresh: int = 0) -> str:
    """Return the page: complete HTML, below 500 kB for a run of 1,000 evaluations.

    Args:
        runs: At least one; several stand side by side.
        baselines: Other runs, whose best so far is drawn beside.
        refresh: Seconds after which a browser reads the file again; 0: never.
    """
    template = _template("report.html.jinja")
    told = [_told(run) for run in runs]
    drawn = {
        "runs": [
            {
                "name": run["name"],
                "curve": run.pop("curve"),
                "learning": run.pop("learning"),
                "unit": run["unit"],
            }
            for run in told
        ],
        "baselines": [
            {"name": printable(other.name), "curve": curves.reward_curve(other.rewards)}
            for other in baselines
        ],
    }
    page: str = template.render(
        title=" · ".join(run["name"] for run in told),
        runs=told,
        refresh=refresh,
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        data=json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c"),
        uplot=_asset("uPlot.iife.min.js"),
        uplot_css=_asset("uPlot.min.css"),
        script=_asset("report.js"),
        css=_asset("report.css"),
    )
    return page


def _told(run: Shown) -> dict[str, Any]:
    """Return all that the template says of a run."""
    found = run.found
    facts, warnings = story.trust(found)
    behaviour = behaviour_of(found.rows, found.space)
    warnings += [] if behaviour.warning is None else [behaviour.warning]
    warnings += why_undrawn(found, run.store)
    return {
        "name": printable(found.run),
        "setting": story.setting(found, run.store),
        "counts": story.counts(found),
        "best_reward": story.best_reward(found),
        "note": None if found.note is None else printable(found.note),
        "table": story.best_table(found),
        "front": story.front_table(found),
        "best": [_best(run, row, rank) for rank, row in enumerate(found.ranked[:DRAWN], start=1)],
        "validations": story.validations(found),
        "failures": story.failures(found),
        "facts": facts,
        "warnings": [printable(warning) for warning in warnings],
        "behaviour": behaviour,
        "heat_map": pictures.heat_map(behaviour) if behaviour.windows else None,
        "config": story.as_json(found.config),
        "versions": story.as_json(found.versions),
        "curve": curves.reward_curve(curves.comparable_rewards(found)),
        "learning": curves.learning_curves(found),
        "unit": unit_of(found.protocol),
    }


def _best(run: Shown, row: Row, rank: int) -> dict[str, Any]:
    """Return a card of one of the best: drawing, words, genotype."""
    space, address, words = run.found.space, None, None
    if space is not None:
        words = printable(genotype_as_text(space, row.tokens), lines=True)
        address = _drawn(space, row) if rank not in run.drawings else None
    if rank in run.drawings:  # also of a space that is not imported
        address = pictures.svg_address(run.drawings[rank])
    return {
        "rank": rank,
        "reward": format(row.reward, run.found.leading.reward_alone),
        "drawing": address,
        "words": words,
        "tokens": ",".join(map(str, row.tokens)),
        "genotype": printable(json.dumps(row.genotype)),
    }


def _drawn(space: Any, row: Row) -> str | None:
    """Return the drawing; None where a user's ``draw`` fails: none is needed."""
    try:
        return pictures.drawing(space, row.tokens)
    except Exception:
        return None


def _template(name: str) -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset(name))


def _asset(name: str) -> str:
    return files("nas_gym.runs.html").joinpath("assets", name).read_text(encoding="utf-8")
