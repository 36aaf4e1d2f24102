import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from nas_gym.envs.ledger import Ledger
from nas_gym.envs.recorder import Recorder
from nas_gym.envs.rewards import Accuracy
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.landscapes import BitCount, Landscape
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import Store, load_run
from nas_gym.store.begin import begin_run, continue_run
from nas_gym.store.schema import EVALUATIONS
from nas_gym.testing.evaluators import FailingEvaluator, SlowEvaluator
from nas_gym.testing.spaces import BitString

CONFIG = {"budget": 20, "seed": 0}
SHARED = {"space": "one", "evaluator": "landscape"}


def recorded(record: Recorder, space: Any, evaluator: Any) -> list[Any]:
    env = NASVectorEnv(space, evaluator, num_envs=4, record=record)
    env.reset(seed=0)
    played = []
    rng = np.random.default_rng(0)
    for _ in range(5):
        tokens = [rng.integers(2, size=space.max_length).tolist() for _ in range(3)]
        played += env.play([*tokens, tokens[0]])
    return played


@pytest.mark.parametrize("protocol", [None, SHARED])
def test_what_was_asked_comes_back(store: Store, protocol: Any) -> None:
    space = NASNetCell(blocks=2)
    record = begin_run(store, "a-run", CONFIG, protocol=protocol, session={"workers": 3})
    played = recorded(record, space, FailingEvaluator(Landscape(space), rate=0.4))
    run = store.load_run("a-run")
    assert (run.status, run.config) == ("running", CONFIG)
    assert [session["workers"] for session in run.sessions] == [3]
    assert [row.number for row in run.rows] == list(range(20))
    for row, answer in zip(run.rows, played, strict=True):
        evaluation = answer.evaluation
        assert row.tokens == answer.tokens
        assert row.reward == answer.reward
        assert row.metrics == dict(evaluation.metrics)
        assert (row.source, row.failure) == (evaluation.source, evaluation.failure)
    assert sum(row.source == "memo" for row in run.rows) >= 5
    assert 0 < sum(row.failure is not None for row in run.rows) < 20


def test_a_noisy_evaluator_has_a_row_for_each_answer(store: Store) -> None:
    record = begin_run(store, "a-run", CONFIG)
    played = recorded(record, BitString(6), BitCount())
    rows = store.load_run("a-run").rows
    assert [row.metrics["accuracy"] for row in rows] == [a.evaluation.accuracy for a in played]


def test_an_evaluation_that_took_time_is_on_disk_at_once(store: Store, place: str) -> None:
    """All of a batch but its last, which goes with the requests in the same moment."""
    space = NASNetCell(blocks=1)
    record = begin_run(store, "a-run", CONFIG)
    evaluations, requests = [], []

    class Watcher(Recorder):
        def evaluated(self, answer: Any, seed: int) -> None:
            record.evaluated(answer, seed)
            evaluations.append(len(load_run("a-run", place).unanswered))

        def claim(self, jobs: Any) -> Any:
            return record.claim(jobs)

        def requested(self, first: int, answers: Any) -> None:
            record.requested(first, answers)
            requests.append(len(load_run("a-run", place).rows))

    slow = SlowEvaluator(Landscape(space), seconds=0.01)
    env = NASVectorEnv(space, slow, num_envs=3)
    env.ledger = Ledger(slow, Accuracy(), record=Watcher())
    env.play([(0, 0, i, 0, 0, 0, 0, 0, 0, 0) for i in range(3)])
    assert (evaluations, requests) == ([1, 2, 3], [3])


def test_runs_are_listed_and_end(store: Store) -> None:
    record = begin_run(store, "a-run", CONFIG)
    recorded(record, BitString(6), BitCount())
    other = begin_run(store, "other", CONFIG)
    other.finish("interrupted")
    listed = store.runs()
    assert [(r["name"], r["status"], r["requests"]) for r in listed] == [
        ("a-run", "running", 20),
        ("other", "interrupted", 0),
    ]
    assert listed[0]["best_reward"] == max(row.reward for row in store.load_run("a-run").rows)
    record._lock.release()  # as the end of its process does
    assert store.runs()[0]["status"] == "cut"


def test_a_taken_name_is_refused(store: Store) -> None:
    record = begin_run(store, "a-run", CONFIG)
    with pytest.raises(StoreError, match=r"there is a run 'a-run'.*nas-gym resume a-run"):
        begin_run(store, "a-run", CONFIG)
    record.close()


def test_an_unknown_run_gets_a_hint(store: Store) -> None:
    begin_run(store, "first-try", CONFIG)
    with pytest.raises(StoreError, match="did you mean 'first-try'"):
        store.load_run("first-tri")
    with pytest.raises(StoreError, match="nas-gym list"):
        store.load_run("zzz")


