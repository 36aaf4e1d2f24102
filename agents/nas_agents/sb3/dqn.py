"""DQN (Mnih et al. 2015, Nature 518) of Stable-Baselines3, on whole returns, without masks."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from stable_baselines3 import DQN

from nas_agents.sb3.algorithm import exploration, learn
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.options import Options


@dataclass(frozen=True)
class SB3DQN(Options):
    """Learns the value of every token; takes the best one, and sometimes any.

    Args:
        batch_size: Episodes a round, >= 1.
        learning_rate: Of Adam, > 0.
        learning_starts: Random episodes before the first update, >= 1.
        exploration: Episodes in which the share of random tokens falls to its last value, >= 1.
        explored_tokens: Random tokens an episode has on average from then on, > 0.
        replay: Episodes remembered, >= 1.
        updates: Gradient steps a round, >= 1.
        minibatch_size: Steps of episodes a gradient step, >= 1.
        net_arch: Units of each hidden layer.
    """

    batch_size: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.01
    learning_starts: Annotated[int, Ge(1)] = 20
    exploration: Annotated[int, Ge(1)] = 250
    explored_tokens: Annotated[float, Gt(0)] = 0.5
    replay: Annotated[int, Ge(1)] = 1000
    updates: Annotated[int, Ge(1)] = 4
    minibatch_size: Annotated[int, Ge(1)] = 256
    net_arch: tuple[Annotated[int, Ge(1)], ...] = (64,)

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Learn from rounds of architectures until the budget is spent."""
        length = env.space.max_length
        options = {
            "learning_rate": self.learning_rate,
            "learning_starts": self.learning_starts * length,
            "exploration_fraction": exploration(env, self.exploration),
            "exploration_final_eps": min(1.0, self.explored_tokens / length),
            # A round at a time, so that every remembered episode is finished.
            "buffer_size": max(self.replay, env.num_envs) * length,
            "train_freq": length,
            "gradient_steps": self.updates,
            "batch_size": self.minibatch_size,
            # A step's target is its episode's reward: nothing is bootstrapped, so the network that
            # targets come from is never asked.
            "n_steps": length,
            "gamma": 1.0,
            "policy_kwargs": {"net_arch": list(self.net_arch)},
        }
        learn(env, EpisodicDQN, "MlpPolicy", options)


class EpisodicDQN(DQN):
    """Explores in each episode on its own.

    SB3's draws one number for all episodes of a round. They are in lockstep and begin alike, so
    they would be one architecture, asked for many times, whenever it does not explore.
    """

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """(episodes,) tokens."""
        tokens, state = self.policy.predict(observation, state, episode_start, True)
        if not deterministic:
            explores = np.random.random(len(tokens)) < self.exploration_rate  # noqa: NPY002
            drawn = [self.action_space.sample() for _ in tokens]
            tokens = np.where(explores, drawn, tokens)
        return tokens, state


PRESETS: dict[str, SB3DQN] = {"default": SB3DQN()}
