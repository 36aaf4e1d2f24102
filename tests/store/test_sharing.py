"""What a record of somebody else may do, and what runs may share."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.envs.children import child_seed
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, RunDiverged
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.registry import make
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import Store, load_run
from nas_gym.store.begin import begin_run
from nas_gym.store.schema import RUNS, checksum

SPACE = NASNetCell(blocks=1)
TOKENS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def search(store: Path, run: str, **options: Any) -> Any:
    parts: dict[str, Any] = {"space": SPACE, "evaluator": Landscape(SPACE), "budget": 12}
    parts |= {"agent": "random-search", "run": run, "store": store} | options
    return nas_gym.search(**parts)


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", ["space", "evaluator", "reward", "agent"])
@pytest.mark.parametrize("command", ["report", "export", "resume", "validate"])
def test_a_record_cannot_run_a_program(
    kind: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has changed a part's name, and the checksum with it."""
    store, proof = tmp_path / "store.sqlite", tmp_path / "proof"
    search(store, "r", budget=3)
    connection = sqlite3.connect(store)
    connection.row_factory = sqlite3.Row
    row = dict(connection.execute("select * from runs").fetchone())
    config = json.loads(row["config"])
    config[kind] = {"name": "subprocess:Popen", "args": ["touch", str(proof)]}
    row["config"] = json.dumps(config)
    values = (row["config"], checksum(RUNS, row))
    connection.execute("update runs set status = 'cut', config = ?, checksum = ?", values)
    connection.execute("update runs set status = 'interrupted'")
    connection.commit()
    connection.close()
    with pytest.raises(SystemExit):
        main([command, "r", "--store", str(store)])
    assert not proof.exists()
    with pytest.raises(InvalidOption, match="its class defines no"):
        make(kind, config[kind])
    assert not proof.exists()


@dataclass(frozen=True)
class Backwards:
    """Accuracy from the seed alone; the last asked answers first."""

    stateful = True

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        for architecture, seed in reversed(list(zip(architectures, seeds, strict=True))):
            yield Evaluation(architecture, {"accuracy": seed / 2**31})

    def close(self) -> None:
        pass


def test_repeats_of_a_noisy_evaluator_keep_their_seeds(tmp_path: Path) -> None:
    """Whatever the order of the answers; equal designs in other words among them."""
    swapped = (1, 0, 4, 8, 0, 0, 0, 0, 0, 0), (0, 1, 8, 4, 0, 0, 0, 0, 0, 0)
    with Store(tmp_path / "store.sqlite") as store:
        record = begin_run(store, "r", {"budget": None})
        env = NASVectorEnv(SPACE, Backwards(), num_envs=4, record=record)
        played = env.play([TOKENS, swapped[0], TOKENS, swapped[1], TOKENS])
        keys = [p.evaluation.architecture.key for p in played]
        assert keys[1] == keys[3]
        expected = [child_seed(0, key, keys[:i].count(key)) for i, key in enumerate(keys)]
        assert [p.reward for p in played] == [seed / 2**31 for seed in expected]
        rows = store.load_run("r").rows
        assert [row.seed for row in rows] == expected
        assert [row.metrics["accuracy"] for row in rows] == [p.reward for p in played]
        record.close()


@pytest.mark.parametrize("options", [{"threads": 2}, {"recipe": {"name": "quick", "epochs": 1}}])
def test_what_changes_a_training_changes_its_protocol(options: dict[str, Any]) -> None:
    plain = TrainingEvaluator(SPACE)
    assert replace(plain, **options).protocol != plain.protocol
    assert plain.protocol["device"] in ("cpu", "cuda")


