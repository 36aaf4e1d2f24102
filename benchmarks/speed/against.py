"""Is this checkout as fast as another one of nas-gym, say the state before a change?

    git worktree add /tmp/before REVISION
    python benchmarks/speed/against.py /tmp/before [--turns 9] [--write]

Steps tokens, plays rounds of the vector environment, records runs and searches a table in both
checkouts, through public names only. Both run in turns, in fresh processes of the same interpreter;
a ratio above 1 says that this checkout is faster. ``--write`` also writes
``benchmarks/results/against.md``.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import machine, report

HERE = Path(__file__).parents[2]
FLOOR = 0.95  # of the other checkout's speed, for every median

# Each prints how much it does per second, after a warm-up.
BEGIN = """
import sys, tempfile, time
import gymnasium as gym
import numpy as np
import nas_gym

gym.register_envs(nas_gym)

def rate(work, amount):
    work()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(amount / min(seconds))

def step(env, actions):
    env.reset(seed=0)
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
"""
WORK = {
    "tokens/s of `NASNetCell-v0`, one episode at a time": """
env = gym.make("NASNetCell-v0", evaluator="landscape")
actions = np.random.default_rng(0).integers(13, size=10_000).tolist()

rate(lambda: step(env, actions), len(actions))
""",
    "tokens/s of `NASConvNet-v0`, one episode at a time": """
env = gym.make("NASConvNet-v0", evaluator="landscape")
actions = np.random.default_rng(0).integers(4, size=5_000).tolist()

rate(lambda: step(env, actions), len(actions))
""",
    "tokens/s of 64 `NASNetCell-v0` in the vector environment": """
env = gym.make_vec("NASNetCell-v0", num_envs=64, evaluator="landscape")
actions = np.random.default_rng(0).integers(13, size=(500, 64))

def work():
    env.reset(seed=0)
    for row in actions:
        env.step(row)

rate(work, actions.size)
""",
    "evaluations/s recorded in SQLite, random search in batches of 8": """
number = 0

def work():
    global number
    number += 1
    with tempfile.TemporaryDirectory(dir=".") as folder:
        nas_gym.search("nasnet-cell", "landscape", "random-search", budget=400, num_envs=8,
                       seed=number, run="timed", store=folder + "/store.sqlite")

rate(work, 400)
""",
    "evaluations/s of the NAS-Bench-201 table, random search": """
number = 0

def work():
    global number
    number += 1
    nas_gym.search("nasbench201", "nasbench201", "random-search", budget=2000, seed=number)

rate(work, 2000)
""",
    "evaluations/s of the NAS-Bench-201 table, regularized evolution": """
number = 0

def work():
    global number
    number += 1
    nas_gym.search("nasbench201", "nasbench201", "regularized-evolution", budget=1000, seed=number)

rate(work, 1000)
""",
}


def measured(checkout: Path, work: str, folder: str) -> float:
    """Run one piece of work in a fresh process that imports from ``checkout``."""
    path = os.pathsep.join([str(checkout), str(checkout / "agents")])
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + work],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{checkout} cannot do this:\n{done.stderr}")
    return float(done.stdout)


def main() -> None:
    """Measure both in turns, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path, help="folder of the other checkout")
    parser.add_argument("--turns", type=int, default=9, help="of both sides")
    parser.add_argument("--write", action="store_true", help="write the results page")
    options = parser.parse_args()
    before = options.before.resolve()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, work in WORK.items():
            ours, theirs = [], []
            for turn in range(options.turns):
                sides = [(HERE, ours), (before, theirs)]
                for checkout, rates in sides[:: 1 if turn % 2 else -1]:
                    rates.append(measured(checkout, work, folder))
            ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
            rows.append(
                f"| {what} | {statistics.median(theirs):,.0f} | {statistics.median(ours):,.0f} | "
                f"{statistics.median(ours) / statistics.median(theirs):.2f} | "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
            )
            print(rows[-1], file=sys.stderr)
    report(
        "against",
        f"# Against the state before\n\n{options.turns} turns of both checkouts, in fresh "
        f"processes ({machine()}); printed by `python benchmarks/speed/against.py BEFORE`. The aim "
        f"is a ratio of {FLOOR} or more.\n\n"
        "| what | before (median) | now (median) | now / before | by turns: median (range) |\n"
        "| --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n",
    )


if __name__ == "__main__":
    main()
