"""Compare search by edits with search by tokens on NAS-Bench-201's table.

    python benchmarks/learning/edits.py            # about ten minutes on one core
    python benchmarks/learning/edits.py --seeds 3  # a look

Stable-Baselines3's DQN edits architectures (``action="edit"``: one choice per step, incremental
rewards, six steps an episode), beginning at random ones or at the best so far, and is compared with
the agent ``sb3-dqn``, which writes them token by token, with random edits, which learn nothing, and
with random search. Every request counts, repeats and the beginnings of episodes too. The figure is
the accuracy, averaged over the table's trainings, of the architecture with the best reward so far.
``--write`` also writes ``benchmarks/results/edits.md``.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import DQN

from benchmarks.measure import differs, interval, machine, report
from nas_agents import random_search
from nas_agents.sb3 import dqn
from nas_gym.agent import Agent
from nas_gym.benchmark.statistics import holm, wilcoxon_p
from nas_gym.envs.edit_env import NASEditEnv
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.runs.markdown import table
from nas_gym.sb3 import StopAtBudget
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing.agent_suite import History, run_agent

BUDGETS = (50, 100, 150, 300)  # evaluations
ALPHA = 0.05
TABLE = NASBench201Table(seeds="random")
Requests = list[tuple[tuple[int, ...], float]]


def edits(seed: int, start: str) -> tuple[NASEditEnv[Any], History]:
    """Return an environment of edits, and what it writes to."""
    record = History()
    space = NASBench201()
    env = NASEditEnv(space, TABLE, start=start, budget=max(BUDGETS), seed=seed, record=record)
    return env, record


def dqn_edits(seed: int, start: str) -> Requests:
    """Let DQN edit."""
    env, record = edits(seed, start)
    scaled = gym.wrappers.TransformReward(env, lambda reward: 10 * reward)
    model = DQN(
        "MlpPolicy",
        scaled,
        learning_rate=1e-3,
        buffer_size=1000,
        learning_starts=30,
        batch_size=64,
        gamma=0.9,
        train_freq=1,
        gradient_steps=4,
        target_update_interval=60,
        exploration_fraction=200 / 10**6,  # of the steps below
        exploration_final_eps=0.1,
        policy_kwargs={"net_arch": [64]},
        seed=seed,
        device="cpu",
    )
    model.learn(10**6, callback=StopAtBudget())
    return record.requests


def random_edits(seed: int, start: str) -> Requests:
    """Edit at random, and never stop."""
    env, record = edits(seed, start)
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    while env.remaining > 0:
        opened = np.flatnonzero(env.action_masks()[:-1])
        _, _, ended, cut, _ = env.step(rng.choice(opened))
        if ended or cut:
            env.reset()
    return record.requests


def tokens(seed: int, agent: Agent) -> Requests:
    """Let an agent write architectures."""
    return run_agent(agent, TABLE, NASBench201(), budget=max(BUDGETS), seed=seed)


WAYS: dict[str, Callable[[int], Requests]] = {
    "DQN on edits, from random ones": lambda seed: dqn_edits(seed, "random"),
    "DQN on edits, from the best": lambda seed: dqn_edits(seed, "best"),
    "DQN on tokens": lambda seed: tokens(seed, dqn.PRESETS["default"]),
    "random edits, from random ones": lambda seed: random_edits(seed, "random"),
    "random edits, from the best": lambda seed: random_edits(seed, "best"),
    "random search": lambda seed: tokens(seed, random_search.PRESETS["default"]),
}
PAIRS = (
    ("DQN on edits, from random ones", "DQN on tokens"),
    ("DQN on edits, from the best", "DQN on tokens"),
    ("DQN on edits, from random ones", "random edits, from random ones"),
    ("DQN on edits, from the best", "random edits, from the best"),
    ("random edits, from the best", "DQN on tokens"),
)


def found(requests: Requests) -> list[float]:
    """Return the accuracy, percent, of what had the best reward by each budget."""
    best = [max(requests[:count], key=lambda request: request[1])[0] for count in BUDGETS]
    return [100 * TABLE.mean_accuracy(each) for each in best]


def page(seeds: Sequence[int]) -> str:
    """Return the tables, and what they say."""
    runs = {}
    for name, way in WAYS.items():
        begun = time.perf_counter()
        runs[name] = np.array([found(way(seed)) for seed in seeds])
        took = time.perf_counter() - begun
        print(f"{name}: {runs[name].mean(axis=0).round(2)}, {took / len(seeds):.1f} s per seed")
    rows = []
    for name, values in runs.items():
        errors = values.std(axis=0, ddof=1) / len(seeds) ** 0.5
        cells = zip(values.mean(axis=0), errors, strict=True)
        rows.append([name, *(f"{mean:.2f} ± {error:.2f}" for mean, error in cells)])
    last = {name: values[:, -1] for name, values in runs.items()}
    adjusted = holm([wilcoxon_p(last[one], last[other]) for one, other in PAIRS])
    verdicts = [
        verdict(*pair, last[pair[0]] - last[pair[1]], p)
        for pair, p in zip(PAIRS, adjusted.tolist(), strict=True)
    ]
    return f"""# Search by edits and by tokens

NAS-Bench-201 on CIFAR-10, accuracy (percent, averaged over the table's trainings) of the
architecture with the best reward so far, mean over {len(seeds)} seeds ± standard error; columns are
evaluations. The best possible is {100 * next(TABLE.ranking())[1]:.2f}. Written by
`python benchmarks/learning/edits.py --seeds {len(seeds)} --write` on
{machine()}.

{table(["search", *map(str, BUDGETS)], rows)}

## Paired by seed, after {max(BUDGETS)} evaluations

The interval is that of the mean difference; p is Wilcoxon's, by Holm's correction for
these {len(PAIRS)} comparisons. Searches differ where it is below {ALPHA}.

{chr(10).join(f"- {each}" for each in verdicts)}
"""


def verdict(one: str, other: str, differences: Any, p: float) -> str:
    """Return a sentence about two searches, which differ only if the test and the mean say so."""
    low, high = interval(differences)
    word = "not distinguishable from"
    if p < ALPHA and differs(differences):
        word = "better than" if differences.mean() > 0 else "worse than"
    return (
        f"{one} is {word} {other}: {differences.mean():+.2f} points (95 % interval {low:+.2f} to "
        f"{high:+.2f}, p = {p:.3g})"
    )


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=100, help="2 or more")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    report("edits", page(range(max(2, given.seeds))))


if __name__ == "__main__":
    main()
