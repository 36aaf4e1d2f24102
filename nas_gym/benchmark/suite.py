"""Suites of the benchmarks: agents, data sets, seeds and budgets, all of them data."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nas_gym.errors import InvalidOption, UnknownName, unknown_name
from nas_gym.options import check
from nas_gym.plugins import names
from nas_gym.registry import make

FAMILIES = {"rl": "RL", "evolution": "evolution", "other": "other"}  # in tables
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Entrant:
    """An agent under the name that tables and figures give it."""

    label: str
    agent: Spec  # what nas_gym.registry.make("agent", …) takes
    family: str  # one of FAMILIES


@dataclass(frozen=True)
class DataSet:
    """A space to search, and a table that knows all of it."""

    label: str
    space: Spec
    evaluator: Spec


@dataclass(frozen=True)
class Suite:
    """Every agent x every data set x every seed.

    Args:
        name: Name of the suite, and of its folder of results.
        summary: One line.
        entries: The agents.
        datasets: The data sets.
        seeds: Searches of each agent on each data set, with seeds 0, 1, …; >= 2.
        budget: Evaluations per search, repeats included.
        checkpoints: Evaluations after which an agent is asked for its recommendation, ascending.
        judged: Those of ``checkpoints`` that tables and verdict are about.
        workers: Machines of the simulated cluster.
        yardstick: Label of the evolution that RL is measured against.
        notes: What else a reader of the tables has to know.
    """

    name: str
    summary: str
    entries: tuple[Entrant, ...]
    datasets: tuple[DataSet, ...]
    seeds: int = 200
    budget: int = 500
    checkpoints: tuple[int, ...] = (50, 150, 300, 500)
    judged: tuple[int, ...] = (150, 300, 500)
    workers: int = 8
    yardstick: str = "regularized-evolution/tabular"
    notes: str = ""


def _entry(label: str, family: str, **options: Any) -> Entrant:
    """Make an entry for an agent of the plug-in table, under its own name or with options."""
    return Entrant(label, {"name": label, **options}, family)


def _nasbench201(dataset: str) -> DataSet:
    """Reward with one random seed's validation accuracy: each request is another training."""
    evaluator = {"name": "nasbench201", "dataset": dataset, "seeds": "random"}
    return DataSet(dataset, {"name": "nasbench201"}, evaluator)


SEEDS, BUDGETS = (2, 1_000_000), (1, 10_000_000)  # least and most

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "rl-vs-evolution",
            "reinforcement learning against evolution on NAS-Bench-201",
            entries=(
                _entry("random-search", "other"),
                _entry("local-search", "other"),
                _entry("regularized-evolution", "evolution"),
                _entry("regularized-evolution/tabular", "evolution"),  # P = 50, S = 10
                _entry("genetic", "evolution"),
                _entry("nsga2", "evolution"),
                _entry("predictor-evolution", "evolution"),
                _entry("softmax-reinforce", "rl"),
                _entry("reinforce", "rl"),
                _entry("ppo", "rl"),
                _entry("priority-queue", "rl"),
                _entry("path-consistency", "rl"),
                _entry("model-based-reinforce", "rl"),
                # Without `sb3-ppo`: if every option is open, it is the same agent.
                _entry("sb3-maskable-ppo", "rl"),
                _entry("sb3-a2c", "rl"),
                _entry("sb3-dqn", "rl"),
            ),
            datasets=tuple(map(_nasbench201, ("cifar10", "cifar100", "imagenet16-120"))),
            notes="All agents have their default settings, which were tuned only on synthetic "
            "landscapes. The range, the scarcity of good cells and the noise of these "
            "(`nas_gym.testing.tuning_landscape`) are roughly those of CIFAR-10 here; which cells "
            "are good is not. `sb3-ppo` is left out: if every option is open, it asks for the "
            "same cells as `sb3-maskable-ppo`. `nsga2` minimises the parameters as well, and is "
            "judged here by the accuracy alone.",
        ),
        Suite(
            "reference-points",
            "plain algorithms beside an independent program's numbers",
            entries=(
                _entry("random-search", "other"),
                _entry("local-search/white2020", "other"),
                _entry("regularized-evolution/tabular", "evolution"),
                _entry(
                    "softmax-reinforce/nats-bench, rate 0.1",
                    "rl",
                    name="softmax-reinforce/nats-bench",
                    learning_rate=0.1,
                ),
            ),
            datasets=(_nasbench201("cifar10"),),
            budget=300,
            checkpoints=(150, 300),
            judged=(150, 300),
        ),
    )
}

