"""A part of a suite, with the user's own agents and data sets in it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas_gym.benchmark.suite import FAMILIES, DataSet, Entrant, Spec, Suite
from nas_gym.errors import InvalidOption, UnknownName, unknown_name
from nas_gym.options import check
from nas_gym.plugins import names as names_of
from nas_gym.registry import make, usual

SEEDS, BUDGETS = (2, 1_000_000), (1, 10_000_000)  # least and most
ALL = "all"  # among the agents: every one of the suite


def narrowed(
    suite: Suite,
    *,
    agents: Sequence[str] = (),
    families: Mapping[str, str] | None = None,
    datasets: Sequence[str | DataSet] = (),
    seeds: int | None = None,
    budget: int | None = None,
) -> Suite:
    """Return ``suite`` with only some agents, data sets, seeds or evaluations.

    Args:
        suite: The suite; empty and None keep all of it.
        agents: Labels, ``all`` for those of the suite, and any other agents: names of the plug-in
            table (``ppo``, ``reinforce/zoph2016``), ``module:Class`` of the user's own, or JSON
            data.
        families: By label: ``rl``, ``evolution`` or ``other``, before what the agents say.
        datasets: Labels, any others as they are, and as JSON data: ``{"label": …, "space": …,
            "evaluator": …}``.
        seeds: Searches of each agent on each data set, in [2, 1,000,000].
        budget: Evaluations per search, in [1, 10,000,000].

    Raises:
        UnknownName: No such agent, family or data set.
        InvalidOption: A number out of range, an agent given twice or that cannot be made.
    """
    seeds, budget = check("seeds", seeds, int | None), check("budget", budget, int | None)
    for what, value, (least, most) in (("seeds", seeds, SEEDS), ("budget", budget, BUDGETS)):
        if value is not None and not least <= value <= most:
            end = f"{least} or more" if value < least else f"{most} or less"
            raise InvalidOption(f"{what} is {value}: give {end}")
    if agents:
        suite = replace(suite, entries=tuple(_entries(suite, agents)))
    suite = replace(suite, entries=_with_families(suite.entries, families or {}))
    suite = replace(suite, yardstick=_yardstick(suite))
    if datasets:
        found = tuple(_dataset(suite, given) for given in datasets)
        notes = suite.notes if all(each in suite.datasets for each in found) else ""
        suite = replace(suite, datasets=found, notes=notes)
    for listed in ([e.label for e in suite.entries], [d.label for d in suite.datasets]):
        twice = sorted({label for label in listed if listed.count(label) > 1})
        if twice:
            raise InvalidOption(
                f"{', '.join(twice)} is given twice: name it once, or give your class a `name`"
            )
    if budget is not None:
        suite = replace(
            suite,
            budget=budget,
            checkpoints=_until(suite.checkpoints, budget),
            judged=_until(suite.judged, budget),
        )
    return replace(suite, seeds=suite.seeds if seeds is None else seeds)


def _entries(suite: Suite, agents: Sequence[str]) -> Iterator[Entrant]:
    for agent in agents:
        if agent == ALL:
            yield from suite.entries
        else:
            yield _found(suite, agent)


def _found(suite: Suite, given: str) -> Entrant:
    known = {entry.label: entry for entry in suite.entries}
    if given in known:
        return known[given]
    if given.lstrip().startswith("{"):
        spec = _json_object("agent", given, '{"name": "reinforce", "batch_size": 4}')
    else:
        spec = {"name": given}
    try:
        agent = make("agent", spec)
    except UnknownName:
        if spec != {"name": given} or ":" in given or given.partition("/")[0] in names_of("agent"):
            raise
        raise unknown_name("agent", given, {*known, ALL, *names_of("agent")}) from None
    name = str(spec["name"])
    options = [str(value) for option, value in spec.items() if option != "name"]
    label = ",".join([_label(agent, name), *options])
    return Entrant(label, dict(spec), _family_of(agent, label, _family(known, name)))


def _label(agent: Any, given: str) -> str:
    """Return the name of an agent: of the user's own the one that it has, or its class's."""
    if ":" not in given:
        return given
    own = getattr(agent, "name", None)
    return own if isinstance(own, str) and own else given.rpartition(":")[2]


def _family_of(agent: Any, label: str, usual: str) -> str:
    """Return the family that an agent says it is of."""
    family = getattr(agent, "family", usual)
    if family not in FAMILIES:
        raise unknown_name(f"family of {label!r}", str(family), FAMILIES)
    return str(family)


def _family(known: Mapping[str, Entrant], name: str) -> str:
    """Return the family of the listed agent of which ``name`` is a preset."""
    base = name.partition("/")[0]
    return next((e.family for e in known.values() if e.agent["name"] == base), "other")


def _with_families(entries: Sequence[Entrant], families: Mapping[str, str]) -> tuple[Entrant, ...]:
    labels = [entry.label for entry in entries]
    for label, family in families.items():
        if label not in labels:
            raise unknown_name("agent with a family", label, labels)
        if family not in FAMILIES:
            raise unknown_name(f"family of {label!r}", family, FAMILIES)
    return tuple(replace(each, family=families.get(each.label, each.family)) for each in entries)


def families_of(given: Sequence[str]) -> dict[str, str]:
    """Return ``["MyPPO=rl"]`` as ``{"MyPPO": "rl"}``.

    Raises:
        InvalidOption: One is not written so.
    """
    pairs = [text.rpartition("=") for text in given]
    for text, (label, _, family) in zip(given, pairs, strict=True):
        if not (label and family):
            raise InvalidOption(f"the family {text!r} is not AGENT=FAMILY: write it as MyPPO=rl")
    return {label: family for label, _, family in pairs}


def _yardstick(suite: Suite) -> str:
    """Return the suite's own yardstick if it is there, else the first evolution or agent."""
    evolution = [entry.label for entry in suite.entries if entry.family == "evolution"]
    labels = [entry.label for entry in suite.entries]
    return suite.yardstick if suite.yardstick in labels else [*evolution, *labels][0]


