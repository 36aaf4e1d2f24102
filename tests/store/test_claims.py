"""Who trains a job that two runs need at once: one of them, whatever the moment."""

import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import sqlalchemy as sa

import nas_gym
from nas_gym.envs.recorder import Answer, Claim
from nas_gym.evaluators.evaluation import Evaluation, Job
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import Store
from nas_gym.store.begin import begin_run
from nas_gym.store.recorder import RunRecorder

SPACE = NASNetCell(blocks=1)
PROTOCOL = {"test": "claims"}
JOBS = [Job(architecture_of(SPACE, (0, 0, operation, *(0,) * 7)), 7) for operation in range(3)]


def record(place: str, name: str) -> RunRecorder:
    return begin_run(Store(place), name, {"budget": None}, protocol=PROTOCOL)


def answer(job: Job) -> Answer:
    return Answer(Evaluation(job.architecture, {"accuracy": 0.5}, seconds=1.0), 0.5)


@pytest.fixture
def both(server_place: str) -> Iterator[tuple[RunRecorder, RunRecorder]]:
    """The owner of all jobs, and another run that needs them."""
    owner, other = record(server_place, "owner"), record(server_place, "other")
    assert owner.claim(JOBS) == [Claim.OURS] * len(JOBS)
    yield owner, other
    owner.close()
    other.close()


def write_all(owner: RunRecorder) -> None:
    for job in JOBS:
        owner.evaluated(answer(job), job.seed)
    owner.requested(0, [answer(job) for job in JOBS])


def finds_all(other: RunRecorder) -> None:
    found = list(other.claim(JOBS))
    for position, whose in enumerate(found):
        if whose is Claim.THEIRS:
            found[position] = other.wait(JOBS[position])
    assert [type(one) for one in found] == [Evaluation] * len(JOBS)
    with other.database.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM claims").scalar() == 0


@pytest.mark.parametrize("look", ["INSERT INTO claims", "FROM evaluations", "FROM claims"])
def test_an_owner_that_commits_between_two_looks(
    look: str, both: tuple[RunRecorder, RunRecorder]
) -> None:
    """The owner writes everything right after the other run has looked into one of the tables."""
    owner, other = both
    looks = []

    @sa.event.listens_for(other.database.engine, "after_cursor_execute")
    def looked(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if look in statement:
            looks.append(statement)
            if len(looks) == 1:
                write_all(owner)

    finds_all(other)
    assert looks


def test_an_owner_at_its_commit_is_waited_for(both: tuple[RunRecorder, RunRecorder]) -> None:
    owner, other = both
    ready, waited_for = threading.Event(), threading.Event()
    waits = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE :owner = ANY(pg_blocking_pids(pid))"
    )

    @sa.event.listens_for(owner.database.engine, "commit")
    def hold(connection: Any) -> None:
        """Until the other run is seen to wait for what the owner has locked."""
        if ready.is_set():
            return
        ready.set()
        who = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        deadline = time.monotonic() + 60
        with other.database.engine.connect() as looking:
            while not looking.execute(waits, {"owner": who}).scalar():
                if time.monotonic() > deadline:
                    return
                time.sleep(0.01)
        waited_for.set()

    thread = threading.Thread(target=write_all, args=[owner])
    thread.start()
    assert ready.wait(60)
    finds_all(other)
    thread.join()
    assert waited_for.is_set()


@dataclass(frozen=True)
class Counted:
    """A landscape that writes down what it is asked."""

    folder: str
    stateful = False
    protocol = PROTOCOL

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        with Path(self.folder, f"{os.getpid()}").open("a") as asked:
            for architecture, seed in zip(architectures, seeds, strict=True):
                asked.write(f"{architecture.key} {seed}\n")
        yield from Landscape(SPACE).evaluate(architectures, seeds)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Asks:
    """Asks for the same architectures as its rivals, in another order, at the same time."""

    order: int
    batch_size = 4
    begun: ClassVar[Callable[[], object]]  # waits for the rivals

    def search(self, env: Any) -> None:
        wanted = np.random.default_rng(0).integers(2, size=(120, 10))
        wanted = np.random.default_rng(self.order).permutation(wanted)
        for first in range(0, len(wanted), 4):
            env.play(wanted[first : first + 4].tolist())
            if first == 0:  # each has trained something
                Asks.begun()


def rival(place: str, folder: str, number: int, barrier: Any) -> None:
    Asks.begun = lambda: barrier.wait(200)
    barrier.wait(200)
    nas_gym.search(
        SPACE, Counted(folder), Asks(number), budget=120, num_envs=4, child_seed=3,
        run=f"run{number}", store=place,
    )  # fmt: skip


@pytest.mark.slow
def test_rivals_train_everything_once(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "asked"
    folder.mkdir()
    Store(place).close()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    rivals = [
        context.Process(target=rival, args=(place, str(folder), i, barrier)) for i in range(3)
    ]
    for process in rivals:
        process.start()
    for process in rivals:
        process.join(300)
        assert process.exitcode == 0
    files = list(folder.iterdir())
    asked = Counter(line for file in files for line in file.read_text().splitlines())
    assert len(files) == 3  # they did share
    assert [line for line, count in asked.items() if count > 1] == []
    with Store(place) as store:
        assert {run["requests"] for run in store.runs()} == {120}
