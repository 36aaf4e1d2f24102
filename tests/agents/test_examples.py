"""The examples of driving the environment in ``agents/examples`` do run."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from nas_gym import load_run

AGENTS = Path(__file__).parents[2] / "agents"
SOURCE = (AGENTS / "examples" / "hill_climber.py").read_text(encoding="utf-8")


def example(name):
    spec = importlib.util.spec_from_file_location(name, AGENTS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_cleanrl_ppo_learns(capsys):
    with torch.random.fork_rng(devices=[]):
        accuracies = example("cleanrl_ppo").main(evaluations=160)
    assert len(accuracies) == 160
    assert np.mean(accuracies[-40:]) > np.mean(accuracies[:40]) + 0.02
    assert capsys.readouterr().out.startswith("best of 160: 0.9")


@pytest.mark.slow
def test_a_proposer_outside_climbs_through_json_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    best = example("hill_climber").climb(60, 0, "--run", "hill", "--workers", "1")
    rows = load_run("hill", tmp_path / "runs" / "store.sqlite").rows
    assert len(rows) == 60
    assert best["reward"] == max(row.reward for row in rows) > 0.9
    assert "nas_gym" not in re.findall(r"^(?:import|from) (\S+)", SOURCE, re.MULTILINE)


@pytest.mark.slow
def test_a_clone_of_evolution_samples_better_than_at_random(tmp_path, capsys):
    with torch.random.fork_rng(devices=[]):
        cloned, drawn = example("behaviour_cloning").main(tmp_path / "store.sqlite")
    difference = np.mean(cloned) - np.mean(drawn)
    error = np.sqrt(np.var(cloned) / len(cloned) + np.var(drawn) / len(drawn))
    assert difference > 4 * error
    assert "the clone 0.9" in capsys.readouterr().out
