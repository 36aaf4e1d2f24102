"""Measure the agents' defaults at small budgets, and what REINFORCE's come from.

Synthetic landscapes (``nas_gym.testing``), best child found within 50 to 500 evaluations. The
first table compares the agents on landscapes that nothing was tuned on (seeds 0 to 19); the second
changes one default of REINFORCE at a time on the landscapes of the tuning (seeds 1000 to 1011).

    python benchmarks/learning/reinforce_defaults.py            # about 15 minutes on one core
    python benchmarks/learning/reinforce_defaults.py --seeds 2  # a look
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_agents import random_search, regularized_evolution, reinforce
from nas_gym.agent import Agent
from nas_gym.runs import markdown
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitString, Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent

BUDGETS = (50, 100, 200, 500)
TUNING_BUDGETS = (50, 100, 200)
TUNING_SEED = 1000  # the reported seeds start at 0
NOISE = 0.005  # standard deviation of a child's accuracy
SPACES: dict[str, SearchSpace[Any]] = {
    "NASNet cells, 50 tokens": NASNetCell(),
    "NASNet cells of 2 blocks, 20 tokens": NASNetCell(blocks=2),
    "30 bits": BitString(30),
    "conditional chain, 7 to 25 tokens": LayerChain(8, min_depth=6),
    "conditional chain, 2 to 25 tokens": LayerChain(8),
}
MARKS = ("<!-- results, generated -->", "<!-- end of results -->")  # in docs/benchmarks/agents.md
DEFAULT = reinforce.PRESETS["default"]
AGENTS: dict[str, Agent] = {
    "random search": random_search.PRESETS["default"],
    "regularized evolution": regularized_evolution.PRESETS["default"],
    "REINFORCE": DEFAULT,
}
PAPERS: dict[str, Agent] = {
    "REINFORCE, preset nasnet2017": reinforce.PRESETS["nasnet2017"],
    "REINFORCE, preset zoph2016": reinforce.PRESETS["zoph2016"],
}
CHANGES: tuple[dict[str, Any], ...] = (
    {"epochs": 1, "clip_range": None},
    {"epochs": 6},
    {"learning_rate": 0.01},
    {"batch_size": 4},
    {"batch_size": 16},
    {"baseline_decay": 0.9},
    {"mean_entropy_weight": 0.0},
    {"mean_entropy_weight": 0.0, "entropy_weight": 0.05},
    {"choice_bias": False},
    {"normalize_advantages": False},
    {"hidden_size": 100},
)
VARIANTS: dict[str, Agent] = {
    "random search": AGENTS["random search"],
    "REINFORCE": DEFAULT,
    **{
        ", ".join(f"{name} {value}" for name, value in change.items()): replace(DEFAULT, **change)
        for change in CHANGES
    },
}
Best = npt.NDArray[np.float64]  # (seeds, budgets): best accuracy found


def best_found(
    agent: Agent, space: SearchSpace[Any], seeds: Sequence[int], budgets: Sequence[int]
) -> Best:
    """Return the accuracy, without noise, of the child with the best reward, by budget."""
    rows = []
    for seed in seeds:
        landscape = Landscape(space, seed, noise=NOISE)
        requests = run_agent(agent, landscape, space, budget=max(budgets), seed=seed)
        rewards = [reward for _, reward in requests]
        chosen = [requests[int(np.argmax(rewards[:budget]))][0] for budget in budgets]
        rows.append([landscape.accuracy(tokens) for tokens in chosen])
    return np.array(rows)


def table(
    agents: Mapping[str, Agent],
    space: SearchSpace[Any],
    seeds: Sequence[int],
    budgets: Sequence[int],
) -> str:
    """Tabulate mean, standard error, and seeds won and lost against the first agent."""
    rows: list[list[str]] = []
    yardstick: Best | None = None
    for name, agent in agents.items():
        best = best_found(agent, space, seeds, budgets)
        yardstick = best if yardstick is None else yardstick
        errors = best.std(axis=0, ddof=1) / len(seeds) ** 0.5
        won, lost = (best > yardstick).sum(axis=0), (best < yardstick).sum(axis=0)
        cells = [
            f"{mean:.4f} ± {error:.4f}" + ("" if best is yardstick else f" ({more}:{less})")
            for mean, error, more, less in zip(best.mean(axis=0), errors, won, lost, strict=True)
        ]
        rows.append([name, *cells])
        print(*rows[-1], sep=" | ", flush=True)
    return markdown.table(["agent", *map(str, budgets)], rows)


def reported(seeds: int) -> str:
    """Report what every agent reaches on landscapes that nothing was tuned on."""
    parts = [
        "Written by `python benchmarks/learning/reinforce_defaults.py`. Accuracy of the child "
        "with the best "
        "reward so far (mean over seeds ± standard error; in brackets the seeds won and lost "
        f"against random search). Rewards carry normal noise of {NOISE}, the accuracies in the "
        "tables do not; 0.98 is the best possible, 0.88 a typical random architecture.",
    ]
    for name, space in SPACES.items():
        agents = AGENTS | (PAPERS if name == next(iter(SPACES)) else {})
        parts += [f"### {name}", table(agents, space, range(seeds), BUDGETS)]
    return "\n\n".join(parts)


def tuning(seeds: int) -> str:
    """Report REINFORCE's defaults and one change at a time, on the landscapes of the tuning."""
    last = TUNING_SEED + seeds
    parts = [f"## Tuning landscapes: seeds {TUNING_SEED} to {last - 1}"]
    for name in list(SPACES)[:2]:
        text = table(VARIANTS, SPACES[name], range(TUNING_SEED, last), TUNING_BUDGETS)
        parts += [f"### {name}, tuning", text]
    return "\n\n".join(parts)


def main() -> None:
    """Run, and write the page beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20, help="landscapes of the first table")
    parser.add_argument(
        "--tuning-seeds", type=int, default=12, help="landscapes of the second table"
    )
    given = parser.parse_args()
    results = reported(given.seeds)
    page = Path(__file__).parents[1] / "results" / "reinforce_defaults.md"
    page.parent.mkdir(exist_ok=True)
    heading = f"# Agents at small budgets\n\n## Reported landscapes: seeds 0 to {given.seeds - 1}"
    page.write_text(f"{heading}\n\n{results}\n\n{tuning(given.tuning_seeds)}\n")
    agents = Path(__file__).parents[2] / "docs" / "benchmarks" / "agents.md"
    before, _, rest = agents.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    agents.write_text(f"{before}{MARKS[0]}\n\n{results}\n\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
