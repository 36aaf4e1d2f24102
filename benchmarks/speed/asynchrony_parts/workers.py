"""Real worker processes, whose children's times differ eightfold."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import nas_gym
from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture

WORKERS = 2
BUDGET = 120
LEAST = 0.1  # seconds of the quickest child
FACTOR = 8.0
RUNS = 3


class Eightfold:
    """Sleeps as long as an architecture says, log-uniform over a factor of eight."""

    stateful = False

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture, in order."""
        for architecture in architectures:
            digest = hashlib.blake2b(architecture.key.encode(), digest_size=4).digest()
            share = int.from_bytes(digest, "little") / 2**32
            begun = time.perf_counter()
            time.sleep(LEAST * FACTOR**share)
            yield Evaluation(architecture, {"accuracy": share}, time.perf_counter() - begun)

    def close(self) -> None:
        """Release nothing: nothing is held."""


class Moments(Recorder):
    """Notes when children are done, and how long each took."""

    def __init__(self) -> None:
        self.first = self.last = 0.0
        self.busy = 0.0

    def started(self) -> None:
        """Take note of nothing: workers are not ready yet."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Note a child."""
        self.last = time.perf_counter()
        seconds = answer.evaluation.seconds
        self.first = self.first or self.last - seconds
        self.busy += seconds


def utilisation(agent: str, asynchronous: bool, seed: int) -> float:
    """Return the share of the workers' time, from the first child's beginning, that is training."""
    moments = Moments()
    nas_gym.search(
        "nasbench201",
        Eightfold(),
        agent,
        budget=BUDGET,
        seed=seed,
        workers=WORKERS,
        watcher=moments,
        asynchronous=asynchronous,
        num_envs=None if asynchronous else WORKERS,
    )
    return moments.busy / (WORKERS * (moments.last - moments.first))


def section(seeds: int, write: bool) -> str:
    """Measure, and return a section."""
    del seeds, write
    rows = []
    for agent in ("random-search", "regularized-evolution", "reinforce"):
        shares = {
            way: sorted(utilisation(agent, way, seed) for seed in range(RUNS))
            for way in (True, False)
        }
        cells = [f"{100 * shares[way][RUNS // 2]:.1f} %" for way in (True, False)]
        rows.append([f"`{agent}`", *cells])
        print(*rows[-1], flush=True)
    heads = ("agent", "asynchronous", f"rounds of {WORKERS}")
    return f"""## Two workers, children whose times differ eightfold

Share of the workers' time that is training; {BUDGET} children of {LEAST:g} to {LEAST * FACTOR:g} s
each, log-uniform; median of {RUNS} searches. The aim is 95 %.

{table(heads, rows, right=(1, 2))}
"""
