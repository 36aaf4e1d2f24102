"""An algorithm of Stable-Baselines3 on a ``NASVectorEnv``, with random state of its own.

The algorithm steps the environment through ``nas_gym.sb3.StandardizedVecEnv``, its randomness
follows from ``env.np_random``, and it ends when the budget is spent.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from torch.distributions import Distribution

from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.sb3 import StandardizedVecEnv, StopAtBudget

FOREVER = 10**9  # steps: the budget ends before


def learn(
    env: NASVectorEnv[Any],
    algorithm: type[BaseAlgorithm],
    policy: Any,
    options: Mapping[str, Any],
) -> None:
    """Make the algorithm and let it learn until the budget is spent. Writes no files."""
    if env.remaining <= 0:
        return
    apart = Apart(int(env.np_random.integers(2**31)))
    with apart.swapped():
        model = algorithm(policy, _VecEnv(env, apart), device="cpu", **options)
        model.set_logger(Logger(folder=None, output_formats=[]))
        model.learn(FOREVER, callback=StopAtBudget(), log_interval=None)  # type: ignore[arg-type]


class Apart:
    """The global state of torch, NumPy and Python: an algorithm's, and that of everybody else.

    SB3 draws from the global generators. Nobody else should notice; and the children that are
    trained in between must not change what the algorithm draws, because a resumed run has their
    results without training them.
    """

    def __init__(self, seed: int) -> None:
        self.other = (
            random.Random(seed).getstate(),
            np.random.RandomState(seed).get_state(),
            torch.Generator().manual_seed(seed).get_state(),
            1,  # as many threads: see nas_agents.lstm.controller.one_thread
            False,  # distributions that check what they are given take a seventh of its time
        )

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Put the algorithm's state in place inside the block; a block within it swaps back."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        legacy = np.random.get_state()  # noqa: NPY002
        threads, checks = torch.get_num_threads(), Distribution._validate_args
        here = random.getstate(), legacy, torch.get_rng_state(), threads, checks
        random.setstate(self.other[0])
        np.random.set_state(self.other[1])  # noqa: NPY002
        torch.set_rng_state(self.other[2])
        torch.set_num_threads(self.other[3])
        Distribution.set_default_validate_args(self.other[4])
        self.other = here


class _VecEnv(StandardizedVecEnv):
    """The environment without the algorithm's global state while children are evaluated."""

    def __init__(self, env: NASVectorEnv[Any], apart: Apart) -> None:
        super().__init__(env)
        self.apart = apart
        self.action_space.seed(int(np.random.randint(2**31)))  # noqa: NPY002

    def step_wait(self) -> Any:
        if self.steps + 1 < self.env.space.max_length:
            return super().step_wait()
        with self.apart.swapped():
            return super().step_wait()


def exploration(env: "NASVectorEnv[Any]", evaluations: float) -> float:
    """Return SB3's ``exploration_fraction`` of ``FOREVER`` that is so many evaluations."""
    return max(1.0, evaluations * env.space.max_length) / FOREVER
