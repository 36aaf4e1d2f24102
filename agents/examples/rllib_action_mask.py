"""A model on the observations that RLlib's action masking wants, trained by REINFORCE.

    python agents/examples/rllib_action_mask.py

RLlib is not needed for it (and not installed: it asks for another Gymnasium). ``MaskedModel`` reads
and returns what an ``RLModule`` of RLlib's new API does. With RLlib itself (its example module
``ActionMaskingTorchRLModule``, for PPO) the environment is registered like this:

    from ray import tune
    tune.register_env("nas", lambda config: make_env())
    config = PPOConfig().environment("nas").rl_module(
        rl_module_spec=RLModuleSpec(module_class=ActionMaskingTorchRLModule)
    )
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

import nas_gym
from nas_gym.envs.wrappers import MaskInObservation

gym.register_envs(nas_gym)

FLOAT_MIN = torch.finfo(torch.float32).min


def make_env() -> gym.Env[Any, Any]:
    """Make NAS-Bench-201 that observes ``{"action_mask": …, "observations": …}``, both floats."""
    return MaskInObservation(gym.make("NASBench201-v0"), flatten=True)


class MaskedModel(nn.Module):
    """Logits of the tokens, with those that are closed pushed down to the least float."""

    def __init__(self, observation_space: gym.spaces.Dict, action_space: gym.spaces.Discrete):
        super().__init__()
        size = observation_space["observations"].shape[0]
        self.network = nn.Sequential(
            nn.Linear(size, 64), nn.Tanh(), nn.Linear(64, int(action_space.n))
        )

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Read ``{"obs": {"action_mask": (n, options), "observations": (n, size)}}``."""
        mask, observations = batch["obs"]["action_mask"], batch["obs"]["observations"]
        # The logarithm of 1 is 0; that of 0 is minus infinity.
        closed = torch.log(mask).clamp(min=FLOAT_MIN)
        return {"action_dist_inputs": self.network(observations) + closed}


def main(episodes: int = 200, seed: int = 0) -> list[float]:
    """Learn episode by episode and return the rewards."""
    torch.manual_seed(seed)
    env = make_env()
    model = MaskedModel(env.observation_space, env.action_space)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rewards: list[float] = []
    observation, _ = env.reset(seed=seed)
    for _ in range(episodes):
        log_probability, ended = torch.zeros(()), False
        while not ended:
            batch = {"obs": {k: torch.as_tensor(v)[None] for k, v in observation.items()}}
            policy = torch.distributions.Categorical(logits=model(batch)["action_dist_inputs"])
            action = policy.sample()
            log_probability = log_probability + policy.log_prob(action)[0]
            observation, reward, ended, _, _ = env.step(int(action))
        rewards.append(float(reward))
        advantage = (rewards[-1] - np.mean(rewards)) / (np.std(rewards) + 1e-8)
        optimizer.zero_grad()
        (-advantage * log_probability).backward()
        optimizer.step()
        observation, _ = env.reset()
    env.close()
    print(
        f"mean of the first and last 50: {np.mean(rewards[:50]):.4f}, {np.mean(rewards[-50:]):.4f}"
    )
    return rewards


if __name__ == "__main__":
    main()
