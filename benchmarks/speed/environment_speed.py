"""Measure how fast the environments step, and how fast the package is imported.

    python benchmarks/speed/environment_speed.py [--write]

Prints medians; both sides of a ratio are measured in turns in the same run. ``--write`` also writes
``benchmarks/results/environment_speed.md``.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np

import nas_gym
from benchmarks.measure import machine, report
from nas_gym.envs.env import final_info
from nas_gym.envs.episode import fold_tokens
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.rewards import Accuracy
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import decode_valid
from nas_gym.search_spaces.nasnet_cell import NASNetCell

gym.register_envs(nas_gym)
REPEATS = 9
STEPS = 50_000
VECTOR_STEPS = 50 * 100
CART_POLE_STEPS = 500
ROUNDS = 100
NUM_ENVS = 64


class Free:
    """An evaluator that costs nothing; its answers are kept in the memo like all others."""

    stateful = False

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Answer half right, always."""
        metrics = {"accuracy": 0.5}
        for architecture in architectures:
            yield Evaluation(architecture, metrics)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def steps_per_second(env: gym.Env[Any, Any]) -> float:
    """Return the steps per second through ``gym.make``, resets included."""
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=STEPS).tolist()  # type: ignore[attr-defined]
    start = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return STEPS / (time.perf_counter() - start)


def tokens_per_second() -> float:
    """Return the tokens per second through the vector environment, evaluations included."""
    env = gym.make_vec("NASNetCell-v0", num_envs=NUM_ENVS, evaluator=Free())
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(13, size=(VECTOR_STEPS, NUM_ENVS))
    start = time.perf_counter()
    for row in actions:
        env.step(row)
    return actions.size / (time.perf_counter() - start)


def cart_poles_per_second() -> float:
    """Return the steps per second of as many cart poles in Gymnasium's own vector environment."""
    env = gym.vector.SyncVectorEnv([lambda: gym.make("CartPole-v1")] * NUM_ENVS)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(2, size=(CART_POLE_STEPS, NUM_ENVS))
    start = time.perf_counter()
    for row in actions:
        env.step(row)
    return actions.size / (time.perf_counter() - start)


def shares() -> dict[str, float]:
    """Return the microseconds per architecture that each part of a round of ``NUM_ENVS`` takes."""
    space = NASNetCell()
    env = NASVectorEnv(space, Free(), num_envs=NUM_ENVS)
    rounds = np.random.default_rng(1).integers(13, size=(ROUNDS, space.max_length, NUM_ENVS))
    spent = dict.fromkeys(
        ["steps", "genotypes", "canonical keys", "the ledger", "infos as JSON", "all"], 0.0
    )
    for actions in rounds:
        env.reset()
        start = time.perf_counter()
        for row in actions[:-1]:
            env.step(row)
        steps = time.perf_counter() - start
        env.step(actions[-1])
        spent["all"] += time.perf_counter() - start
        spent["steps"] += steps * space.max_length / (space.max_length - 1)
    ledger = Ledger(Free(), Accuracy())
    for actions in rounds:
        tokens = [fold_tokens(env.choices, column) for column in actions.T.tolist()]
        times = [time.perf_counter()]
        genotypes = [decode_valid(space, each) for each in tokens]
        times.append(time.perf_counter())
        keys = [space.canonical_key(genotype) for genotype in genotypes]
        times.append(time.perf_counter())
        batch = [Architecture(*each) for each in zip(tokens, genotypes, keys, strict=True)]
        answers = ledger.request(batch)
        times.append(time.perf_counter())
        for answer in answers:
            final_info(answer.evaluation)
        times.append(time.perf_counter())
        for name, (before, after) in zip([*spent][1:-1], pairwise(times), strict=True):
            spent[name] += after - before
    return {name: seconds / (ROUNDS * NUM_ENVS) * 1e6 for name, seconds in spent.items()}


def import_seconds() -> float:
    """Time ``import nas_gym`` and ``gym.make`` in a new process, once Python has started."""
    code = (
        "import time; start = time.perf_counter()\n"
        "import nas_gym, gymnasium, sys\n"
        "gymnasium.make('NASNetCell-v0')\n"
        "print(time.perf_counter() - start)\n"
        "assert not {'torch', 'stable_baselines3'} & set(sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return float(output.stdout)


def main() -> None:
    """Measure in turns, print, and write if asked to."""
    ours = gym.make("NASNetCell-v0", evaluator=Free())
    cart_pole = gym.make("CartPole-v1")
    measured: dict[str, list[float]] = {
        "ours": [],
        "cart_pole": [],
        "vector": [],
        "cart_poles": [],
        "import": [],
    }
    sides: dict[str, Callable[[], float]] = {
        "ours": lambda: steps_per_second(ours),
        "cart_pole": lambda: steps_per_second(cart_pole),
        "vector": tokens_per_second,
        "cart_poles": cart_poles_per_second,
        "import": import_seconds,
    }
    for _ in range(REPEATS):
        for name, measure in sides.items():
            measured[name].append(measure())
    ratios = [a / b for a, b in zip(measured["ours"], measured["cart_pole"], strict=True)]
    side_by_side = [a / b for a, b in zip(measured["vector"], measured["cart_poles"], strict=True)]
    rows = [
        row(
            f"tokens/s of {NUM_ENVS} `NASNetCell-v0`, evaluations included / steps/s of "
            f"`SyncVectorEnv` of {NUM_ENVS} `CartPole-v1`",
            side_by_side,
            "at least 8",
        ),
        row("steps/s of `NASNetCell-v0` / `CartPole-v1`, by `gym.make`", ratios, "at least 0.5"),
        row("steps/s of `NASNetCell-v0`, evaluator that costs nothing", measured["ours"]),
        row("steps/s of `CartPole-v1`", measured["cart_pole"]),
        row(
            f"tokens/s of the vector environment, {NUM_ENVS} at once, evaluations included",
            measured["vector"],
        ),
        row(f"steps/s of {NUM_ENVS} `CartPole-v1` in `SyncVectorEnv`", measured["cart_poles"]),
        row(
            "seconds for `import nas_gym` and `gym.make`, without torch and SB3",
            measured["import"],
            "below 0.5",
        ),
    ]
    turns = [shares() for _ in range(REPEATS)]
    parts = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    whole = parts.pop("all")
    told = ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
    report(
        "environment_speed",
        f"# Speed of the environments\n\nMedians of {REPEATS} turns ({machine()}); printed by "
        "`python benchmarks/speed/environment_speed.py`.\n\n"
        f"{table(['what', 'median', 'range', 'target'], rows)}\n\n"
        "Where the time of the vector environment goes, in microseconds per architecture of 50 "
        f"tokens, each part by itself: {told}; the whole round {whole:.1f}. The rest is the "
        "garbage collector, which looks at all that a search keeps, and the arrays of the infos.\n",
    )


def row(what: str, values: list[float], target: str = "") -> list[str]:
    """Return one line of the table."""
    median, low, high = (
        f"{value:,.0f}" if value > 100 else f"{value:.2f}"
        for value in (statistics.median(values), min(values), max(values))
    )
    return [what, median, f"{low} to {high}", target]


if __name__ == "__main__":
    main()
