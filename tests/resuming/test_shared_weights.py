"""A search by shared weights that is killed with SIGKILL goes on to the identical history."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nas_gym.store import Store, load_run

SEARCH = (
    *("search", "--space", "nasbench201", "--evaluator", "weight-sharing", "--run", "mine"),
    *("--agent", "regularized-evolution", "--budget", "8", "--num-envs", "4"),
    *("--set", "agent.population_size=4", "evaluator.warm_up=20", "evaluator.turn=8"),
)
KINDS = {
    "uniform": ("evaluator.sampling=uniform", "recipe.steps=150"),
    "fair": ("evaluator.sampling=fair", "recipe.steps=50"),
    "in-turn": ("evaluator.sampling=in-turn", "recipe.steps=100"),
}
# Snapshots are written after every ten steps, or answer, so that kills fall between them. What is
# to be killed stops for good after some, however late the kill is.
NAS_GYM = """
import itertools, sys, time
from pathlib import Path
from nas_gym.cli.main import main
from nas_gym.evaluators.weight_sharing import session

most, numbers = int(sys.argv.pop(1)), itertools.count(1)
save = session.Session._save

def held(self):
    save(self)
    if next(numbers) == most:
        Path("held").touch()
        time.sleep(1000)

session.SECONDS, session.Session._save = 0.0, held
main()
"""


def start(folder: Path, *arguments: str, most: int = 0) -> "subprocess.Popen[str]":
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    (folder / "held").unlink(missing_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", NAS_GYM, str(most), *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> None:
    _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err


def status_of(folder: Path) -> str | None:
    """The recorded status of the search; None before it is recorded."""
    path = folder / "runs" / "store.sqlite"
    if not path.exists():
        return None
    with Store(path) as store:
        return next((run["status"] for run in store.runs() if run["name"] == "mine"), None)


def last_snapshot(folder: Path) -> int:
    """When the last snapshot was written that is there, in nanoseconds."""
    times = [0]
    for file in folder.glob("tmp/nas-gym-shared-weights-*/*/*.weights"):
        with suppress(FileNotFoundError):  # a search that is finished removes them
            times.append(file.stat().st_mtime_ns)
    return max(times)


def kill_at_snapshot(process: "subprocess.Popen[str]", folder: Path, count: int) -> bool:
    """Kill a search when it has written ``count`` more snapshots; False if it ended before."""
    seen, before, deadline = 0, last_snapshot(folder), time.monotonic() + 400
    while process.poll() is None:
        assert time.monotonic() < deadline
        now = last_snapshot(folder)
        seen, before = seen + (now > before), max(now, before)
        if seen >= count or (folder / "held").exists():
            process.send_signal(signal.SIGSTOP)
            if status_of(folder) == "finished":  # too late: its files are being removed
                process.send_signal(signal.SIGCONT)
                break
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        time.sleep(0.002)
    ended(process)
    return False


def next_command(folder: Path, kind: str) -> tuple[str, ...]:
    return ("resume", "mine") if status_of(folder) else (*SEARCH, *KINDS[kind])


def history(folder: Path) -> list[Any]:
    run = load_run("mine", folder / "runs" / "store.sqlite")
    assert run.status == "finished"
    return [(r.number, r.tokens, r.seed, r.metrics, r.source, r.reward) for r in run.rows]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_search_has_the_history_of_a_whole_one(kind: str, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ended(start(whole, *SEARCH, *KINDS[kind]))
    kills = 0
    for count in (1, 3, 2):
        process = start(killed, *next_command(killed, kind), most=count + 2)
        if not kill_at_snapshot(process, killed, count):
            break
        kills += 1
    else:
        ended(start(killed, *next_command(killed, kind)))
    assert kills >= 2
    assert history(killed) == history(whole)
    left = [*killed.glob("tmp/nas-gym-shared-weights-*/*")]
    assert left == []  # it is finished, so nothing is kept
