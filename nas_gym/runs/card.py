"""The card of an architecture: what it costs, how good it is, and how that was found out."""

from collections.abc import Mapping
from typing import Any

from nas_gym.evaluators.metrics import is_language
from nas_gym.runs.findings import Validated, recipe_in_words, spread, validated
from nas_gym.store import Row, RunData

Card = dict[str, Any]
_SHOWN_VALIDATION = ("accuracies", "test_accuracies", "metrics", "seeds", "failures", "protocol")
# Of language models: a metric, its name for people, and the digits shown.
_LANGUAGE_FIGURES = (
    ("perplexity", "perplexity", 2),
    ("bits_per_character", "bits per character", 4),
)


def card_of(run: RunData, row: Row, rank: int) -> Card:
    """The card of ``row``, the ``rank``-th best architecture of ``run``, as JSON data.

    Accuracies are fractions in [0, 1]; ``parameters`` are trainable, ``multiply_adds`` those of one
    example. ``validations`` has one entry a recipe with which the architecture was validated; test
    figures are there and nowhere else. Of language models its ``metrics`` hold the perplexities.
    """
    protocol = run.config.get("protocol") or {}
    mine = [other for other in (*run.rows, *run.unanswered) if other.key == row.key]
    validations = [group for group in validated(run) if group.row.key == row.key]
    return {
        "run": run.name,
        "started": run.started,
        "rank": rank,
        "request": row.number + 1,
        "parameters": row.metrics.get("parameters"),
        "multiply_adds": row.metrics.get("multiply_adds"),
        "reward": row.reward,
        "accuracy": row.accuracy,
        "final_accuracy": row.metrics.get("final_accuracy"),
        "metrics": dict(row.metrics),
        "validations": [_validation(run, group) for group in validations],
        "seeds": {
            "run": run.config.get("seed"),
            "search": list(dict.fromkeys(other.seed for other in mine)),
            "validation": [t.seed for group in validations for t in group.trainings],
        },
        "dataset": {name: protocol.get(name) for name in ("dataset", "fingerprint")},
        "recipe": protocol.get("recipe"),
        "failures": [other.failure for other in mine if other.failure is not None]
        + [t.failure for group in validations for t in group.trainings if t.failure is not None],
        "space": run.config.get("space"),
        "agent": run.config.get("agent"),
        "evaluator": run.config.get("evaluator"),
        "reward_of_the_search": run.config.get("reward"),
        "versions": run.sessions[-1].get("versions") if run.sessions else None,
    }


def _validation(run: RunData, group: Validated) -> dict[str, Any]:
    data = group.to_json()
    shown = {name: data[name] for name in _SHOWN_VALIDATION if name in data}
    return {"recipe_in_words": recipe_in_words(run, group.protocol), **shown}


def card_as_markdown(card: Card, drawing: str | None = None) -> str:
    """The card for people.

    Args:
        card: As ``card_of`` made it.
        drawing: File name of the drawing, beside the page.
    """
    lines = [f"# Architecture {card['rank']} of run {card['run']}", ""]
    if drawing is not None:
        lines += [f"![The architecture, drawn]({drawing})", ""]
    lines += _table(_figures(card))
    lines += ["", "## How it was found", ""]
    lines += _table(_origin(card))
    if card["recipe"] is not None:
        lines += ["", "## Recipe of the search", "", *_table(card["recipe"])]
    return "\n".join(lines) + "\n"


def _figures(card: Card) -> dict[str, str]:
    return _language_figures(card) if is_language(card["metrics"]) else _image_figures(card)


def _image_figures(card: Card) -> dict[str, str]:
    figures = {
        "parameters": _count(card["parameters"]),
        "multiply-adds of one example": _count(card["multiply_adds"]),
        "reward in the search": f"{card['reward']:.4f}",
        "validation accuracy in the search": _fraction(card["accuracy"]),
        "validation accuracy after the last epoch": _fraction(card["final_accuracy"]),
    }
    for group in card["validations"]:
        trainings = _trainings(group)
        figures[f"validation accuracy {trainings}"] = spread(group["accuracies"])
        figures[f"test accuracy {trainings}"] = spread(group["test_accuracies"])
    if not card["validations"] and card["recipe"] is not None:
        figures["test accuracy"] = f"not measured: `nas-gym validate {card['run']}` does"
    return figures


def _language_figures(card: Card) -> dict[str, str]:
    metrics = card["metrics"]
    figures = {
        "parameters": _count(card["parameters"]),
        "multiply-adds of one word or character": _count(card["multiply_adds"]),
        "reward in the search": f"{card['reward']:.6g}",
    }
    for metric, words, digits in _LANGUAGE_FIGURES:
        figures[f"validation {words} in the search"] = _fraction(metrics.get(metric), digits)
    figures["validation perplexity after the last epoch"] = _fraction(
        metrics.get("final_perplexity"), 2
    )
    for group in card["validations"]:
        trained = group.get("metrics", {})
        for part, prefix in (("validation", ""), ("test", "test_")):
            for metric, words, digits in _LANGUAGE_FIGURES:
                values = trained.get(f"{prefix}{metric}", {}).get("values", [])
                figures[f"{part} {words} {_trainings(group)}"] = spread(values, digits)
    if not card["validations"] and card["recipe"] is not None:
        figures["test perplexity"] = f"not measured: `nas-gym validate {card['run']}` does"
    return figures


def _trainings(group: Mapping[str, Any]) -> str:
    count = len(group["seeds"])
    return f"of {count} new training{'s'[: count != 1]} (recipe {group['recipe_in_words']})"


def _origin(card: Card) -> dict[str, str]:
    seeds, dataset = card["seeds"], card["dataset"]
    return {
        "run": f"{card['run']}, started {card['started']}",
        "request": str(card["request"]),
        "agent": _words(card["agent"]),
        "search space": _words(card["space"]),
        "evaluator": _words(card["evaluator"]),
        "reward": _words(card["reward_of_the_search"]),
        "data set": str(dataset["dataset"] or "-"),
        "fingerprint of the data": str(dataset["fingerprint"] or "-"),
        "seed of the run": str(seeds["run"]),
        "child seeds in the search": _listed(seeds["search"]),
        "child seeds in the final validation": _listed(seeds["validation"]),
        "failed trainings of this architecture": "; ".join(card["failures"]) or "none",
        "versions": _words(card["versions"]),
    }


def _table(entries: Mapping[str, Any]) -> list[str]:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in entries.items()]
    return ["| | |", "| --- | --- |", *rows]


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _words(spec: Any) -> str:
    """``{"name": "reinforce", "epochs": 2}`` as ``reinforce, epochs 2``."""
    if not isinstance(spec, Mapping):
        return "-" if spec is None else str(spec)
    named = [str(spec["name"])] if "name" in spec else []
    options = [f"{name} {_nested(spec[name])}" for name in spec if name != "name"]
    return ", ".join(named + options)


def _nested(value: Any) -> str:
    return f"({_words(value)})" if isinstance(value, Mapping) else str(value)


def _listed(values: list[Any]) -> str:
    return ", ".join(map(str, values)) or "-"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _fraction(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