def test_where_children_run_does_not_keep_runs_from_sharing(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    first = search(store, "plain")
    wrapped = ParallelEvaluator(Landscape(SPACE), workers=1)
    second = search(store, "wrapped", evaluator=wrapped)
    assert {a.evaluation.source for a in second.answers} == {"memo"}
    assert [a.reward for a in second.answers] == [a.reward for a in first.answers]
    assert load_run("wrapped", store).config["restorable"]
    with Store(store) as opened:
        plain, other = opened.runs()
    assert plain["best_reward"] == other["best_reward"] == max(a.reward for a in first.answers)


def test_a_reward_that_is_not_finite_concerns_its_own_run_alone(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nothing = lambda evaluation: float("nan")  # noqa: E731
    first = search(store, "nan", reward=nothing, failure_reward=-1.0)
    assert {a.evaluation.failure for a in first.answers} == {"error: the reward is nan"}
    assert {row.failure for row in load_run("nan", store).rows} == {"error: the reward is nan"}
    second = search(store, "plain")
    assert {a.evaluation.source for a in second.answers} == {"memo"}
    assert {row.failure for row in load_run("plain", store).rows} == {None}
    third = search(store, "nan-again", reward=nothing, failure_reward=-1.0)
    assert {row.failure for row in load_run("nan-again", store).rows} == {
        a.evaluation.failure for a in third.answers
    }


def test_a_link_to_the_store_leads_to_the_same_locks(tmp_path: Path) -> None:
    store, link = tmp_path / "store.sqlite", tmp_path / "link.sqlite"
    with Store(store) as opened:
        record = begin_run(opened, "r", {"budget": 1})
        link.symlink_to(store)
        with Store(link) as other:
            assert other.runs()[0]["status"] == "running"
        record.close()


class Wanders:
    """Asks for other architectures each time."""

    batch_size = 4

    def search(self, env: Any) -> None:
        rng = np.random.default_rng()
        while env.remaining:
            env.play([rng.integers(2, size=10).tolist() for _ in range(int(env.remaining))])


def test_a_run_that_diverges_stays_as_it_was(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    search(store, "w", agent=Wanders(), budget=6)
    before = load_run("w", store)
    with pytest.raises(RunDiverged):
        search(store, "w", agent=Wanders(), budget=9, resume=True)
    assert load_run("w", store) == before


def test_limits_stay_with_the_run(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    search(store, "r", workers=1, timeout=30, memory_limit=4, budget=3)
    limits = {"timeout": 30, "memory_limit": 4}
    assert load_run("r", store).config["limits"] == limits
    nas_gym.resume("r", store, budget=5, workers=0)
    assert load_run("r", store).config["limits"] == limits
    assert json.loads(load_run("r", store).env_spec or "")["kwargs"]["budget"] == 5


@dataclass(frozen=True)
class Calls:
    """Starts a program and waits for it."""

    folder: str
    stateful = False

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        import subprocess

        for architecture in architectures:
            started = subprocess.Popen(["sleep", "300"])
            Path(self.folder, "pid").write_text(str(started.pid))
            started.wait()
            yield Evaluation(architecture, {"accuracy": 1.0})

    def close(self) -> None:
        pass


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups")
def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    evaluator = ParallelEvaluator(Calls(str(tmp_path)), workers=1, timeout=6.0)
    env = NASVectorEnv(SPACE, evaluator)
    try:
        assert env.play([TOKENS])[0].evaluation.failure == "timeout"
        assert ends(int((tmp_path / "pid").read_text()))
    finally:
        env.close()


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups")
def test_what_a_child_started_ends_with_the_workers(tmp_path: Path) -> None:
    evaluator = ParallelEvaluator(Calls(str(tmp_path)), workers=1)
    written = tmp_path / "pid"
    try:
        evaluator.submit(architecture_of(SPACE, TOKENS), 1)
        deadline = time.monotonic() + 60
        while not (written.exists() and written.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        evaluator.close()
    assert ends(int(written.read_text()))


def ends(pid: int) -> bool:
    """Whether the process ends within a minute."""
    deadline = time.monotonic() + 60
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not runs(pid)


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"
