"""What all engines have in common, with the command and their real parts."""

import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
import cases
from cases import FLYING, ROUNDS, STARTS, Start

from nas_gym.store import load_run

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(params=cases.EACH)
def start(request: pytest.FixtureRequest) -> Start:
    """Each engine that can be started here, with what it runs on."""
    found: Start = request.param
    if found.fixture:
        request.getfixturevalue(found.fixture)
    return found


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """The history of a search that nobody kills, on this machine."""
    folder = tmp_path_factory.mktemp("whole")
    most = str(max(start.budget for start in STARTS.values()))
    process = cases.command(
        folder, *cases.SEARCH, *ROUNDS, "--budget", most, "--run", "whole", "--workers", "2"
    )
    _, err = process.communicate(timeout=cases.SECONDS)
    assert process.returncode == 0, err
    return cases.rows(folder, "whole")


def test_a_killed_driver_is_resumed(
    start: Start, whole: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    """After kill -9 nothing of the search is left, and ``resume`` gives the identical history."""
    cases.is_killed(tmp_path, start, ROUNDS)
    cases.is_resumed(tmp_path, start)
    assert cases.rows(tmp_path, "cut") == whole[: start.budget]


def test_a_killed_driver_that_waited_for_no_batch_is_resumed(start: Start, tmp_path: Path) -> None:
    """The history is identical as far as it went, and the budget is spent exactly."""
    cases.is_killed(tmp_path, start, FLYING)
    before = cases.rows(tmp_path, "cut")
    cases.is_resumed(tmp_path, start)
    after = cases.rows(tmp_path, "cut")
    assert after[: len(before)] == before
    assert len(after) == start.budget
    assert not any(failure for *_, failure in after)


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_ctrl_c_ends_a_search_that_waits_for_no_batch(name: str, tmp_path: Path) -> None:
    start, mark = STARTS[name], uuid.uuid4().hex
    if start.missing:
        pytest.skip(start.missing)
    process = cases.command(
        tmp_path, *cases.SEARCH, *FLYING, "--budget", "200", "--run", "cut", *start.switches,
        mark=mark,
    )  # fmt: skip
    cases.wait_for(process, tmp_path, "cut", 6)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=cases.SECONDS)
    assert process.returncode == 130, err
    assert "Traceback" not in err, err[-6000:]
    assert "asynchronous, 4 in flight; recorded in" in err
    left = cases.gone(mark)
    assert not left, left
    run = load_run("cut", tmp_path / "nas-gym.db")
    assert run.status == "interrupted"
    assert 0 < len(run.rows) < 200