def _dataset(suite: Suite, given: str | DataSet) -> DataSet:
    if isinstance(given, DataSet):
        return given
    known = {dataset.label: dataset for dataset in suite.datasets}
    if given in known:
        return known[given]
    if not given.lstrip().startswith("{"):
        raise unknown_name(f"data set of {suite.name!r}", given, known)
    example = '{"label": "mine", "space": {"name": …}, "evaluator": {"name": …}}'
    data = _json_object("data set", given, example)
    if set(data) != {"label", "space", "evaluator"}:
        raise InvalidOption(f"the data set {given!r} has other keys than {example}")
    parts = ({"name": p} if isinstance(p, str) else p for p in (data["space"], data["evaluator"]))
    return DataSet(str(data["label"]), *parts)


def own_data_set(
    table: str | None = None, space: str | None = None, evaluator: str | None = None
) -> DataSet | None:
    """Return the data set that a user names by its parts; None if none is given.

    Args:
        table: File of a complete table, or JSON data with the file and options of the evaluator
            ``table``. Of several trainings of an architecture one at random answers.
        space: Name, ``module:attribute`` or JSON data.
        evaluator: The same, instead of ``table``; by default what is usual for the space.

    Raises:
        InvalidOption: The space is not given, or a table and an evaluator are.
    """
    if table is None and space is None and evaluator is None:
        return None
    if space is None:
        raise InvalidOption("--table and --evaluator need the space that they are about: --space")
    if table is not None and evaluator is not None:
        raise InvalidOption("--table and --evaluator are both given: leave one of them out")
    of_space = _part("space", space)
    if table is not None:
        options = _part("table", table, "file")
        file = str(options.get("file", ""))
        return DataSet(Path(file).stem, of_space, {"name": "table", "seeds": "random", **options})
    judge = _part("evaluator", evaluator or usual("evaluator", make("space", of_space)))
    names = (str(part.get("name")).rpartition(":")[2] for part in (of_space, judge))
    return DataSet(" ".join(names), of_space, judge)


def _part(what: str, text: str, key: str = "name") -> Spec:
    return _json_object(what, text, f'{{"{key}": …}}') if text[:1] == "{" else {key: text}


def _json_object(what: str, text: str, example: str) -> Spec:
    try:
        spec = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidOption(
            f"the {what} {text!r} is no JSON ({error}): write it as {example!r}"
        ) from error
    if not isinstance(spec, dict):
        raise InvalidOption(f"the {what} {text!r} is no JSON object: write it as {example!r}")
    return spec


def _until(checkpoints: Sequence[int], budget: int) -> tuple[int, ...]:
    """Return the checkpoints that fit into the budget, and its end."""
    kept = [checkpoint for checkpoint in checkpoints if checkpoint < budget]
    return (*kept, budget)
