"""The tables of a page: what was searched and with what, the failures, the cost."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas_gym.errors import NASGymError
from nas_gym.options.durations import time_in_words
from nas_gym.options.printable import printable
from nas_gym.plugins import foreign_module, load
from nas_gym.runs.config import name_with_preset
from nas_gym.runs.findings import Findings
from nas_gym.runs.fronts import objectives_of_agent
from nas_gym.runs.recipe_words import unit_of
from nas_gym.runs.spread import spread
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.store.location import resume_command


def setting(found: Findings, store: str | Path) -> dict[str, str]:
    """Return what was searched and with what, by its name for people."""
    config, protocol = found.config, found.protocol
    facts = {
        "search space": name_with_preset(config, "space"),
        "agent": name_with_preset(config, "agent"),
        "evaluator": found.name_of("evaluator"),
        "data set": str(protocol.get("dataset") or "-"),
        "reward": found.name_of("reward"),
        "objectives": ", ".join(map(str, objectives_of_agent(found) or ())),
        "limits": str(limits_of(config["cost_limits"])) if "cost_limits" in config else "",
        "within the limits": "" if found.acceptance is None else f"{found.acceptance:.2%}",
        "started": time_of_day(found.started),
        "status": found.status,
        "seed of the run": str(config.get("seed", "-")),
        "seed of the children": str(config.get("child_seed", "-")),
        "versions": ", ".join(f"{name} {each}" for name, each in (found.versions or {}).items()),
        "made with": found.command or "",
        "go on": _going_on(found, store),
    }
    return {name: printable(value) for name, value in facts.items() if value}


def time_of_day(moment: str) -> str:
    """Return a recorded moment as people read it: ``2026-11-30 22:10 UTC``."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return moment


def _going_on(found: Findings, store: str | Path) -> str:
    """Return the command that goes on; of a run that is finished with twice its budget."""
    command = resume_command(found.run, store, found.parts)
    budgets = {
        "budget": found.config.get("budget"),
        "budget-epochs": found.config.get("simulated", {}).get("budget_epochs"),
    }
    if found.status != "finished":
        return command
    larger = [f" --{option} {2 * given}" for option, given in budgets.items() if given is not None]
    return command + "".join(larger) if larger else ""


def counts(found: Findings) -> dict[str, str]:
    """Return what it took, by its name for people."""
    cost = found.cost
    budget = found.config.get("budget")
    facts = {
        "requests": f"{len(found.evaluated):,}" + ("" if budget is None else f" of {budget:,}"),
        "evaluated": f"{cost.evaluations:,}",
        "answered from memory": f"{cost.evaluations_saved:,}",
        "failed": f"{sum(len(group.rows) for group in found.failures):,}",
        "training": time_in_words(cost.seconds),
        "saved": time_in_words(cost.seconds_saved),
    }
    if cost.epochs is not None:
        facts[f"{unit_of(found.protocol)}s"] = f"{cost.epochs:,}"
    beside = cost.beside_the_papers()
    if beside is not None:
        facts["device-hours"] = beside
    return facts


def validations(found: Findings) -> list[dict[str, str]]:
    """Return the final trainings, which alone have test figures."""
    leading = found.leading
    return [
        {
            "rank": str(group.rank),
            "search": leading.in_words(group.row.metrics.get(leading.name)),
            "validation": spread(group.values(leading.name), leading.digits),
            "test": spread(group.values(leading.test_name), leading.digits),
            "trainings": str(len(group.trainings)),
            "recipe": printable(group.recipe_in_words),
        }
        for group in found.validations
    ]


def failures(found: Findings) -> list[dict[str, str]]:
    """Return how often children failed, why, and what is known of the first one."""
    return [
        {
            "count": f"{len(group.rows):,}",
            "reason": printable(group.reason),
            "first": str(group.rows[0].number + 1),
            "detail": printable(group.rows[0].detail or "", lines=True),
        }
        for group in found.failures
    ]


def trust(found: Findings) -> tuple[dict[str, str], list[str]]:
    """Return what is to be known beside the figures, and what makes them doubtful."""
    if found.certainty is None:
        return {}, []
    return found.certainty.facts(), list(found.certainty.warnings)


def as_json(value: Mapping[str, Any] | None) -> str:
    """Return settings as a text."""
    return printable(json.dumps(value or {}, indent=1, default=str), lines=True)


def best_in_short(found: Findings) -> str:
    """Return the highest reward with its request, for the top of a page; empty without one."""
    if not found.ranked:
        return ""
    return f"{best_reward(found)} (request {found.ranked[0].number + 1:,})"


def without_curves(found: Findings) -> str | None:
    """Return the option that keeps learning curves; None if they were kept, or cannot be."""
    name = found.name_of("evaluator")
    if name == "-" or foreign_module("evaluator", name) is not None:
        return None
    try:
        options = {option.name for option in fields(load("evaluator", name))}
    except NASGymError:  # of another version: it is only a hint
        return None
    kept = (found.config.get("evaluator") or {}).get("curve", False)
    return "--set evaluator.curve=true" if "curve" in options and not kept else None


def best_reward(found: Findings) -> str:
    """Return the highest reward, ``-`` without one."""
    return format(found.ranked[0].reward, found.leading.reward_alone) if found.ranked else "-"
