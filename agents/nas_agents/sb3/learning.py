"""An algorithm of Stable-Baselines3 on tokens or on edits, with random state of its own.

The algorithm steps a ``NASVectorEnv`` through ``nas_gym.sb3.StandardizedVecEnv``, a
``NASEditVectorEnv`` through what is like it here. Its randomness follows from ``env.np_random``,
and it ends when the budget is spent.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch.distributions import Distribution

from nas_gym.envs.edit_vector_env import NASEditVectorEnv
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.sb3 import CLIP, SB3VecEnv, StandardizedVecEnv, StopAtBudget

Stepped = NASVectorEnv[Any] | NASEditVectorEnv[Any]

FOREVER = 10**9  # steps: the budget ends before


def learn(
    env: Stepped,
    algorithm: type[BaseAlgorithm],
    policy: Any,
    options: Mapping[str, Any],
) -> None:
    """Make the algorithm and let it learn until the budget is spent. Writes no files."""
    if env.remaining <= 0:
        return
    apart = Apart(int(env.np_random.integers(2**31)))
    with apart.swapped():
        model = algorithm(policy, _adapted(env, apart), device="cpu", **options)
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


def _adapted(env: Stepped, apart: Apart) -> VecEnv:
    if not isinstance(env, NASEditVectorEnv):
        return _Tokens(env, apart)
    # Gains are about 0 already: they are only divided, by the deviation of what episodes gain.
    return VecNormalize(_Edits(env, apart), norm_obs=False, clip_reward=CLIP, gamma=1.0)


class _Tokens(StandardizedVecEnv):
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


class _Edits(SB3VecEnv):
    """The same of edits: each step, and each beginning, evaluates children.

    Observations are flat, (num_envs, max_length * max_options + 1): for every position one number
    per option, 1 at the token that it has, and the share of the steps that is left.
    """

    def __init__(self, env: NASEditVectorEnv[Any], apart: Apart) -> None:
        super().__init__(env)
        self.apart = apart
        self.action_space.seed(int(np.random.randint(2**31)))  # noqa: NPY002
        self._horizon = env.edits.horizon
        self._rows = np.eye(env.space.max_options + 1, env.space.max_options, -1, np.float32)
        self.observation_space = Box(0, 1, (env.edits.stop + 1,), np.float32)

    def reset(self) -> npt.NDArray[np.float32]:
        with self.apart.swapped():
            observations = super().reset()
        return self._flat(observations)

    def step_wait(self) -> Any:
        with self.apart.swapped():
            observations, rewards, ended, rows = super().step_wait()
        for row in rows:
            if "terminal_observation" in row:
                row["terminal_observation"] = self._flat(row["terminal_observation"][None])[0]
        return self._flat(observations), rewards, ended, rows

    def _flat(self, observations: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        tokens = self._rows[observations[:, :-1]].reshape(len(observations), -1)
        left = observations[:, -1:] / self._horizon
        return np.concatenate([tokens, left], axis=1, dtype=np.float32)


def episode_length(env: Stepped) -> int:
    """Return the steps of an episode, at most."""
    return env.edits.horizon if isinstance(env, NASEditVectorEnv) else env.space.max_length


def steps_per_evaluation(env: Stepped) -> int:
    """Return the steps that an evaluation takes: one edit, or the tokens of an architecture."""
    return 1 if isinstance(env, NASEditVectorEnv) else env.space.max_length


def exploration(env: Stepped, evaluations: float) -> float:
    """Return SB3's ``exploration_fraction`` of ``FOREVER`` that is so many evaluations."""
    return max(1.0, evaluations * steps_per_evaluation(env)) / FOREVER
