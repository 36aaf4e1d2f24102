import logging
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
import cases

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.engines.dask import Dask

pytestmark = [
    *cases.STARTS["dask"].as_parameter().marks,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]


def test_bad_children_are_rows() -> None:
    cases.bad_children_are_rows(Dask(workers=2))


def test_a_cluster_of_its_own_has_so_many_workers_and_logs_no_end_of_theirs() -> None:
    """They would log that the scheduler answers no more, if that is asked just then."""
    engine = Dask(workers=3)
    try:
        assert engine.room() == 3
        assert engine.submit(levels_of_its_log).result(300) == {logging.CRITICAL}
    finally:
        engine.shutdown()


def levels_of_its_log() -> set[int]:
    return {handler.level for handler in logging.getLogger("distributed").handlers}


@pytest.fixture
def cluster():
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as two:
        yield two


def kill_one(cluster) -> None:
    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)


def test_a_worker_that_is_killed_in_the_middle(cluster) -> None:
    cases.goes_on_after(lambda: kill_one(cluster), Dask(address=cluster.scheduler_address))


def test_a_worker_that_is_killed_while_no_batch_is_waited_for(cluster, tmp_path: Path) -> None:
    engine = Dask(address=cluster.scheduler_address)
    assert engine.room() == 2
    cases.goes_on_asynchronously_after(lambda: kill_one(cluster), engine, tmp_path / "s.db")


def test_the_time_of_a_search_that_waits_for_no_batch(tmp_path: Path) -> None:
    cases.its_time_is_up(Dask(workers=2), tmp_path / "s.db")


def test_a_worker_that_cannot_train_is_avoided() -> None:
    """One of two has a broken library: its children are trained by the other."""
    from distributed import Nanny, Scheduler, SpecCluster

    worker = {"cls": Nanny, "options": {"nthreads": 1}}
    broken = {"cls": Nanny, "options": {"nthreads": 1, "env": {cases.BROKEN: "1"}}}
    scheduler = {"cls": Scheduler, "options": {"dashboard_address": ":0"}}
    with SpecCluster({0: worker, 1: broken}, scheduler=scheduler) as cluster:
        cases.a_bad_machine_is_avoided(Dask(address=cluster.scheduler_address))


def test_no_scheduler(tmp_path: Path) -> None:
    told = cases.refused(
        tmp_path,
        *cases.SEARCH,
        *cases.ROUNDS,
        "--executor",
        "dask",
        "--set",
        "executor.address=tcp://localhost:1",
    )
    assert "no Dask scheduler answers at 'tcp://localhost:1' (ConnectionRefusedError" in told


def test_one_cluster_at_a_time() -> None:
    with pytest.raises(InvalidOption, match="address and workers of executor 'dask' are given"):
        Dask(address="tcp://localhost:1", workers=2)
