"""Compare three ways to stay within a budget of parameters, on NAS-Bench-201's table.

    python benchmarks/learning/limits.py            # about 20 minutes on one core
    python benchmarks/learning/limits.py --seeds 3  # a look

*Masks* close what would break the limit; the *soft reward* is the accuracy, less if the limit is
exceeded (``accuracy-under-target`` with its default exponent); *rejection* knows of the limit only
when an architecture is complete: what breaks it is drawn again by agents that draw and mutate, and
has reward 0, but costs an evaluation, where a policy writes it. The figure is the accuracy of the
best architecture within the limit among 150 evaluations. ``--write`` also writes
``benchmarks/results/limits.md``.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import report
from nas_agents import random_search, regularized_evolution, reinforce, softmax_reinforce
from nas_gym.agent import Agent
from nas_gym.envs.rewards import AccuracyUnderTarget
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table, benchmark_task
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.limits import LimitedSpace
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing.agent_suite import History

BUDGET = 150
LIMITS = (130_000, 350_000, 600_000)  # parameters
AGENTS: dict[str, Agent] = {
    "random search": random_search.PRESETS["default"],
    "regularized evolution": regularized_evolution.PRESETS["default"],
    "REINFORCE on softmaxes": softmax_reinforce.PRESETS["default"],
    "REINFORCE": reinforce.PRESETS["default"],
}
TABLE = NASBench201Table()


def parameters(tokens: Tokens) -> int:
    """Return the trainable parameters of the benchmark's network."""
    return 73_306 + 243_040 * tokens.count(3) + 28_000 * tokens.count(2)


class Rejecting(LimitedSpace[Any]):
    """The space without masks, whose costs are known at once."""

    def costs_of(self, tokens: Tokens) -> dict[str, int]:
        """Return the parameters."""
        return {"parameters": parameters(tokens)}


def masked(limit: int, **options: Any) -> NASVectorEnv[Any]:
    """Return the environment with masks."""
    return NASVectorEnv(NASBench201(), TABLE, limits={"parameters": limit}, **options)


def soft(limit: int, **options: Any) -> NASVectorEnv[Any]:
    """Return the environment with the soft reward."""
    return NASVectorEnv(NASBench201(), TABLE, reward=AccuracyUnderTarget(limit), **options)


def rejecting(limit: int, **options: Any) -> NASVectorEnv[Any]:
    """Return the environment that knows of the limit at the end."""
    limits = limits_of({"parameters": limit})
    space = Rejecting(NASBench201(), limits, benchmark_task("cifar10"), None)
    return NASVectorEnv(space, TABLE, **options)


WAYS: dict[str, Callable[..., NASVectorEnv[Any]]] = {
    "masks": masked,
    "soft reward": soft,
    "rejection": rejecting,
}


def best_within(
    way: Callable[..., NASVectorEnv[Any]], agent: Agent, limit: int, seeds: Sequence[int]
) -> tuple[float, float, float]:
    """Return mean and standard error of the best accuracies, percent, and the share within."""
    best, share = [], []
    for seed in seeds:
        record = History()
        env = way(limit, num_envs=agent.batch_size, budget=BUDGET, seed=seed, record=record)
        env.reset(seed=seed)
        agent.search(env)
        within = [tokens for tokens, _ in record.requests if parameters(tokens) <= limit]
        best.append(max((100 * TABLE.mean_accuracy(t) for t in within), default=0.0))
        share.append(len(within) / BUDGET)
    error = float(np.std(best, ddof=1)) / len(best) ** 0.5 if len(best) > 1 else 0.0
    return float(np.mean(best)), error, float(np.mean(share))


def page(seeds: int) -> str:
    """Return the tables of all limits."""
    parts = [
        "# Ways to stay within a budget of parameters",
        "Written by `python benchmarks/learning/limits.py --write`: NAS-Bench-201 on CIFAR-10, "
        f"best validation accuracy (percent, mean over {seeds} seeds ± standard error) of an "
        f"architecture within the limit after {BUDGET} evaluations; in brackets the share of the "
        "evaluations that were within it.",
    ]
    for limit in LIMITS:
        rows = []
        for name, agent in AGENTS.items():
            cells = [best_within(way, agent, limit, range(seeds)) for way in WAYS.values()]
            rows.append([name, *(f"{m:.2f} ± {e:.2f} ({s:.0%})" for m, e, s in cells)])
            print(*rows[-1], sep=" | ", flush=True)
        most = max(TABLE.mean_accuracy(t) for t, _ in TABLE.ranking() if parameters(t) <= limit)
        parts += [
            f"## At most {limit:,} parameters: {100 * most:.2f} is possible",
            table(["agent", *WAYS], rows),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    report("limits", page(parser.parse_args().seeds))


if __name__ == "__main__":
    main()
