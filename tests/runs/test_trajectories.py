"""Recorded requests are episodes of the environment, also in Minari's files."""

import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_gym
from nas_gym import load_run
from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption, StoreError, UntrustedModule
from nas_gym.runs.trajectories import trajectories, write_minari
from nas_gym.store import RunData

TABLE: dict[str, Any] = {"space": "nasbench201", "evaluator": "nasbench201"}
CHAIN = {"name": "nas_gym.testing:LayerChain", "max_depth": 3}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunData]:
    store = tmp_path_factory.mktemp("runs") / "store.sqlite"
    options: dict[str, Any] = {"agent": "random-search", "store": store}
    nas_gym.search(**TABLE, budget=8, run="table", **options)
    landscape = {"name": "landscape", "epochs": 9}
    nas_gym.search(CHAIN, landscape, "asha", budget=20, run="chain", store=store)
    return {name: load_run(name, store) for name in ("table", "chain")}


@pytest.mark.parametrize("name", ["table", "chain"])
def test_they_are_what_the_environment_shows(runs: dict[str, RunData], name: str) -> None:
    run = runs[name]
    space, evaluator = run.config["space"], run.config["evaluator"]
    env = gym.make("NASBench201-v0", space=space, evaluator=evaluator)
    found = list(trajectories(run))
    assert len(found) == len(run.rows)
    for row, each in zip(run.rows, found, strict=True):
        options = {"epochs": row.epochs} if row.epochs else {}
        observation, info = env.reset(options=options)
        for place, action in enumerate(each.actions):
            assert each.observations[place].tolist() == observation.tolist()
            assert each.masks[place].tolist() == info["action_mask"].tolist()
            observation, reward, ended, _, info = env.step(action)
            assert ended == (place == len(each.actions) - 1)
            assert each.rewards[place] == reward
        assert each.observations[-1].tolist() == observation.tolist()
        assert each.masks[-1].tolist() == info["action_mask"].tolist()
        assert (each.epochs, info["tokens"]) == (row.epochs, row.tokens)


def test_a_minari_dataset_reads_back(
    runs: dict[str, RunData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minari = pytest.importorskip("minari")
    monkeypatch.chdir(tmp_path)
    folder = write_minari(runs["table"], "./data/table-v0")
    assert folder == tmp_path / "data" / "table-v0"
    assert "MINARI_DATASETS_PATH" not in os.environ
    monkeypatch.setenv("MINARI_DATASETS_PATH", "own")
    write_minari(runs["chain"], "nas/chain-v3", ["nas_gym"])
    chain = minari.load_dataset("nas/chain-v3")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))
    table = minari.load_dataset("table-v0")
    assert table.spec.total_episodes == 8
    for dataset, run in ((table, runs["table"]), (chain, runs["chain"])):
        for episode, each in zip(dataset.iterate_episodes(), trajectories(run), strict=True):
            assert np.array_equal(episode.observations, each.observations)
            assert np.array_equal(episode.actions, each.actions)
            assert np.array_equal(episode.rewards, each.rewards)
            assert np.array_equal(episode.infos["action_mask"], each.masks)
            assert episode.terminations.tolist() == [False] * (len(each.actions) - 1) + [True]
    env = table.recover_environment()
    observation, _ = env.reset(seed=0)
    assert observation in table.observation_space
    with pytest.raises(StoreError, match="already: give it another version, such as table-v1"):
        write_minari(runs["table"], str(folder))


@pytest.mark.parametrize("dataset", ["", "evolution", "a b-v0", "../x/y", "a/b/-v"])
def test_what_is_no_id_is_refused(runs: dict[str, RunData], dataset: str) -> None:
    with pytest.raises(InvalidOption, match="give one with a version"):
        write_minari(runs["table"], dataset)


def test_strangers_are_not_imported(runs: dict[str, RunData]) -> None:
    from dataclasses import replace

    config = {**runs["table"].config, "space": {"name": "stranger:Space"}}
    with pytest.raises(UntrustedModule):
        next(trajectories(replace(runs["table"], config=config)))


def test_the_command_refuses_what_says_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    nas_gym.search(**TABLE, agent="random-search", budget=3, run="mine")
    for options in (["--out", "x"], ["--best", "2"], ["--to", "x"], ["--onnx"]):
        with pytest.raises(SystemExit) as exit_:
            main(["export", "mine", "--minari", "./data/mine-v0", *options])
        assert exit_.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    pytest.importorskip("minari")
    with pytest.raises(SystemExit) as exit_:
        main(["export", "mine", "--minari", "./data/mine-v0", "--json"])
    assert exit_.value.code == 0
    assert '"episodes": 3' in capsys.readouterr().out


@pytest.mark.slow
def test_several_objectives_are_in_the_infos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minari = pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    agents: dict[str, Any] = {
        "mo": {"name": "nsga2", "objectives": ["accuracy", "-parameters"]},
        "edits": {"name": "sb3-dqn", "action": "edit"},
    }
    for name, agent in agents.items():
        nas_gym.search(**TABLE, budget=12, run=name, agent=agent, store=tmp_path / "s.sqlite")
        run = load_run(name, tmp_path / "s.sqlite")
        write_minari(run, f"nas/{name}-v0")
        dataset = minari.load_dataset(f"nas/{name}-v0")
        for row, episode in zip(run.rows, dataset.iterate_episodes(), strict=True):
            assert episode.rewards.tolist() == [0.0] * 5 + [row.reward]
            assert episode.actions.tolist() == list(row.tokens)
            if name == "mo":
                vectors = episode.infos["vector_reward"]
                assert vectors.shape == (7, 2)
                assert not vectors[:-1].any()
                values = [row.metrics["accuracy"], -row.metrics["parameters"]]
                assert vectors[-1].tolist() == values
            else:
                assert "vector_reward" not in episode.infos
