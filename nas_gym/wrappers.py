"""Wrappers for libraries that want the action mask elsewhere."""

from typing import Any

import gymnasium as gym
import numpy as np

MaskedObservation = dict[str, Any]


class MaskInObservation(gym.ObservationWrapper[MaskedObservation, np.int64, Any]):
    """Puts the action mask into the observation, in RLlib's form.

    The observation becomes ``{"action_mask": (max_options,) float32, 1 = open, "observations":
    what it was}``. To flatten the tokens themselves use Gymnasium's ``FlattenObservation``.

    Args:
        env: A ``NASEnv``, wrapped or not.
    """

    def __init__(self, env: gym.Env[Any, np.int64]) -> None:
        super().__init__(env)
        assert isinstance(env.action_space, gym.spaces.Discrete)
        self.observation_space = gym.spaces.Dict(
            {
                "action_mask": gym.spaces.Box(0.0, 1.0, (int(env.action_space.n),), np.float32),
                "observations": env.observation_space,
            }
        )

    def observation(self, observation: Any) -> MaskedObservation:
        """The observation with its mask."""
        masks = self.get_wrapper_attr("action_masks")()
        return {"action_mask": masks.astype(np.float32), "observations": observation}