@pytest.mark.few(1)
def test_a_run_that_is_being_written_cannot_be_resumed(store: Store, place: str) -> None:
    record = begin_run(store, "a-run", CONFIG)
    with Store(place) as other, pytest.raises(StoreError, match="written by another process"):
        continue_run(other, "a-run", CONFIG)
    record.close()
    with Store(place) as other:
        continue_run(other, "a-run", CONFIG).close()


def test_a_run_goes_on_under_its_own_configuration_alone(store: Store) -> None:
    record = begin_run(store, "a-run", CONFIG)
    recorded(record, BitString(6), BitCount())
    record._lock.release()
    with pytest.raises(InvalidOption, match="begun with seed 0, and is given 1"):
        continue_run(store, "a-run", CONFIG | {"seed": 1})
    with pytest.raises(InvalidOption, match="begun with agent null"):
        continue_run(store, "a-run", CONFIG | {"agent": "other"})
    with pytest.raises(InvalidOption, match="has 20 evaluations already"):
        continue_run(store, "a-run", CONFIG | {"budget": 19})
    resumed = continue_run(store, "a-run", CONFIG | {"budget": 30}, session={"workers": 1})
    assert len(resumed.history()) == 20
    assert store.load_run("a-run").config["budget"] == 30
    assert [s.get("workers") for s in store.load_run("a-run").sessions] == [None, 1]


def test_runs_of_one_protocol_share_what_they_train(store: Store) -> None:
    space = NASNetCell(blocks=2)
    evaluator = FailingEvaluator(Landscape(space), rate=0.3, reason="diverged")
    one = begin_run(store, "one", CONFIG, protocol=SHARED)
    first = recorded(one, space, evaluator)
    two = begin_run(store, "two", CONFIG, protocol=SHARED)
    second = recorded(two, space, evaluator)
    other = begin_run(store, "other", CONFIG, protocol=SHARED | {"space": "another"})
    third = recorded(other, space, evaluator)
    alone = begin_run(store, "alone", CONFIG)
    fourth = recorded(alone, space, evaluator)
    assert {a.evaluation.source for a in second} == {"memo"}
    for played in (second, third, fourth):
        assert [(a.tokens, a.reward) for a in played] == [(a.tokens, a.reward) for a in first]
    for played in (third, fourth):
        assert [a.evaluation.source for a in played] == [a.evaluation.source for a in first]
    count = sa.select(sa.func.count()).select_from(EVALUATIONS)
    paid = sum(a.evaluation.source != "memo" for a in first)
    assert store.database.read(lambda c: c.execute(count).scalar()) == 3 * paid
    assert [row.metrics for row in store.load_run("two").rows] == [
        row.metrics for row in store.load_run("one").rows
    ]


@pytest.mark.few(4)
@pytest.mark.parametrize("reason", ["timeout", "out of memory", "crashed", "error: a bug"])
def test_failures_of_a_machine_are_not_shared(store: Store, reason: str) -> None:
    space = NASNetCell(blocks=2)
    failing = FailingEvaluator(Landscape(space), rate=1.0, reason=reason)
    recorded(begin_run(store, "one", CONFIG, protocol=SHARED), space, failing)
    two = begin_run(store, "two", CONFIG, protocol=SHARED)
    again = recorded(two, space, Landscape(space))
    assert all(a.evaluation.failure is None for a in again)
    three = begin_run(store, "three", CONFIG, protocol=SHARED)
    assert {a.evaluation.source for a in recorded(three, space, failing)} == {"memo"}


def test_validations_come_back(store: Store) -> None:
    begin_run(store, "a-run", CONFIG).finish("finished")
    validation = Validation("key", (0, 1), 7, 0.5, 0.25, 1.5, None, None, {"dataset": "digits"})
    failed = replace(
        validation, seed=8, accuracy=None, test_accuracy=None, failure="error: E", detail="x"
    )
    for each in (validation, failed):
        store.save_validation("a-run", each)
    assert store.load_run("a-run").validations == (validation, failed)


OPEN_AT_ONCE = """
import sys
from nas_gym.store import Store
from nas_gym.store.begin import begin_run
for place in sys.argv[2:]:
    with Store(place) as store:
        begin_run(store, sys.argv[1], {}).finish("finished")
"""


@pytest.mark.slow
def test_processes_may_open_a_new_store_at_once(tmp_path: Path, place: str) -> None:
    places = [str(tmp_path / f"{i}.sqlite") for i in range(20)] if "://" not in place else [place]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AT_ONCE, f"run{n}", *places], stderr=subprocess.PIPE
        )
        for n in range(4)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    for each in places:
        with Store(each) as store:
            assert sorted(run["name"] for run in store.runs()) == [f"run{n}" for n in range(4)]
