"""Any algorithm of Stable-Baselines3 (Raffin et al. 2021, JMLR 22) as an agent.

``sb3_ppo``, ``sb3_maskable_ppo``, ``sb3_a2c`` and ``sb3_dqn`` are tuned ones; ``SB3`` here takes
all others by name. What they share is ``learn``: the algorithm steps the environment through
``nas_gym.sb3.StandardizedVecEnv``, its randomness is its own and follows from ``env.np_random``,
and it ends when the budget is spent.
"""

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from math import ceil
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.distributions import Distribution

from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, UnknownName, unknown_name
from nas_gym.options import Options
from nas_gym.sb3 import StandardizedVecEnv, StopAtBudget

FOREVER = 10**9  # steps: the budget ends before
# What ``learn`` decides: small networks learn fastest on the CPU, and there alone repeatably.
OURS = ("policy", "env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model")


@dataclass(frozen=True)
class SB3(Options):
    """An algorithm by its class, with its own hyperparameters.

    Where ``options`` do not say otherwise, there is no discount (the reward comes at the end), and
    an on-policy algorithm updates on whole episodes, all of them in one minibatch.

    Args:
        algorithm: ``"module:Class"`` of a ``BaseAlgorithm`` for discrete actions.
        policy: Its policy, by SB3's name or ``"module:Class"``.
        options: Keyword arguments of the class, JSON data; ``"module:attribute"`` stands for what
            it names. Kept as JSON text.
        batch_size: Episodes a round, >= 1.
        episodes_per_update: Episodes an on-policy algorithm updates on, >= 1; rounded up to whole
            rounds.
        schedule: Evaluations that SB3's ``exploration_fraction`` is a fraction of, >= 1. (Not the
            budget: a run could not go on with a larger one.)
    """

    algorithm: str = "sb3_contrib:MaskablePPO"
    policy: str = "MlpPolicy"
    options: Any = "{}"
    batch_size: Annotated[int, Ge(1)] = 8
    episodes_per_update: Annotated[int, Ge(1)] = 8
    schedule: Annotated[int, Ge(1)] = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        options = _json_object(self.options)
        object.__setattr__(self, "options", json.dumps(options, sort_keys=True))
        known = signature(algorithm_class(self.algorithm)).parameters
        for option in options:
            if option in OURS:
                raise InvalidOption(f"the agent decides {option!r} itself: leave it out of options")
            if option not in known:
                raise unknown_name(f"option of {self.algorithm}", option, set(known) - set(OURS))
        _named(options)

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Let the algorithm learn until the budget is spent."""
        algorithm = algorithm_class(self.algorithm)
        options = _named(json.loads(str(self.options)))
        known = signature(algorithm).parameters
        if "gamma" in known:
            options.setdefault("gamma", 1.0)
        if issubclass(algorithm, OnPolicyAlgorithm) or "rollout_buffer_class" in known:
            options.setdefault("n_steps", rollout(env, self.episodes_per_update))
            if "batch_size" in known:
                options.setdefault("batch_size", options["n_steps"] * env.num_envs)
        if "exploration_fraction" in known:
            fraction = options.get("exploration_fraction", known["exploration_fraction"].default)
            options["exploration_fraction"] = exploration(env, fraction * self.schedule)
        learn(env, algorithm, _named(self.policy), options)


def learn(
    env: NASVectorEnv[Any],
    algorithm: type[BaseAlgorithm],
    policy: Any,
    options: Mapping[str, Any],
) -> None:
    """Make the algorithm and let it learn until the budget is spent; writes no files."""
    if env.remaining <= 0:
        return
    apart = Apart(int(env.np_random.integers(2**31)))
    with apart.swapped():
        model = algorithm(policy, _VecEnv(env, apart), device="cpu", **options)
        model.set_logger(Logger(folder=None, output_formats=[]))
        model.learn(FOREVER, callback=StopAtBudget(), log_interval=None)  # type: ignore[arg-type]


def rollout(env: NASVectorEnv[Any], episodes: int) -> int:
    """Steps of ``env`` in which at least so many episodes end: whole rounds."""
    # Two at least: SB3 standardizes the advantages of an update.
    steps = env.space.max_length * ceil(episodes / env.num_envs)
    return steps if steps * env.num_envs > 1 else 2


def exploration(env: NASVectorEnv[Any], evaluations: float) -> float:
    """SB3's ``exploration_fraction`` of ``FOREVER`` that is so many evaluations."""
    return max(1.0, evaluations * env.space.max_length) / FOREVER


class Apart:
    """Torch's and Python's global state, as an algorithm has it, and as others do.

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
        """The algorithm's within; within that, everybody else's."""
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
    """Leaves the algorithm's generators and its single thread while children are evaluated."""

    def __init__(self, env: NASVectorEnv[Any], apart: Apart) -> None:
        super().__init__(env)
        self.apart = apart
        self.action_space.seed(int(np.random.randint(2**31)))  # noqa: NPY002

    def step_wait(self) -> Any:
        if self.steps + 1 < self.env.space.max_length:
            return super().step_wait()
        with self.apart.swapped():
            return super().step_wait()


# ---------------------------------------------------------------- options


def algorithm_class(path: str) -> type[BaseAlgorithm]:
    """The class that ``"module:Class"`` names.

    Raises:
        UnknownName: There is no such module or class.
        InvalidOption: It is no algorithm.
    """
    found = _attribute(path)
    if not (isinstance(found, type) and issubclass(found, BaseAlgorithm)):
        raise InvalidOption(
            f"algorithm is {path!r}, which is no SB3 algorithm: name a class such as "
            "'stable_baselines3:PPO' or 'sb3_contrib:TRPO'"
        )
    return found


def _attribute(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownName(
            f"{path!r} names nothing that can be imported ({error}): write it as module:Class, "
            "e.g. sb3_contrib:TRPO"
        ) from error


def _named(value: Any) -> Any:
    """JSON data with ``"module:attribute"`` replaced by what it names."""
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    return _attribute(value) if isinstance(value, str) and ":" in value else value


def _json_object(options: Mapping[str, Any] | str) -> dict[str, Any]:
    try:
        found = json.loads(options) if isinstance(options, str) else dict(options)
        if isinstance(found, dict):
            json.dumps(found, allow_nan=False)
            return found
    except (TypeError, ValueError):
        pass
    raise InvalidOption(
        f"options is {options!r}: give the algorithm's keyword arguments as JSON data, "
        'e.g. {"learning_rate": 0.001}'
    )


PRESETS: dict[str, SB3] = {"default": SB3()}
