"""Wrappers: the action mask in the observation, and a budget in it for one policy for all."""

import math
from typing import Any

import gymnasium as gym
import numpy as np

from nas_gym.envs.limits import Budgets
from nas_gym.errors import InvalidOption

MaskedObservation = dict[str, Any]


class MaskInObservation(gym.ObservationWrapper[MaskedObservation, np.int64, Any]):
    """A wrapper that puts the action mask into the observation, in RLlib's form.

    The observation becomes ``{"action_mask": (max_options,) float32, 1 = open, "observations":
    what it was}``: what RLlib's action masking module reads. At least one token is open at any
    time, also in an episode's last observation, so that no logits are all masked.

    Args:
        env: A ``NASEnv``, wrapped or not.
        flatten: Make the tokens one-hot float32 of shape (max_length * (max_options + 1),), as
            networks on ``Box`` observations want them.
    """

    def __init__(self, env: gym.Env[Any, np.int64], flatten: bool = False) -> None:
        super().__init__(env)
        assert isinstance(env.action_space, gym.spaces.Discrete)
        self.flatten = flatten
        observations = env.observation_space
        if flatten:
            size = gym.spaces.flatdim(observations)
            observations = gym.spaces.Box(0.0, 1.0, (size,), np.float32)
        self.observation_space = gym.spaces.Dict(
            {
                "action_mask": gym.spaces.Box(0.0, 1.0, (int(env.action_space.n),), np.float32),
                "observations": observations,
            }
        )

    def observation(self, observation: Any) -> MaskedObservation:
        """Return the observation with its mask."""
        masks = self.get_wrapper_attr("action_masks")()
        if self.flatten:
            flat: Any = gym.spaces.flatten(self.env.observation_space, observation)
            observation = flat.astype(np.float32)
        return {"action_mask": masks.astype(np.float32), "observations": observation}


class BudgetInObservation(gym.Wrapper[dict[str, Any], np.int64, Any, np.int64]):
    """A wrapper that draws a budget for each episode, keeps it exactly, and shows it to the policy.

    The observation becomes ``{"budget": (1,) float32, "observations": what it was}``. The budget is
    log-uniform from what the smallest network of the space costs to what the largest one does; what
    is shown is its logarithm, scaled to [-1, 1]. Masks, and tokens that fold, keep it, so that the
    reward need not speak of it: one policy can be learnt for all budgets.
    ``reset(options={"limits": {"parameters": n}})`` sets the budget of that episode.

    Args:
        env: A ``NASEnv`` without limits, wrapped or not.
        metric: ``"parameters"`` or ``"multiply_adds"``.

    Raises:
        InvalidOption: The space does not say how its cost adds up, or all networks cost the same.
    """

    def __init__(self, env: gym.Env[Any, np.int64], metric: str = "parameters") -> None:
        super().__init__(env)
        self.metric = metric
        self.budgets: Budgets = self.get_wrapper_attr("episode_limits").budgets(metric)
        if self.budgets.least >= self.budgets.most:
            raise InvalidOption(
                f"all networks of this space have {self.budgets.least:,} {metric}: give another "
                "metric"
            )
        self.observation_space = gym.spaces.Dict(
            {
                "budget": gym.spaces.Box(-1.0, 1.0, (1,), np.float32),
                "observations": env.observation_space,
            }
        )
        self._seen = np.zeros(1, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode within a new budget, or within that of ``options``."""
        if seed is not None:
            self.env.reset(seed=seed)
        least, most = math.log(self.budgets.least), math.log(self.budgets.most)
        limits = (options or {}).get("limits")
        if limits is None:
            budget = math.exp(self.np_random.uniform(least, most))
            limits = {self.metric: max(self.budgets.least, int(budget))}
        observation, info = self.env.reset(options={**(options or {}), "limits": limits})
        if list(limits) != [self.metric]:
            raise InvalidOption(f"limits of an episode are {limits!r}: give {self.metric} here")
        place = (math.log(limits[self.metric]) - least) / (most - least)
        self._seen = np.array([min(1.0, 2 * place - 1)], np.float32)
        return self._shown(observation), info

    def step(self, action: np.int64) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        """Pick a token within the budget."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._shown(observation), reward, terminated, truncated, info

    def _shown(self, observation: Any) -> dict[str, Any]:
        return {"budget": self._seen.copy(), "observations": observation}
