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
from typing import Any

import gymnasium as gym
import numpy as np

import nas_gym
from benchmarks.measure import machine, report
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture

gym.register_envs(nas_gym)
REPEATS = 9
STEPS = 50_000
VECTOR_STEPS = 50 * 100
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
    measured: dict[str, list[float]] = {"ours": [], "cart_pole": [], "vector": [], "import": []}
    sides: dict[str, Callable[[], float]] = {
        "ours": lambda: steps_per_second(ours),
        "cart_pole": lambda: steps_per_second(cart_pole),
        "vector": tokens_per_second,
        "import": import_seconds,
    }
    for _ in range(REPEATS):
        for name, measure in sides.items():
            measured[name].append(measure())
    ratios = [a / b for a, b in zip(measured["ours"], measured["cart_pole"], strict=True)]
    rows = [
        row("steps/s of `NASNetCell-v0` / `CartPole-v1`, by `gym.make`", ratios, "at least 0.5"),
        row("steps/s of `NASNetCell-v0`, evaluator that costs nothing", measured["ours"]),
        row("steps/s of `CartPole-v1`", measured["cart_pole"]),
        row(
            f"tokens/s of the vector environment, {NUM_ENVS} at once, evaluations included",
            measured["vector"],
            "at least 1,000,000",
        ),
        row(
            "seconds for `import nas_gym` and `gym.make`, without torch and SB3",
            measured["import"],
            "below 0.5",
        ),
    ]
    report(
        "environment_speed",
        f"# Speed of the environments\n\nMedians of {REPEATS} turns ({machine()}); printed by "
        "`python benchmarks/speed/environment_speed.py`.\n\n"
        f"{table(['what', 'median', 'range', 'target'], rows)}\n",
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
