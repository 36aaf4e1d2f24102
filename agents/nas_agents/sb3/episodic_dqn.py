"""SB3's DQN, changed for episodes in lockstep."""

from typing import Any

import numpy as np
from stable_baselines3 import DQN


class EpisodicDQN(DQN):
    """DQN that explores in each episode on its own.

    SB3's DQN draws one number for all episodes of a round. They are in lockstep and begin alike, so
    they would be one architecture, asked for many times, whenever it does not explore.
    """

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return the tokens (episodes,), and the state as it was."""
        tokens, state = self.policy.predict(observation, state, episode_start, True)
        if not deterministic:
            explores = np.random.random(len(tokens)) < self.exploration_rate  # noqa: NPY002
            drawn = [self.action_space.sample() for _ in tokens]
            tokens = np.where(explores, drawn, tokens)
        return tokens, state
