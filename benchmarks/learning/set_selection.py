"""Find out whether attention between layers helps where layers are connected by bits.

    python benchmarks/learning/set_selection.py [--seeds 30] [--write]

REINFORCE on ``ConvNet`` with and without set-selection attention, with all other settings at their
defaults or as ``zoph2016`` has ``choice_bias`` (off), beside evolution and random search, under
seeds that nothing was tuned on. Two landscapes: ``Landscape``, where every bit is good or bad by
its name, and ``Readers``, where it depends on what the earlier layer is. About five minutes on one
core. ``--write`` also writes ``benchmarks/results/set_selection.md``.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.measure import machine, report
from nas_agents.random_search import RandomSearch
from nas_agents.regularized_evolution import RegularizedEvolution
from nas_agents.reinforce import Reinforce
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.markdown import numbers_table
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.grammar import decode
from nas_gym.testing import Landscape
from nas_gym.testing.agent_suite import run_agent

FIRST_SEED = 2000
BUDGETS = (50, 100, 300)
NOISE = 0.005
AGENTS: dict[str, Any] = {
    "attention": Reinforce(),
    "no attention": Reinforce(attention=False),
    "attention, no `choice_bias`": Reinforce(choice_bias=False),
    "no attention, no `choice_bias`": Reinforce(choice_bias=False, attention=False),
    "regularized evolution": RegularizedEvolution(),
    "random search": RandomSearch(),
}
Job = tuple[str, str, int, int]


@dataclass(frozen=True)
class Readers:
    """A layer should read those earlier layers that have 48 filters or more, and no others.

    Accuracy is 0.5 and half the fraction of right bits, plus normal noise.
    """

    space: ConvNet

    stateful = False

    def accuracy(self, tokens: Sequence[int]) -> float:
        """Return the accuracy without noise."""
        layers = decode(self.space, tokens).layers
        right = [
            (j in layer.inputs) == (layers[j].filters >= 48)
            for i, layer in enumerate(layers)
            for j in range(i)
        ]
        return 0.5 + 0.5 * float(np.mean(right))

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture."""
        for architecture, seed in zip(architectures, seeds, strict=True):
            noise = NOISE * float(np.random.default_rng(seed).standard_normal())
            accuracy = min(1.0, self.accuracy(architecture.tokens) + noise)
            yield Evaluation(architecture, {"accuracy": accuracy}, source="landscape")

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def found(job: Job) -> list[float]:
    """Return the true accuracy of the child with the best reward, at each budget."""
    import torch

    torch.set_num_threads(1)
    name, kind, depth, seed = job
    space = ConvNet(depth=depth)
    landscape: Any = Landscape(space, seed, noise=NOISE) if kind == "names" else Readers(space)
    answers = run_agent(AGENTS[name], landscape, space, budget=max(BUDGETS), seed=seed)
    return [landscape.accuracy(max(answers[:n], key=lambda answer: answer[1])[0]) for n in BUDGETS]


def table(kind: str, depth: int, seeds: Sequence[int], pool: ProcessPoolExecutor) -> str:
    """Tabulate one line per agent, and what attention is worth, paired by seed."""
    jobs = [(name, kind, depth, seed) for name in AGENTS for seed in seeds]
    every = np.array(list(pool.map(found, jobs, chunksize=2)))
    runs = dict(zip(AGENTS, every.reshape(len(AGENTS), len(seeds), len(BUDGETS)), strict=True))
    with_it, without, plain, plain_without = list(runs.values())[:4]
    runs["*what attention adds*"] = with_it - without
    runs["*and without `choice_bias`*"] = plain - plain_without
    rows = []
    for name, values in runs.items():
        errors = values.std(axis=0, ddof=1) / len(seeds) ** 0.5
        means = values.mean(axis=0)
        cells = [f"{m:.4f} ± {e:.4f}" for m, e in zip(means, errors, strict=True)]
        rows.append([name, *cells])
    title = {"names": "Every bit good or bad by its name", "readers": "It depends on the layer"}
    shown = numbers_table(["agent", *map(str, BUDGETS)], rows)
    return f"## {title[kind]}, {depth} layers\n\n{shown}"


def main() -> None:
    """Search, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        tables = [table(kind, n, seeds, pool) for kind in ("names", "readers") for n in (6, 12)]
    everything = "\n\n".join(tables)
    report(
        "set_selection",
        "# Attention between layers, with and without\n\nTrue accuracy of the child with the best "
        f"reward so far, mean over seeds {seeds[0]} to {seeds[-1]} ± standard error, rewards with "
        f"normal noise of {NOISE}; differences are paired by seed ({machine()}); printed by "
        f"`python benchmarks/learning/set_selection.py`.\n\n{everything}\n",
    )


if __name__ == "__main__":
    main()
