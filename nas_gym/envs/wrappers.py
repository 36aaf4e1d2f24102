"""A wrapper for libraries that want the action mask elsewhere."""

from typing import Any

import gymnasium as gym
import numpy as np

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
