"""Faults of what carries children to workers: mended, or one sentence; never a child's."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import Job
from nas_gym.evaluators.guard import Guard
from nas_gym.evaluators.workers import starting
from nas_gym.evaluators.workers.executor import ExecutorEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.architecture import Architecture

sys.path.append(str(Path(__file__).parent))  # workers get it as well
from unruly import UnrulyEvaluator

FORKS = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="has no fork server"
)


def asked(evaluator: Any, *orders: str) -> list[str | None]:
    """Return the failures that a search would record, in the order asked."""
    jobs = {n: Job(Architecture((n,), order, str(n)), n) for n, order in enumerate(orders)}
    found = dict(Guard(evaluator).evaluations(jobs))
    return [found[n].failure for n in jobs]


def within(seconds: float, done: Callable[[], bool]) -> bool:
    """Return whether something comes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


@pytest.fixture
def alone() -> Iterator[ParallelEvaluator]:
    """One worker, of a fork server of its own and not that of other tests."""
    starting._abandon_server()
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    yield evaluator
    evaluator.close()
    starting._abandon_server()


def folder_of_sockets() -> Any:
    return vars(multiprocessing.current_process())["_config"].get("tempdir")


def forget_folder() -> None:
    vars(multiprocessing.current_process())["_config"]["tempdir"] = None


@FORKS
@pytest.mark.slow
def test_a_cleaner_takes_the_servers_folder(alone: ParallelEvaluator) -> None:
    assert asked(alone, "fine") == [None]
    shutil.rmtree(folder_of_sockets())
    assert asked(alone, "exit", "fine", "die", "fine") == ["crashed", None, "crashed", None]


@FORKS
@pytest.mark.slow
@pytest.mark.parametrize("place", ["long", "missing"])
def test_the_temporary_folder_cannot_hold_a_socket(
    alone: ParallelEvaluator, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("x" * 90)
    if place == "long":
        folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    forget_folder()
    assert asked(alone, "fine", "exit", "fine") == [None, "crashed", None]
    forget_folder()


@FORKS
@pytest.mark.slow
def test_no_folder_at_all_spawns(
    alone: ParallelEvaluator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(starting, "_OTHER_PLACES", (str(tmp_path / "missing"),))
    forget_folder()
    assert asked(alone, "fine", "exit") == [None, "crashed"]
    forget_folder()


@FORKS
@pytest.mark.slow
def test_a_server_that_dies_takes_no_child_along(alone: ParallelEvaluator, tmp_path: Path) -> None:
    assert asked(alone, "fine") == [None]
    slow = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    server, free = vars(forkserver)["_forkserver"], tmp_path / "free"

    def end_server() -> None:
        if within(100, (tmp_path / "free.waits").exists):
            os.kill(server._forkserver_pid, signal.SIGKILL)
            free.touch()

    thread = threading.Thread(target=end_server)
    thread.start()
    try:
        assert asked(slow, f"until {free}", "fine") == [None, None]
        assert free.exists()
    finally:
        thread.join()
        slow.close()


@FORKS
@pytest.mark.slow
def test_no_descriptors_end_the_run_with_one_sentence(alone: ParallelEvaluator) -> None:
    import resource

    assert asked(alone, "fine") == [None]
    alone.close()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(1))
        with pytest.raises(NASGymError, match="Too many open files"):
            asked(alone, "fine", "fine")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
    assert asked(alone, "fine") == [None]


@FORKS
def test_what_cannot_be_started_is_tried_with_a_new_server_then_spawned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forkserver, "ensure_running", lambda: None)
    tried = []

    def start(context: Any) -> None:
        tried.append(context.get_start_method())
        raise BlockingIOError(11, "Resource temporarily unavailable")

    server = vars(forkserver)["_forkserver"]
    kept = {name: value for name, value in vars(server).items() if name.startswith("_forkserver_")}
    for name in kept:  # other tests go on with theirs
        setattr(server, name, None)
    try:
        with pytest.raises(NASGymError, match=r"no worker process can be started.*temporarily"):
            starting.start_worker(start)
    finally:
        vars(server).update(kept)
    assert tried == ["forkserver", "forkserver", "spawn"]


class Full(Executor):
    """An executor that can start nothing."""

    def submit(self, *_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")


def test_an_executor_that_can_start_nothing_fails_no_child() -> None:
    with pytest.raises(NASGymError, match=r"cannot take a job .*No space left"):
        asked(ExecutorEvaluator(UnrulyEvaluator(), Full()), "fine", "fine")


def test_what_cannot_be_sent_fails_no_child() -> None:
    class Local(UnrulyEvaluator):  # no other process finds it
        pass

    for evaluator in (ParallelEvaluator(Local(), 1), ExecutorEvaluator(Local(), Full())):
        with pytest.raises(InvalidOption, match="cannot load the evaluator"):
            asked(evaluator, "fine", "fine")