SIGNALS = "proxies"  # the benchmark that has no agents: ``nas_gym.benchmark.study``
CELLS = 1_000  # of it
# By name, what each benchmark is about.
BENCHMARKS: dict[str, str] = {
    **{name: suite.summary for name, suite in SUITES.items()},
    SIGNALS: "cheap signals of how good a cell is against trained cells' accuracies",
}


def suite_named(name: str) -> Suite:
    """Return the suite of that name; raise UnknownName if there is none."""
    if name not in SUITES:
        raise unknown_name("benchmark", name, BENCHMARKS)
    return SUITES[name]


def narrowed(
    suite: Suite,
    *,
    agents: Sequence[str] = (),
    datasets: Sequence[str] = (),
    seeds: int | None = None,
    budget: int | None = None,
) -> Suite:
    """Return ``suite`` with only some agents, data sets, seeds or evaluations.

    Args:
        suite: The suite; empty and None keep all of it.
        agents: Labels, and any other agents: names of the plug-in table (``ppo``,
            ``reinforce/zoph2016``), ``module:Class`` of the user's own, or JSON data.
        datasets: Labels, and any other tables as JSON data: ``{"label": …, "space": …,
            "evaluator": …}``.
        seeds: Searches of each agent on each data set, in [2, 1,000,000].
        budget: Evaluations per search, in [1, 10,000,000].

    Raises:
        UnknownName: No such agent or data set.
        InvalidOption: A number out of range, an agent given twice or that cannot be made.
    """
    seeds, budget = check("seeds", seeds, int | None), check("budget", budget, int | None)
    for what, value, (least, most) in (("seeds", seeds, SEEDS), ("budget", budget, BUDGETS)):
        if value is not None and not least <= value <= most:
            end = f"{least} or more" if value < least else f"{most} or less"
            raise InvalidOption(f"{what} is {value}: give {end}")
    if agents:
        suite = replace(suite, entries=tuple(_found(suite, agent) for agent in agents))
        suite = replace(suite, yardstick=_yardstick(suite))
    if datasets:
        suite = replace(suite, datasets=tuple(_dataset(suite, given) for given in datasets))
    for listed in ([e.label for e in suite.entries], [d.label for d in suite.datasets]):
        twice = sorted({label for label in listed if listed.count(label) > 1})
        if twice:
            raise InvalidOption(f"{', '.join(twice)} is given twice: name it once")
    if budget is not None:
        suite = replace(
            suite,
            budget=budget,
            checkpoints=_until(suite.checkpoints, budget),
            judged=_until(suite.judged, budget),
        )
    return replace(suite, seeds=suite.seeds if seeds is None else seeds)


def entry_of(spec: Spec, label: str, family: str = "other") -> Entrant:
    """Return an entry for an agent that no suite lists, if it can be made."""
    make("agent", spec)
    return Entrant(label, dict(spec), family)


def _found(suite: Suite, given: str) -> Entrant:
    known = {entry.label: entry for entry in suite.entries}
    if given in known:
        return known[given]
    if given.lstrip().startswith("{"):
        spec = _json_object("agent", given, '{"name": "reinforce", "batch_size": 4}')
        label = ",".join(str(value) for value in spec.values())
        return entry_of(spec, label, _family(known, str(spec.get("name"))))
    try:
        return entry_of({"name": given}, given.replace(":", "."), _family(known, given))
    except UnknownName:
        if ":" in given or given.partition("/")[0] in names("agent"):
            raise
        raise unknown_name("agent", given, {*known, *names("agent")}) from None


def _yardstick(suite: Suite) -> str:
    """Return the suite's own yardstick if it is there, else the first evolution or agent."""
    evolution = [entry.label for entry in suite.entries if entry.family == "evolution"]
    labels = [entry.label for entry in suite.entries]
    return suite.yardstick if suite.yardstick in labels else [*evolution, *labels][0]


def _dataset(suite: Suite, given: str) -> DataSet:
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


def _family(known: Mapping[str, Entrant], name: str) -> str:
    """Return the family of the listed agent of which ``name`` is a preset."""
    base = name.partition("/")[0]
    return next((e.family for e in known.values() if e.agent["name"] == base), "other")


def _until(checkpoints: Sequence[int], budget: int) -> tuple[int, ...]:
    """Return the checkpoints that fit into the budget, and its end."""
    kept = [checkpoint for checkpoint in checkpoints if checkpoint < budget]
    return (*kept, budget)


def shares(total: int, size: int) -> list[range]:
    """Cut ``range(total)`` into consecutive pieces of ``size``; the last may be shorter."""
    pieces = math.ceil(total / size)
    return [range(i * size, min(total, (i + 1) * size)) for i in range(pieces)]
