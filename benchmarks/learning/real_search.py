"""Find out whether agents find better cells than random search if children are really trained.

    python benchmarks/learning/real_search.py [--seeds 3] [--budget 100] [--write]

Every agent searches NASNet cells on digits with the default recipe, same budget, same seeds; about
two minutes per search on two cores. ``--write`` also writes ``benchmarks/results/real_search.md``.
"""

import argparse
import os
import statistics

import nas_gym
from benchmarks.measure import machine, report
from nas_gym.runs.markdown import table

AGENTS = ("random-search", "regularized-evolution", "reinforce")


def accuracies(agent: str, seed: int, budget: int) -> list[float]:
    """Return the validation accuracy of each child in order; a failed one counts as 0."""
    result = nas_gym.search(
        "nasnet-cell", "training", agent, budget=budget, seed=seed, workers=os.cpu_count() or 1,
        asynchronous=False,
    )  # fmt: skip
    return [answer.evaluation.accuracy or 0.0 for answer in result.answers]


def shown(values: list[float]) -> str:
    """Return the mean and the single values."""
    return f"{statistics.mean(values):.4f} ({', '.join(f'{value:.4f}' for value in values)})"


def main() -> None:
    """Search with every agent and seed, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = []
    for agent in AGENTS:
        runs = [accuracies(agent, seed, given.budget) for seed in range(given.seeds)]
        best = [max(run) for run in runs]
        late = [statistics.mean(run[-given.budget // 4 :]) for run in runs]
        rows.append([agent, shown(best), shown(late)])
        print(*rows[-1], sep=" | ", flush=True)
    report(
        "real_search",
        f"# Agents on really trained cells\n\n{given.budget} children per search, default space, "
        f"data set and recipe, seeds 0 to {given.seeds - 1} ({machine()}); printed by `python "
        "benchmarks/learning/real_search.py`. Validation accuracies, mean and single seeds.\n\n"
        f"{table(['agent', 'best child', 'mean of the last quarter'], rows)}\n",
    )


if __name__ == "__main__":
    main()
