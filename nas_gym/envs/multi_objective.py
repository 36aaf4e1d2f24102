"""Environments whose reward is a vector, in mo-gymnasium's conventions."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from nas_gym.envs.async_env import NASAsyncVectorEnv, Received
from nas_gym.envs.env import G, NASEnv
from nas_gym.envs.episode import Observation, Observations
from nas_gym.envs.objectives import (
    Floats,
    Objectives,
    WorstSeen,
    measured,
    objectives_of,
    values_of,
)
from nas_gym.envs.rewards import check_reward
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.search_spaces.grammar import SearchSpace

ObjectivesGiven = str | Sequence[str] | Mapping[str, float | None]


class VectorReward:
    """Values of several objectives, from what the ``info`` of an episode's last step says.

    Args:
        given: As the environments' ``objectives``.
        evaluator: Is known to give the metrics, or says nothing.

    Raises:
        InvalidOption: No such objectives, or the evaluator does not give one of the metrics.
    """

    def __init__(self, given: ObjectivesGiven, evaluator: Evaluator) -> None:
        worst = _worst_given(given) if isinstance(given, Mapping) else None
        self.objectives: Objectives = objectives_of(
            list(given) if isinstance(given, Mapping) else given
        )
        check_reward(self, evaluator, "objectives")
        self._worst = WorstSeen(self.objectives, worst)
        # 0 as well: so much is every step but the last.
        low, high = np.minimum(self._worst.low, 0.0), np.maximum(self._worst.high, 0.0)
        self.space = gym.spaces.Box(low, high, dtype=np.float64)

    @property
    def needs(self) -> tuple[str, ...]:
        """The metrics that are asked for."""
        return tuple([each.name for each in self.objectives if each.name != "reward"])

    def of(self, evaluation: Mapping[str, Any], reward: float) -> Floats:
        """Return (objectives,), a fresh array.

        Args:
            evaluation: As ``Evaluation.to_info``.
            reward: The child's scalar reward.
        """
        if evaluation["failure"] is None:
            values: Floats = values_of([(measured(evaluation), reward)], self.objectives)[0]
            if np.isfinite(values).all():
                self._worst.saw(values)
                return values
        return self._worst.values


class MultiObjectiveEnv(NASEnv[G]):
    """``NASEnv`` with a vector as its reward: one number per objective, larger is better.

    As in mo-gymnasium, ``reward_space`` is the ``Box`` of the rewards and ``reward_dim`` their
    number. 0 in every objective at every step but the last. The scalar reward is recorded as ever.

    ## Arguments
    Args:
        space: As of ``NASEnv``.
        evaluator: As of ``NASEnv``.
        reward: As of ``NASEnv``: it is recorded, and is the objective ``"reward"``.
        objectives: Names of metrics, or ``"reward"``, with a minus before those that should be
            small: ``("accuracy", "-parameters", "-latency")``. A child that failed gets the worst
            of each: the least that the metric can be (an accuracy of 0), else the worst that was
            seen so far (-1e12 before anything was); or what a mapping says:
            ``{"accuracy": 0, "-parameters": -2_000_000}``.
        options: The other options of ``NASEnv``.
    """

    def __init__(
        self,
        space: SearchSpace[G],
        evaluator: Evaluator,
        reward: Any = None,
        *,
        objectives: ObjectivesGiven,
        **options: Any,
    ) -> None:
        self._vector = VectorReward(objectives, evaluator)
        super().__init__(space, evaluator, reward, **options)
        self.objectives = self._vector.objectives
        self.reward_space = self._vector.space
        self.reward_dim = len(self.objectives)

    def step(  # type: ignore[override]
        self, action: np.int64
    ) -> tuple[Observation, Floats, bool, bool, dict[str, Any]]:
        """Pick a token, as ``NASEnv.step``; the reward is (objectives,) float64."""
        observation, reward, ended, truncated, info = super().step(action)
        values = self._vector.of(info["evaluation"], reward) if ended else np.zeros(self.reward_dim)
        return observation, values, ended, truncated, info


class MultiObjectiveVectorEnv(NASVectorEnv[G]):
    """``NASVectorEnv`` with vectors as its rewards; see ``MultiObjectiveEnv``.

    ``reward_space`` is that of one episode, as in mo-gymnasium's vector environments. ``play``
    returns scalar rewards, and evaluations with all metrics.
    """

    def __init__(
        self,
        space: SearchSpace[G],
        evaluator: Evaluator,
        *,
        objectives: ObjectivesGiven,
        **options: Any,
    ) -> None:
        self._vector = VectorReward(objectives, evaluator)
        super().__init__(space, evaluator, **options)
        self.objectives = self._vector.objectives
        self.reward_space = self._vector.space
        self.reward_dim = len(self.objectives)

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[Observations, Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Pick one token per episode; the rewards are (num_envs, objectives) float64."""
        observations, rewards, terminated, truncated, infos = super().step(actions)
        values = self._vectors(rewards, terminated, infos)
        return observations, values, terminated, truncated, infos

    def _vectors(
        self, rewards: Floats, terminated: npt.NDArray[np.bool_], infos: dict[str, Any]
    ) -> Floats:
        """Return (episodes, objectives): values of those that were evaluated, zeros of others."""
        values = np.zeros((len(rewards), self.reward_dim))
        for i in np.flatnonzero(terminated):
            values[i] = self._vector.of(infos["final_info"]["evaluation"][i], float(rewards[i]))
        return values


class MultiObjectiveAsyncVectorEnv(MultiObjectiveVectorEnv[G], NASAsyncVectorEnv[G]):
    """``NASAsyncVectorEnv`` with vectors as its rewards; see ``MultiObjectiveVectorEnv``.

    ``recv`` returns them as (n, objectives); ``collect`` has scalar rewards, and all metrics.
    """

    def recv(self, min_ready: int = 1, timeout: float | None = None) -> Received:
        """Return the environments that are ready, as ``NASAsyncVectorEnv.recv``."""
        observations, rewards, terminated, truncated, infos = super().recv(min_ready, timeout)
        values = self._vectors(rewards, terminated, infos)
        return observations, values, terminated, truncated, infos


def _worst_given(given: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values of children that failed, by objective as ``str`` of it."""
    values = {}
    for objective, (text, value) in zip(objectives_of(list(given)), given.items(), strict=True):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise InvalidOption(
                f"the objective {text!r} of a child that failed is {value!r}: give a finite number"
            )
        values[str(objective)] = float(value)
    return values
