"""Preferences among several objectives: how they are drawn, what children are worth to them.

One policy can serve all preferences if it sees them: weights in the observation, drawn anew for
each episode (Yang et al. 2019, arXiv 1908.08342).
"""

from typing import Any, Literal

import gymnasium as gym
import numpy as np

from nas_gym.envs.objectives import Floats
from nas_gym.errors import InvalidOption
from nas_gym.options import check

Scalarization = Literal["linear", "chebyshev"]
RECENT = 200  # children among which one is ranked


def drawn_preferences(rng: np.random.Generator, objectives: int, count: int) -> Floats:
    """Draw (count, objectives) weights, uniform among those >= 0 that sum to 1: Dirichlet(1, …)."""
    return rng.dirichlet(np.ones(objectives), count)


def ranks_among(values: Floats, others: Floats) -> Floats:
    """Return (n, objectives) mid-ranks in [0, 1] of (n, objectives) among (m, objectives).

    So neither scales nor outliers matter. NaN, of a child that failed, has rank 0, and all that
    was measured ranks above it.
    """
    others = np.where(np.isnan(others), -np.inf, others)
    below = (values[:, None] > others).mean(1)
    return np.asarray((below + (values[:, None] >= others).mean(1)) / 2)


def worth(weights: Floats, values: Floats, scalarization: str) -> Floats:
    """Return what values in [0, 1], 1 the best, are worth to weights, over the last dimension.

    ``linear`` is the weighted sum, ``chebyshev`` minus the largest weighted distance from 1, which
    also finds those parts of a front that are not convex.
    """
    if scalarization == "chebyshev":
        return np.asarray(-(weights * (1 - values)).max(-1))
    return np.asarray((weights * values).sum(-1))


class PreferenceInObservation(gym.Wrapper[dict[str, Any], np.int64, Any, np.int64]):
    """A wrapper that draws a preference for each episode, shows it, and rewards by it.

    The observation becomes ``{"preference": (objectives,) float32, "observations": what it was}``,
    and the reward a float: what the last step's vector is worth to the preference; 0 at every step
    before. So an agent for scalar rewards learns one policy for all preferences. As in
    mo-gymnasium's ``LinearReward``, the infos have ``vector_reward`` and ``reward_weights``.
    ``reset(options={"preference": [0.8, 0.2]})`` sets the preference of that episode.

    Args:
        env: One with a vector as its reward (``reward_space``, as ``NASBench201MO-v0`` or any id
            with ``objectives``), wrapped or not.
        scalarization: ``"linear"`` or ``"chebyshev"``; see ``worth``.
        ranks: Count each objective by its rank, in [0, 1], among the latest 200 children, this one
            included; a child that failed has 0, and is below all others. False takes the numbers as
            they are: scale them before, best to 1.

    Raises:
        InvalidOption: The environment's reward is no vector, or an option is none.
    """

    def __init__(
        self,
        env: gym.Env[Any, np.int64],
        scalarization: Scalarization = "linear",
        ranks: bool = True,
    ) -> None:
        super().__init__(env)
        self.scalarization = check("scalarization", scalarization, Scalarization)
        self.ranks = check("ranks", ranks, bool)
        if not self.has_wrapper_attr("reward_space"):
            raise InvalidOption(
                "preferences are among several objectives, and the reward of this environment is "
                "one number: make it with objectives=, such as ('accuracy', '-parameters')"
            )
        self._size: int = self.get_wrapper_attr("reward_space").shape[0]
        self._recent = np.empty((0, self._size))
        self._weights = np.full(self._size, 1 / self._size)
        self.observation_space = gym.spaces.Dict(
            {
                "preference": gym.spaces.Box(0.0, 1.0, (self._size,), np.float32),
                "observations": env.observation_space,
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode with a new preference, or with that of ``options``.

        Raises:
            InvalidOption: The preference is not one number >= 0 for each objective.
        """
        given = (options or {}).get("preference")
        weights = None if given is None else self._checked(given)
        others = {n: v for n, v in (options or {}).items() if n != "preference"}
        observation, info = self.env.reset(seed=seed, options=others)
        if weights is None:
            weights = drawn_preferences(self.np_random, self._size, 1)[0]
        self._weights = weights
        return self._shown(observation), info

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Pick a token; at the end the reward is what the child is worth to the preference."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        vector = np.asarray(reward, np.float64)
        value = self._worth(vector, info) if terminated else 0.0
        told = {"vector_reward": vector, "reward_weights": self._weights.copy()}
        return self._shown(observation), value, terminated, truncated, {**info, **told}

    def _worth(self, vector: Floats, info: dict[str, Any]) -> float:
        if self.ranks:
            failed = info.get("evaluation", {}).get("failure") is not None
            row = np.where(failed, np.nan, vector)[None]
            self._recent = np.concatenate([self._recent, row])[-RECENT:]
            vector = ranks_among(row, self._recent)[0]
        return float(worth(self._weights, vector, self.scalarization))

    def _checked(self, given: Any) -> Floats:
        try:
            weights = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            weights = np.empty(0)
        total = weights.sum()
        fine = weights.shape == (self._size,) and weights.min() >= 0 and 0 < total < np.inf
        if not fine:
            raise InvalidOption(
                f"preference is {given!r}: give {self._size} numbers >= 0, one of them at least "
                "above 0: the weights of the objectives"
            )
        return np.asarray(weights / total)

    def _shown(self, observation: Any) -> dict[str, Any]:
        return {"preference": self._weights.astype(np.float32), "observations": observation}
