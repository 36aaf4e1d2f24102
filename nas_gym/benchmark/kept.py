"""Results that are there already: they may grow, and are not replaced by those of others."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_gym.benchmark.study import TRUTHS, Study
from nas_gym.benchmark.suite import Suite
from nas_gym.errors import NASGymError, StoreError
from nas_gym.options.printable import printable

Selection = Mapping[str, list[Any]]  # what was selected, in words; what is named may grow


def check_kept(folder: Path, wanted: Suite | Study) -> None:
    """Raise StoreError if a folder has results that are no part of those that are wanted."""
    is_study = isinstance(wanted, Study)
    try:
        text = (folder / ("results.json" if is_study else "suite.json")).read_text("utf-8-sig")
        data = json.loads(text)
        there = _of_study(Study.from_json(data["study"])) if is_study else _of_suite(data)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, NASGymError):
        return  # none, or none that anybody can read
    new = _of_study(wanted) if isinstance(wanted, Study) else _of_suite(_labels(wanted))
    lost = [
        f"{name} {', '.join(gone)}"
        for name, old in there.items()
        if (gone := [str(each) for each in old if each not in new[name]])
    ]
    if lost:
        raise StoreError(
            f"{printable(folder)} has results of another selection, which would be replaced "
            f"({printable('; '.join(lost))}): give another folder with --out, or ask for all of "
            "those as well"
        )


def _labels(suite: Suite) -> dict[str, Any]:
    """Return a suite as its ``suite.json`` says it."""
    return {
        "name": suite.name,
        "entries": [{"label": entry.label} for entry in suite.entries],
        "datasets": [{"label": dataset.label} for dataset in suite.datasets],
        "seeds": suite.seeds,
        "budget": suite.budget,
    }


def _of_suite(data: Mapping[str, Any]) -> Selection:
    return {
        "benchmark": [data["name"]],
        "agents": [entry["label"] for entry in data["entries"]],
        "data sets": [dataset["label"] for dataset in data["datasets"]],
        "seeds": [data["seeds"]],
        "budget": [data["budget"]],
    }


def _of_study(study: Study) -> Selection:
    return {
        "cells": [study.cells],
        "signals": [*study.computed, *(["shared weights"] if study.shared_weights else [])],
        "data sets": list(TRUTHS if study.datasets is None else study.datasets),
    }
