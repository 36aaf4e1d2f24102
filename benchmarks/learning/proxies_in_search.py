"""Measure what zero-cost proxies are worth in a search: the same agent with them and without.

    python benchmarks/learning/proxies_in_search.py --write       # hours: it says how many are left
    python benchmarks/learning/proxies_in_search.py --quick       # a look, in minutes

On NAS-Bench-201's tables, each request another training, seeds paired: the first architectures,
the filter of proposals, the features of the predictors, each beside the agent alone. What counts is
the mean accuracy of the cell that is recommended after 20, 50, 100 and 150 evaluations. Finished
searches are kept in ``runs/benchmarks/proxies-in-search``, scores in ``--keep``; both go on where
they were cut. ``--write`` writes ``benchmarks/results/proxies_in_search.md``. Run it in the
repository's root.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measure import machine, report
from nas_gym.benchmark import chunks
from nas_gym.benchmark.chunks import Unit
from nas_gym.benchmark.runner import run_units
from nas_gym.benchmark.statistics import holm, standard_error, wilcoxon_p
from nas_gym.benchmark.study import TRUTHS
from nas_gym.benchmark.suite import DataSet, Entrant, Suite
from nas_gym.benchmark.trials import Trials, known
from nas_gym.runs.markdown import numbers_table

FOLDER = Path("runs/benchmarks/proxies-in-search")
AGENTS = (
    "random-search", "regularized-evolution/tabular", "local-search", "reinforce",
    "predictor-evolution", "model-based-reinforce",
)  # fmt: skip
PREDICTORS = ("predictor-evolution", "model-based-reinforce")
EARLY = 10  # random architectures before the first fit, instead of 40
FEATURES = ["az-nas", "synflow", "nwot"]
FIRST = 20  # cells, the best of those that are scored
CHECKPOINTS = (20, 50, 100, 150)
Floats = npt.NDArray[np.float64]


def entries(agents: Sequence[str], scored: int, keep: str) -> tuple[list[Entrant], dict[str, str]]:
    """Return the agents alone and with proxies, and who is compared with whom, by label."""
    options = {"cache": keep}
    found, pairs = [], {}
    for agent in agents:
        kinds: dict[str, dict[str, Any]] = {
            "first": {"name": "with-proxy", "agent": agent, "scored": scored, "first": FIRST},
            "filter": {"name": "with-proxy/filter", "agent": agent},
        }
        kinds = {kind: {**spec, "proxy_options": options} for kind, spec in kinds.items()}
        if agent in PREDICTORS:
            features = {"name": agent, "proxies": FEATURES, "proxy_options": options}
            kinds["features"] = features
            kinds["features, early"] = {**features, "initial": EARLY}
        found.append(Entrant(agent, {"name": agent}, "other"))
        for kind, spec in kinds.items():
            label = f"{agent}, {kind}"
            found.append(Entrant(label, spec, "other"))
            pairs[label] = agent
    return found, pairs


def tables(names: Sequence[str]) -> tuple[DataSet, ...]:
    """Return NAS-Bench-201's data sets, each request another training."""
    space = {"name": "nasbench201"}
    return tuple(
        DataSet(n, space, {"name": "nasbench201", "dataset": n, "seeds": "random"}) for n in names
    )


def recommended(units: Sequence[Unit]) -> dict[tuple[str, str], Floats]:
    """Return, by agent and data set, accuracies in percent, (seeds, checkpoints)."""
    parts: dict[tuple[str, str], list[Trials]] = {}
    for unit in units:
        if unit.done():
            parts.setdefault((unit.entry.label, unit.dataset.label), []).append(
                chunks.read(unit.file)
            )
    datasets = {unit.dataset.label: unit.dataset for unit in units}
    truths = {n: known(d.space, d.evaluator).accuracies for n, d in datasets.items()}
    return {key: truths[key[1]][Trials.joined(trials).recommended] for key, trials in parts.items()}


