"""PPO with action masks in one file of plain PyTorch, as CleanRL writes it, on NAS-Bench-201.

    python agents/examples/cleanrl_ppo.py

The environment looks accuracies up in the benchmark's table; any other id works as well. Rounds are
in lockstep: all ``num_envs`` episodes end at the same step, and there is a reward only there.
"""

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

import nas_gym

gym.register_envs(nas_gym)

LEARNING_RATE, EPOCHS, CLIP, ENTROPY, VALUE = 0.01, 4, 0.2, 0.05, 0.5


class Agent(nn.Module):
    """A policy and a value network on one-hot tokens; which zeros are open tells the position."""

    def __init__(self, length: int, options: int) -> None:
        super().__init__()
        self.options = options
        features = length * (options + 1)
        self.actor = nn.Sequential(nn.Linear(features, 64), nn.Tanh(), nn.Linear(64, options))
        self.critic = nn.Sequential(nn.Linear(features, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, observations: Tensor, masks: Tensor) -> tuple[Categorical, Tensor]:
        """Return the distribution over open tokens and the value, of (n, length), (n, options)."""
        features = nn.functional.one_hot(observations, self.options + 1).flatten(1).float()
        logits = self.actor(features).masked_fill(masks == 0, -1e9)
        return Categorical(logits=logits), self.critic(features).squeeze(-1)


def main(evaluations: int = 400, num_envs: int = 8, seed: int = 0) -> list[float]:
    """Search, print the best cell and return the accuracies in order."""
    torch.manual_seed(seed)
    envs = gym.make_vec("NASBench201-v0", num_envs=num_envs)
    length, options = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    agent = Agent(length, options)
    optimizer = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE)
    accuracies: list[float] = []
    best, cell = 0.0, None
    observations, infos = envs.reset(seed=seed)
    for _ in range(evaluations // num_envs):
        steps = []
        for _ in range(length):  # one round
            seen, masks = torch.as_tensor(observations), torch.as_tensor(infos["action_mask"])
            with torch.no_grad():
                policy, values = agent(seen, masks)
            actions = policy.sample()
            steps.append((seen, masks, actions, policy.log_prob(actions), values))
            observations, rewards, _, _, infos = envs.step(actions.numpy())
        accuracies += rewards.tolist()
        if rewards.max() > best:
            best = float(rewards.max())
            cell = infos["final_info"]["architecture"][rewards.argmax()]
        # Nothing is discounted: each of an episode's steps returns its reward, standardized because
        # accuracies differ by less than a new value network errs.
        scaled = (rewards - np.mean(accuracies)) / (np.std(accuracies) + 1e-8)
        returns = torch.as_tensor(scaled).float().repeat(length)
        seen, masks, actions, old, values = (
            torch.cat(column) for column in zip(*steps, strict=True)
        )
        advantages = returns - values
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        for _ in range(EPOCHS):
            policy, values = agent(seen, masks)
            ratio = (policy.log_prob(actions) - old).exp()
            clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
            gain = torch.minimum(ratio * advantages, clipped * advantages).mean()
            error = (returns - values).square().mean()
            loss = VALUE * error - gain - ENTROPY * policy.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    envs.close()
    print(f"best of {len(accuracies)}: {best:.4f} {cell}")
    return accuracies


if __name__ == "__main__":
    main()
