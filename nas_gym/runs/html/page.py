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
from nas_gym.runs.html import best, curves, story
from nas_gym.runs.html.behaviour import LEAST, Behaviour, behaviour_of
from nas_gym.runs.recipe_words import unit_of


@dataclass(frozen=True)
class Baseline:
    """Another run of the store, drawn beside for comparison."""

    name: str
    agent: str
    rewards: Sequence[float | None]  # by request


@dataclass(frozen=True)
class Shown:
    """A run on a page."""

    found: Findings
    store: str | Path
    drawings: Mapping[int, str] = field(default_factory=dict)  # SVG by rank, if there are any yet


def html_page(runs: Sequence[Shown], baselines: Sequence[Baseline] = (), refresh: int = 0) -> str:
    """Return the page: complete HTML, below 350 kB for a run of 1,000 evaluations.

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
                "agent": run["agent"],
                "curve": run.pop("curve"),
                "learning": run.pop("learning"),
                "unit": run["unit"],
            }
            for run in told
        ],
        "baselines": [
            {
                "name": printable(other.name),
                "agent": printable(other.agent),
                "curve": curves.best_curve(other.rewards),
            }
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
    learning = curves.learning_curves(found)
    return {
        "name": printable(found.run),
        "setting": story.setting(found, run.store),
        "counts": story.counts(found),
        "agent": printable(found.name_of("agent")),
        "best_reward": story.best_reward(found),
        "best_in_short": story.best_in_short(found),
        "without_curves": story.without_curves(found),
        "note": None if found.note is None else printable(found.note),
        "table": best.table(found),
        "fronts": best.fronts(found),
        "best": best.cards(found, run.store, run.drawings),
        "validations": story.validations(found),
        "failures": story.failures(found),
        "facts": facts,
        "warnings": [printable(warning) for warning in warnings],
        "behaviour": behaviour,
        "worths": _worths(behaviour),
        "least": LEAST,
        "config": story.as_json(found.config),
        "versions": story.as_json(found.versions),
        "curve": curves.reward_curve(curves.comparable_rewards(found)),
        "learning": learning,
        "learns": bool(learning),
        "seconds": found.cost.seconds,
        "unit": unit_of(found.protocol),
    }


def _worths(behaviour: Behaviour) -> dict[str, Any]:
    """Return ``headings`` and ``rows`` of what options are worth."""
    return {
        "headings": ["choice", "option", "picks", "mean reward", "difference"],
        "rows": [
            [
                (printable(worth.choice), None),
                (printable(worth.option), None),
                (f"{worth.count:,}", worth.count),
                (f"{worth.mean:.4f}", float(f"{worth.mean:.6g}")),
                (f"{worth.difference:+.4f}", float(f"{worth.difference:.6g}")),
            ]
            for worth in behaviour.worths
        ],
    }


def _template(name: str) -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset(name))


def _asset(name: str) -> str:
    return files("nas_gym.runs.html").joinpath("assets", name).read_text(encoding="utf-8")
