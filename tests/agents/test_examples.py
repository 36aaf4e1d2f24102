"""The examples of driving the environment, on the page and in ``agents/examples``, do run."""

import importlib.util
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

AGENTS = Path(__file__).parents[2] / "agents"


def example(name):
    spec = importlib.util.spec_from_file_location(name, AGENTS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_code_of_the_page_runs(capsys):
    page = (AGENTS / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    assert len(blocks[0].splitlines()) <= 22  # a user's own agent
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
        assert re.search(r"0\.\d+", capsys.readouterr().out)


def test_cleanrl_ppo_learns(capsys):
    with torch.random.fork_rng(devices=[]):
        accuracies = example("cleanrl_ppo").main(evaluations=160)
    assert len(accuracies) == 160
    assert np.mean(accuracies[-40:]) > np.mean(accuracies[:40]) + 0.02
    assert capsys.readouterr().out.startswith("best of 160: 0.9")


def test_the_masked_model_reads_what_the_wrapper_gives(capsys):
    module = example("rllib_action_mask")
    env = module.make_env()
    assert isinstance(env.observation_space["observations"], gym.spaces.Box)
    model = module.MaskedModel(env.observation_space, env.action_space)
    observation, _ = env.reset(seed=0)
    batch = {"obs": {name: torch.as_tensor(part)[None] for name, part in observation.items()}}
    batch["obs"]["action_mask"][0, 2:] = 0
    probabilities = model(batch)["action_dist_inputs"].detach().softmax(-1)[0]
    assert probabilities[2:].tolist() == [0, 0, 0]
    assert float(probabilities.sum()) == pytest.approx(1)
    with torch.random.fork_rng(devices=[]):
        rewards = module.main(episodes=60)
    assert len(rewards) == 60
    assert "mean of the first and last" in capsys.readouterr().out