def table_of(
    suite: Suite,
    dataset: str,
    found: Mapping[tuple[str, str], Floats],
    pairs: Mapping[str, str],
    differences: dict[tuple[str, int], list[tuple[float, bool]]],
) -> str:
    """Tabulate means, and differences from the agent alone, paired by seed.

    Args:
        suite: What was run.
        dataset: The table.
        found: Accuracies in percent, (seeds, checkpoints), by agent and table.
        pairs: The agent alone, by label.
        differences: Mean differences, and whether they are significant, are added here by way
            and checkpoint.
    """
    rows: list[list[str]] = []
    tests: list[tuple[int, int, str, float, float]] = []
    for (label, of), values in found.items():
        if of != dataset:
            continue
        alone = found[pairs[label], dataset] if label in pairs else None
        cells = []
        for i in range(values.shape[1]):
            text = f"{values[:, i].mean():.2f}"
            if alone is not None:
                more = values[:, i] - alone[:, i]
                p = wilcoxon_p(values[:, i], alone[:, i])
                tests.append((len(rows), i, label.partition(", ")[2], float(more.mean()), p))
                text += f" ({more.mean():+.2f} ± {standard_error(more):.2f})"
            cells.append(text)
        rows.append([label, *cells])
    for (row, i, way, mean, _), p in zip(tests, holm([p for *_, p in tests]), strict=True):
        rows[row][i + 1] += " *" if p < 0.05 else ""
        differences.setdefault((way, i), []).append((mean, p < 0.05))
    return numbers_table(["agent", *map(str, suite.checkpoints)], rows)


def summary_of(
    suite: Suite, differences: Mapping[tuple[str, int], Sequence[tuple[float, bool]]]
) -> str:
    """Tabulate what each way is worth over all agents and tables."""
    rows = []
    for way in dict.fromkeys(way for way, _ in differences):
        cells = []
        for i in range(len(suite.checkpoints)):
            told = differences[way, i]
            mean = np.mean([more for more, _ in told])
            better = sum(more > 0 for more, sure in told if sure)
            worse = sum(more < 0 for more, sure in told if sure)
            cells.append(f"{mean:+.2f} ({better} better, {worse} worse of {len(told)})")
        rows.append([way, *cells])
    return numbers_table(["way", *map(str, suite.checkpoints)], rows)


def page(suite: Suite, units: Sequence[Unit], pairs: Mapping[str, str], scored: int) -> str:
    """Return the page of results."""
    found = recommended(units)
    differences: dict[tuple[str, int], list[tuple[float, bool]]] = {}
    shown = "\n\n".join(
        f"## {dataset.label}\n\n{table_of(suite, dataset.label, found, pairs, differences)}"
        for dataset in suite.datasets
    )
    return f"""# Zero-cost proxies in a search

Mean accuracy, in percent, of the cell that is recommended after so many evaluations;
{suite.seeds} seeds, in brackets the difference from the same agent alone, paired by seed, ± its
standard error; * marks those of Wilcoxon's test with p < 0.05 after Holm's correction for the
table. *first*: the best {FIRST} of {scored:,} random cells by AZ-NAS are evaluated first. *filter*:
a quarter of the proposals is evaluated, by AZ-NAS. *features*: the predictor knows
{", ".join(FEATURES)}; *early*: it is fitted after {EARLY} random cells instead of 40.
Proxies are those of small networks (one cell per stack, 8 filters, 16 x 16 pixels, Gaussian
images). {machine()}; written by
`python benchmarks/learning/proxies_in_search.py --write`.

## What they are worth

The difference from the agent alone, averaged over agents and tables, in points, and how many of
these differences are significant, either way.

{summary_of(suite, differences)}

{shown}
"""


def main() -> None:
    """Search what is missing, then print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=max(CHECKPOINTS), help="evaluations")
    parser.add_argument("--scored", type=int, default=1000, help="random cells of `first`")
    parser.add_argument("--agents", nargs="+", default=list(AGENTS))
    parser.add_argument("--datasets", nargs="+", default=list(TRUTHS))
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--keep", default="runs/benchmarks/proxies-small.jsonl")
    parser.add_argument("--quick", action="store_true", help="few seeds, agents and cells")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.scored, given.datasets = 4, 60, ["cifar10"]
        given.agents = ["regularized-evolution/tabular", "predictor-evolution"]
    Path(given.keep).parent.mkdir(parents=True, exist_ok=True)
    checkpoints = (*(c for c in CHECKPOINTS if c < given.budget), given.budget)
    agents, pairs = entries(given.agents, given.scored, given.keep)
    suite = Suite(
        "proxies-in-search", "the same agent with proxies and without", tuple(agents),
        tables(given.datasets), seeds=given.seeds, budget=given.budget,
        checkpoints=checkpoints, judged=checkpoints,
    )  # fmt: skip
    units = chunks.units(suite, FOLDER)
    for failure in run_units(units, given.workers):
        print(f"left out: {failure}")
    report("proxies_in_search", page(suite, units, pairs, given.scored))


if __name__ == "__main__":
    main()
