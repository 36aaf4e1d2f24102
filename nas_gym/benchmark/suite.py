"""Suites of the benchmarks: agents, data sets, seeds and budgets, all of them data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas_gym.errors import unknown_name

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
    """A space to search, and who says how good an architecture is: mostly a complete table."""

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
        objectives: Of agents with several; then the share of the true front's hypervolume is
            measured instead of the accuracy. Empty: the accuracy alone.
        rewards: Whether the best of the data sets is not known, so that rewards are shown.
        pairs: Labels of agents that are compared with each other at the end, the first with the
            second.
        question: What the pairs answer.
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
    objectives: tuple[str, ...] = ()
    rewards: bool = False
    pairs: tuple[tuple[str, str], ...] = ()
    question: str = ""


def _entry(label: str, family: str, **options: Any) -> Entrant:
    """Make an entry for an agent of the plug-in table, under its own name or with options."""
    return Entrant(label, {"name": label, **options}, family)


SEPARATELY = "nas_agents.separate_budgets:SeparateBudgets"
OBJECTIVES = ("accuracy", "-parameters", "-latency")


def _several(label: str, family: str, **options: Any) -> Entrant:
    """Make an entry for an agent with several objectives."""
    return _entry(label, family, **{"name": label, "objectives": OBJECTIVES, **options})


def _nasbench201(dataset: str) -> DataSet:
    """Reward with one random seed's validation accuracy: each request is another training."""
    evaluator = {"name": "nasbench201", "dataset": dataset, "seeds": "random"}
    return DataSet(dataset, {"name": "nasbench201"}, evaluator)


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
            seeds=60,  # less than a quarter of an hour on two cores; what is published has 200
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
        Suite(
            "pareto",
            "several objectives: accuracy, parameters and latency on NAS-Bench-201",
            entries=(
                _entry("random-search", "other"),
                _several("nsga2", "evolution"),
                _several("mo-evolution", "evolution"),
                _several("mo-evolution/tabular", "evolution"),
                _entry("regularized-evolution/tabular", "evolution"),
                *(
                    _several(f"{name}-{way}", "rl", name=name, scalarization=way)
                    for name in ("reinforce", "ppo")
                    for way in ("linear", "chebyshev")
                ),
                *(
                    _entry(f"{name}-budgets", "rl", name=name, budgets="parameters")
                    for name in ("reinforce", "ppo")
                ),
                *(
                    _entry(f"{name}-separately", "rl", name=SEPARATELY, agent=name)
                    for name in ("reinforce", "ppo")
                ),
            ),
            datasets=tuple(map(_nasbench201, ("cifar10", "cifar100", "imagenet16-120"))),
            seeds=100,
            budget=300,
            checkpoints=(50, 150, 300),
            judged=(50, 150, 300),
            yardstick="nsga2",
            notes="All agents have their default settings. `-linear` and `-chebyshev` are one "
            "policy that sees a preference among the objectives, `-budgets` one that sees a budget "
            "for the parameters and is rewarded by the accuracy, `-separately` eight policies with "
            "a budget each that share the evaluations; `regularized-evolution/tabular` knows of "
            "the accuracy alone.",
            objectives=OBJECTIVES,
            pairs=tuple((f"{name}-budgets", f"{name}-separately") for name in ("reinforce", "ppo")),
            question="Is one policy for all budgets better than a search for each?",
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


def shares(total: int, size: int) -> list[range]:
    """Cut ``range(total)`` into consecutive pieces of ``size``; the last may be shorter."""
    pieces = math.ceil(total / size)
    return [range(i * size, min(total, (i + 1) * size)) for i in range(pieces)]
