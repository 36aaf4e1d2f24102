"""Two processes search at once, in one store, and train nothing twice."""

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import nas_gym
from nas_gym.errors import InvalidOption, RunDiverged, StoreError
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.findings import Findings, summary
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import Store, load_run
from nas_gym.store.schema import EVALUATIONS

SPACE = {"name": "nasnet-cell", "blocks": 1}
BUDGET = 40
SEARCH = """
import sys, time
import nas_gym
from nas_gym.testing import Landscape

evaluate = Landscape.evaluate
def slowly(self, architectures, seeds):
    for evaluation in evaluate(self, architectures, seeds):
        time.sleep(float(sys.argv[4]))
        yield evaluation
Landscape.evaluate = slowly

nas_gym.search(
    {"name": "nasnet-cell", "blocks": 1}, "landscape", sys.argv[3], budget=40, num_envs=8,
    seed=5, run=sys.argv[2], resume=True, store=sys.argv[1],
)
"""


def start(store: str, run: str, agent: str, seconds: float = 0.02) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SEARCH, store, run, agent, str(seconds)],
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes: "subprocess.Popen[str]") -> None:
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def trainings(store: str) -> list[tuple[str, int]]:
    query = sa.select(EVALUATIONS.c.key, EVALUATIONS.c.seed)
    with Store(store) as opened:
        rows: list[Any] = opened.database.read(lambda c: list(c.execute(query)))
    return [tuple(row) for row in rows]


def begun(store: str) -> list[str]:
    with Store(store) as opened:
        return [run["name"] for run in opened.runs()]


def history(run: str, store: str | Path) -> list[Any]:
    return [(row.tokens, row.key, row.seed, row.reward) for row in load_run(run, store).rows]


def alone(agent: str, folder: Path) -> list[Any]:
    store = folder / "alone.sqlite"
    nas_gym.search(
        SPACE, "landscape", agent, budget=BUDGET, num_envs=8, seed=5, run=agent, store=store
    )
    return history(agent, store)


@pytest.mark.slow
def test_two_processes_share_and_train_nothing_twice(tmp_path: Path) -> None:
    store = str(tmp_path / "store.sqlite")
    finish(
        start(store, "one", "regularized-evolution"),
        start(store, "same", "regularized-evolution"),
        start(store, "other", "random-search"),
    )
    done = trainings(store)
    assert len(done) == len(set(done))
    evolution = alone("regularized-evolution", tmp_path)
    expected = {"one": evolution, "same": evolution, "other": alone("random-search", tmp_path)}
    assert set(done) == {(key, seed) for rows in expected.values() for _, key, seed, _ in rows}
    reports = {run: summary(Findings.of(load_run(run, store))) for run in expected}
    for run, rows in expected.items():
        assert history(run, store) == rows
        assert reports[run]["requests"] == BUDGET
        assert reports[run]["evaluated"] + reports[run]["memo_hits"] == BUDGET
    assert sum(report["evaluated"] for report in reports.values()) == len(done)
    assert reports["one"]["memo_hits"] + reports["same"]["memo_hits"] > BUDGET // 2


FLYING = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import nas_gym
from nas_gym.testing import Landscape

Landscape.instant = False
evaluate = Landscape.evaluate
def slowly(self, architectures, seeds):
    for evaluation in evaluate(self, architectures, seeds):
        time.sleep(0.03)
        yield evaluation
Landscape.evaluate = slowly

with ThreadPoolExecutor(3) as executor:
    nas_gym.search(
        {"name": "nasnet-cell", "blocks": 1}, "landscape", "random-search", budget=40, seed=5,
        run=sys.argv[2], store=sys.argv[1], asynchronous=True, in_flight=3,
        executor=executor if sys.argv[3] == "threads" else None,
    )
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["here", "threads"])
def test_what_is_in_flight_elsewhere_is_waited_for_without_waiting(
    where: str, tmp_path: Path
) -> None:
    """Three runs ask for the same: each trains what no other has begun with."""
    store = str(tmp_path / "store.sqlite")
    runs = ("one", "two", "three")
    finish(
        *(
            subprocess.Popen(
                [sys.executable, "-c", FLYING, store, run, where], stderr=subprocess.PIPE, text=True
            )
            for run in runs
        )
    )
    done = trainings(store)
    assert len(done) == len(set(done))
    asked = [sorted(history(run, store)) for run in runs]
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == BUDGET
    reports = [summary(Findings.of(load_run(run, store))) for run in runs]
    assert sum(report["evaluated"] for report in reports) == len(done)


@pytest.mark.slow
def test_a_killed_process_does_not_keep_others_waiting(tmp_path: Path) -> None:
    """What it had begun is taken over by who waits for it, and it resumes with the rest."""
    store = str(tmp_path / "store.sqlite")
    first = start(store, "first", "random-search", seconds=1.0)
    deadline = time.monotonic() + 200
    while not (Path(store).exists() and len(trainings(store)) >= 2):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = start(store, "second", "random-search")
    while "second" not in begun(store):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)  # it waits for what the first has begun
    first.send_signal(signal.SIGKILL)
    first.communicate()
    finish(second)
    assert load_run("first", store).status == "cut"
    finish(start(store, "first", "random-search"))
    rows = alone("random-search", tmp_path)
    assert history("first", store) == rows
    assert history("second", store) == rows
    done = trainings(store)
    assert len(done) == len(set(done)) == len({key for _, key, _, _ in rows})


