"""Behaviour cloning: a policy learns from the record of an evolution run, without an evaluation.

Every recorded run is a set of episodes of the environment; here a small network imitates the better
half of those of regularized evolution on NAS-Bench-201. The same episodes are written for other
libraries by ``nas-gym export RUN --minari ./data/evolution-v0``.
"""

from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import nas_gym
from nas_gym.runs.trajectories import Trajectory


def clone(episodes: Sequence[Trajectory], options: int, epochs: int = 150) -> nn.Module:
    """Return a policy, from observations to logits, that does what the better half did."""
    middle = np.median([episode.rewards.sum() for episode in episodes])
    better = [episode for episode in episodes if episode.rewards.sum() >= middle]
    seen = torch.tensor(np.concatenate([each.observations[:-1] for each in better]))
    done = torch.tensor(np.concatenate([each.actions for each in better]))
    closed = torch.tensor(np.concatenate([each.masks[:-1] for each in better])) == 0
    policy = nn.Sequential(
        nn.Embedding(options + 1, 8), nn.Flatten(),
        nn.Linear(8 * seen.shape[1], 64), nn.ReLU(), nn.Linear(64, options),
    )  # fmt: skip
    adam = torch.optim.Adam(policy.parameters(), lr=0.01, weight_decay=1e-3)
    for _ in range(epochs):
        logits = policy(seen).masked_fill(closed, -torch.inf)
        adam.zero_grad()
        nn.functional.cross_entropy(logits, done).backward()
        adam.step()
    return policy


def rollouts(env: gym.Env, policy: nn.Module | None, count: int, seed: int) -> list[float]:
    """Return the rewards of sampled episodes; of random ones without a policy."""
    rng, rewards = np.random.default_rng(seed), []
    for _ in range(count):
        (observation, info), ended = env.reset(), False
        while not ended:
            mask = info["action_mask"] == 1
            chances = mask / mask.sum()
            if policy is not None:
                with torch.no_grad():
                    logits = policy(torch.tensor(observation)[None])[0].double().numpy()
                chances = np.where(mask, np.exp(logits - logits.max()), 0.0)
                chances /= chances.sum()
            observation, reward, ended, _, info = env.step(rng.choice(len(mask), p=chances))
        rewards.append(float(reward))
    return rewards


def main(store: str | Path = "runs/store.sqlite", run: str = "teacher", seed: int = 0) -> tuple:
    """Let evolution search, clone it, and compare the clone's samples with random ones."""
    table = {"space": "nasbench201", "evaluator": "nasbench201"}
    agent = {"name": "regularized-evolution", "population_size": 20, "sample_size": 5}
    nas_gym.search(**table, agent=agent, budget=200, seed=seed, run=run, store=store, resume=True)
    episodes = list(nas_gym.trajectories(nas_gym.load_run(run, store)))
    env = gym.make("NASBench201-v0")
    torch.manual_seed(seed)
    policy = clone(episodes, options=env.action_space.n)
    cloned, drawn = rollouts(env, policy, 200, seed), rollouts(env, None, 200, seed)
    print(f"mean accuracy of 200 samples: the clone {np.mean(cloned):.3f}, "
          f"random {np.mean(drawn):.3f}")  # fmt: skip
    return cloned, drawn


if __name__ == "__main__":
    main()
