"""The card of an architecture: what it costs, how good it is, and how that was found out."""

from collections.abc import Mapping
from typing import Any

from nas_gym.evaluators.metrics import ACCURACY, MULTIPLY_ADDS, PARAMETERS, Metric
from nas_gym.runs.certainty import Certainty
from nas_gym.runs.findings import Findings
from nas_gym.runs.markdown import plain, table
from nas_gym.runs.recipe_words import unit_of
from nas_gym.runs.spread import spread
from nas_gym.runs.validated import Validated
from nas_gym.store import Row
from nas_gym.store.location import run_command
from nas_gym.store.long_runs import with_key

Card = dict[str, Any]
_SHOWN_VALIDATION = ("accuracies", "test_accuracies", "metrics", "seeds", "failures", "protocol")


def card_of(found: Findings, row: Row, rank: int) -> Card:
    """Return the card of ``row``, the ``rank``-th best architecture of a run, as JSON data.

    Accuracies are fractions in [0, 1]; ``parameters`` are trainable, ``multiply_adds`` those of one
    example. ``validations`` has one entry per recipe with which the architecture was validated;
    test figures are there and nowhere else. ``metrics`` holds all figures of the search.
    """
    config, protocol = found.config, found.protocol
    mine = [
        *with_key(found.rows, row.key),
        *(other for other in found.unanswered if other.key == row.key),
    ]
    validations = [group for group in found.validations if group.row.key == row.key]
    return {
        "run": found.run,
        "started": found.started,
        **({} if found.command is None else {"command": found.command}),
        "rank": rank,
        "request": row.number + 1,
        "parameters": row.metrics.get("parameters"),
        "multiply_adds": row.metrics.get("multiply_adds"),
        "reward": row.reward,
        "accuracy": row.accuracy,
        "final_accuracy": row.metrics.get("final_accuracy"),
        "metrics": dict(row.metrics),
        "validations": [_validation(group) for group in validations],
        "seeds": {
            "run": config.get("seed"),
            "search": list(dict.fromkeys(other.seed for other in mine)),
            "validation": [t.seed for group in validations for t in group.trainings],
        },
        "dataset": {name: protocol.get(name) for name in ("dataset", "fingerprint")},
        "recipe": protocol.get("recipe"),
        "failures": [other.failure for other in mine if other.failure is not None]
        + [t.failure for group in validations for t in group.trainings if t.failure is not None],
        "space": config.get("space"),
        "agent": config.get("agent"),
        "evaluator": config.get("evaluator"),
        "reward_of_the_search": config.get("reward"),
        "versions": found.versions,
        **({} if found.certainty is None else _certainty(found.certainty)),
        **({} if found.note is None else {"note": found.note}),
    }


def _certainty(certainty: Certainty) -> Card:
    return {"certainty": certainty.to_json() | {"facts": certainty.facts()}}


def _validation(group: Validated) -> dict[str, Any]:
    data = group.to_json()
    shown = {name: data[name] for name in _SHOWN_VALIDATION if name in data}
    return {"recipe_in_words": group.recipe_in_words, **shown}


def card_as_markdown(card: Card, leading: Metric = ACCURACY, drawing: str | None = None) -> str:
    """Return the card as a page for people.

    Args:
        card: As ``card_of`` made it.
        leading: The metric by which the run's architectures are compared.
        drawing: File name of the drawing, beside the page.
    """
    lines = [f"# Architecture {card['rank']} of run {plain(card['run'])}", ""]
    if drawing is not None:
        lines += [f"![The architecture, drawn]({drawing})", ""]
    figures = {plain(name): figure for name, figure in _figures(card, leading).items()}
    lines += [_two_columns(figures), ""]
    if "note" in card:
        lines += [f"{plain(card['note'])[:1].upper()}{plain(card['note'])[1:]}.", ""]
    lines += ["## How it was found", ""]
    lines += [_two_columns(_in_plain(_origin(card)))]
    if "certainty" in card:
        lines += ["", "## How far the figures can be trusted", ""]
        lines += [_two_columns(_in_plain(card["certainty"]["facts"]))]
        lines += [f"\n{plain(warning)}." for warning in card["certainty"]["warnings"]]
    if card["recipe"] is not None:
        lines += ["", "## Recipe of the search", "", _two_columns(_in_plain(card["recipe"]))]
    return "\n".join(lines) + "\n"


def _figures(card: Card, leading: Metric) -> dict[str, str]:
    """Return the figures by their names for people."""
    metrics = card["metrics"]
    figures = {
        PARAMETERS.words: PARAMETERS.in_words(card["parameters"]),
        f"{MULTIPLY_ADDS.words} of one {leading.per}": MULTIPLY_ADDS.in_words(
            card["multiply_adds"]
        ),
        "reward in the search": format(card["reward"], leading.reward_alone),
    }
    for metric in leading.shown:
        value = metrics.get(metric.name)
        figures[f"validation {metric.words} in the search"] = metric.in_words(value)
    last = leading.in_words(metrics.get(leading.final_name))
    figures[f"validation {leading.words} after the last {unit_of(card['recipe'])}"] = last
    for group in card["validations"]:
        for part, of in (("validation", "name"), ("test", "test_name")):
            for metric in leading.shown:
                values = _values(group, getattr(metric, of))
                name = f"{part} {metric.words} {_trainings(group)}"
                figures[name] = spread(values, metric.digits)
    if not card["validations"] and card["recipe"] is not None:
        command = run_command("validate", card["run"], card)
        figures[f"test {leading.words}"] = f"not measured: `{plain(command)}` does"
    return figures


def _values(group: Mapping[str, Any], metric: str) -> list[float]:
    """Return a metric of final trainings, from the card."""
    own = {ACCURACY.name: "accuracies", ACCURACY.test_name: "test_accuracies"}
    if metric in own:
        return list(group[own[metric]])
    return list(group.get("metrics", {}).get(metric, {}).get("values", []))


def _trainings(group: Mapping[str, Any]) -> str:
    count = len(group["seeds"])
    return f"of {count} new training{'s'[: count != 1]} (recipe {group['recipe_in_words']})"


def _origin(card: Card) -> dict[str, str]:
    seeds, dataset = card["seeds"], card["dataset"]
    return {
        "run": f"{card['run']}, started {card['started']}",
        **({"made with": card["command"]} if "command" in card else {}),
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
        "failed trainings of this architecture": "; ".join(map(str, card["failures"])) or "none",
        "versions": _words(card["versions"]),
    }


def _in_plain(entries: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries with all that a record says as plain text."""
    return {plain(name): plain(value) for name, value in entries.items()}


def _two_columns(entries: Mapping[str, Any]) -> str:
    return table(("", ""), list(entries.items()))


def _words(spec: Any) -> str:
    """Return ``{"name": "reinforce", "epochs": 2}`` as ``reinforce, epochs 2``."""
    if not isinstance(spec, Mapping):
        return "-" if spec is None else str(spec)
    named = [str(spec["name"])] if "name" in spec else []
    options = [f"{name} {_nested(spec[name])}" for name in spec if name != "name"]
    return ", ".join(named + options)


def _nested(value: Any) -> str:
    return f"({_words(value)})" if isinstance(value, Mapping) else str(value)


def _listed(values: list[Any]) -> str:
    return ", ".join(map(str, values)) or "-"