def test_runs_with_other_child_seeds_share_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    for run, seeds in {"a": (1, None), "b": (2, None), "c": (2, 1)}.items():
        nas_gym.search(
            SPACE, "landscape", "random-search", budget=50, seed=seeds[0], child_seed=seeds[1],
            run=run, store=store,
        )  # fmt: skip
    a, b, c = ({row.seed for row in load_run(run, store).rows} for run in "abc")
    assert not a & b
    tokens = [[row.tokens for row in load_run(run, store).rows] for run in "abc"]
    assert tokens[1] == tokens[2] != tokens[0]
    assert c != b


# ---------------------------------------------------------------- resume


class Wanders:
    """Asks for other architectures in each search."""

    batch_size = 5
    searches = itertools.count()

    def search(self, env: Any) -> None:
        rng = np.random.default_rng(next(Wanders.searches))
        env.play([(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)] * 5)
        while env.remaining:
            env.play([rng.integers(2, size=10).tolist() for _ in range(int(env.remaining))])


class Cut(Landscape):
    """Is cut at the twelfth child of this process."""

    children = 0

    def evaluate(self, architectures: Any, seeds: Any) -> Iterator[Any]:
        for evaluation in super().evaluate(architectures, seeds):
            Cut.children += 1
            if Cut.children == 12:
                raise KeyboardInterrupt
            yield evaluation


def test_a_run_that_diverges_names_the_first_request_that_differs(tmp_path: Path) -> None:
    store, space = tmp_path / "store.sqlite", NASNetCell(blocks=1)
    nas_gym.search(space, Landscape(space), Wanders(), budget=20, run="w", store=store)
    with pytest.raises(RunDiverged, match=r"request 5 was .* and is .* now") as caught:
        nas_gym.search(
            space, Landscape(space), Wanders(), budget=25, run="w", resume=True, store=store
        )
    error = caught.value
    assert error.number == 5
    assert error.recorded == load_run("w", store).rows[5].tokens != error.asked
    assert len(load_run("w", store).rows) == 20


def test_resume_takes_everything_from_the_record(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    options = {
        "space": SPACE, "evaluator": {"name": "landscape", "noise": 0.01}, "num_envs": 3,
        "agent": {"name": "regularized-evolution", "population_size": 5}, "seed": 7,
        "child_seed": 1, "reward": "accuracy-cubed", "failure_reward": -1.0,
    }  # fmt: skip
    nas_gym.search(**options, budget=50, run="whole", store=tmp_path / "other.sqlite")
    nas_gym.search(**options, budget=20, run="r", store=store)
    result = nas_gym.resume("r", store, budget=50)
    assert history("r", store) == history("whole", tmp_path / "other.sqlite")
    assert [a.evaluation.source for a in result.answers[:20]] == ["replay"] * 20
    assert "replay" not in {a.evaluation.source for a in result.answers[20:]}
    assert "replay" not in {row.source for row in load_run("r", store).rows}
    assert load_run("r", store).config["budget"] == 50
    assert len(load_run("r", store).sessions) == 2


def test_a_run_of_live_objects_is_resumed_from_python(tmp_path: Path) -> None:
    store, space = tmp_path / "store.sqlite", NASNetCell(blocks=1)
    with pytest.raises(KeyboardInterrupt):
        nas_gym.search(space, Cut(space), "random-search", budget=20, run="cut", store=store)
    assert len(load_run("cut", store).unanswered) == 3  # of the second batch of eight
    with pytest.raises(InvalidOption, match="begun with evaluator"):
        nas_gym.search(
            space, Landscape(space), "random-search", budget=20, run="cut", resume=True, store=store
        )
    nas_gym.search(
        space, Cut(space), "random-search", budget=20, run="cut", resume=True, store=store
    )
    assert Cut.children == 21  # twelve, and nine that were left
    whole = nas_gym.search(space, Landscape(space), "random-search", budget=20)
    assert [row.reward for row in load_run("cut", store).rows] == [a.reward for a in whole.answers]


@pytest.mark.slow
def test_a_script_s_own_parts_cannot_be_resumed_by_name(tmp_path: Path) -> None:
    store, space = tmp_path / "store.sqlite", NASNetCell(blocks=1)
    nas_gym.search(space, Landscape(space), Wanders(), budget=5, run="w", store=store)
    script = """
import sys
import nas_gym
class Mine(nas_gym.NASNetCell):
    pass
nas_gym.search(Mine(blocks=1), "landscape", "random-search", budget=3, run="m", store=sys.argv[1])
"""
    subprocess.run([sys.executable, "-c", script, store], check=True)
    with pytest.raises(StoreError, match=r"run that script again with search\(.*resume=True\)"):
        nas_gym.resume("m", store)


def test_the_environment_of_a_run_can_be_made_again(tmp_path: Path) -> None:
    import gymnasium as gym
    from gymnasium.envs.registration import EnvSpec

    store = tmp_path / "store.sqlite"
    nas_gym.search(SPACE, "landscape", "random-search", budget=3, seed=4, run="r", store=store)
    run = load_run("r", store)
    assert run.env_spec is not None
    env = gym.make(EnvSpec.from_json(run.env_spec))
    env.reset(seed=0)
    for token in run.rows[0].tokens:
        _, reward, *_ = env.step(token)
    assert reward == run.rows[0].reward
    assert json.loads(run.env_spec)["id"] == "NASNetCell-v0"
    versions = run.sessions[0]["versions"]
    assert versions["gymnasium"] == gym.__version__
    assert {"git", "machine"} <= run.sessions[0].keys()
