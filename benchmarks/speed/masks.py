"""Measure the masks that keep a limit in NASNet's full space.

    python benchmarks/speed/masks.py [--episodes 200] [--write]

Of NASNet's mobile network (N = 4, F = 44, 224 pixels) with at most the parameters of NASNet-A: the
time until the first mask is there (torch is imported before), and that of each mask along random
masked episodes. ``--write`` also writes ``benchmarks/results/masks.md``.
"""

import argparse
import time

import numpy as np
import torch  # noqa: F401

from benchmarks.measure import machine, report
from nas_gym.networks.task import Task
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.limits import LimitedSpace, limited_space
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

MOBILE = Task(3, 224, 224, 1000, repeats=4, filters=44, stem="imagenet")
LIMITS = {"parameters": 5_300_000}


def begun() -> tuple[LimitedSpace[object], float]:
    """Return the space with its limits, and the seconds until its first mask."""
    start = time.perf_counter()
    space = limited_space(NASNetCell(), limits_of(LIMITS), MOBILE)
    space.open_tokens(())
    return space, time.perf_counter() - start


def masks(space: LimitedSpace[object], episodes: int) -> list[float]:
    """Return the seconds of each mask along random masked episodes."""
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(episodes):
        tokens: Tokens = ()
        while len(tokens) < space.max_length:
            start = time.perf_counter()
            opened = space.open_tokens(tokens)
            seconds.append(time.perf_counter() - start)
            tokens = (*tokens, opened[int(rng.integers(len(opened)))])
    return seconds


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    space, start_up = begun()
    micro = 1e6 * np.array(masks(space, given.episodes))
    quantiles = [f"{np.quantile(micro, q):,.1f}" for q in (0.5, 0.9, 0.99)]
    text = "\n\n".join(
        [
            "# Masks that keep a limit",
            "Written by `python benchmarks/speed/masks.py --write`: "
            f"{space.limits}, NASNet's mobile network, {given.episodes} random episodes of "
            f"{space.max_length} tokens; {machine()}.",
            table(
                ["", "median", "9 of 10 below", "99 of 100 below"],
                [["a mask, microseconds", *quantiles]],
            ),
            f"Start-up: {start_up:.2f} s.",
        ]
    )
    report("masks", text + "\n")


if __name__ == "__main__":
    main()
