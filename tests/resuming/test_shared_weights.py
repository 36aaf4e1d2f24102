"""A search by shared weights that is killed with SIGKILL goes on to the identical history."""

import os
import signal
import subprocess
import sys
import time
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
# Snapshots are written after every ten steps, or answer, so that kills fall between them.
NAS_GYM = (
    "from nas_gym.evaluators.weight_sharing import session; session.SECONDS = 0.0; "
    "from nas_gym.cli.main import main; main()"
)


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", NAS_GYM, *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> None:
    _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err


def snapshots(folder: Path) -> int:
    """How many bytes and moments of snapshots there are: it changes with each one."""
    files = [*folder.glob("tmp/nas-gym-shared-weights-*/*/*.weights")]
    return hash(tuple(sorted((file.name, file.stat().st_mtime_ns) for file in files)))


def kill_at_snapshot(process: "subprocess.Popen[str]", folder: Path, count: int) -> bool:
    """Kill a search when it has written ``count`` more snapshots; False if it ended before."""
    seen, before, deadline = 0, snapshots(folder), time.monotonic() + 400
    while process.poll() is None:
        assert time.monotonic() < deadline
        now = snapshots(folder)
        seen, before = seen + (now != before), now
        if seen >= count:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        time.sleep(0.002)
    _, err = process.communicate()
    assert process.returncode == 0, err
    return False


def history(folder: Path) -> list[Any]:
    run = load_run("mine", folder / "runs" / "store.sqlite")
    assert run.status == "finished"
    return [(r.number, r.tokens, r.seed, r.metrics, r.source, r.reward) for r in run.rows]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_search_has_the_history_of_a_whole_one(kind: str, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ended(start(whole, *SEARCH, *KINDS[kind]))
    process, kills = start(killed, *SEARCH, *KINDS[kind]), 0
    for count in (1, 3, 2):
        if not kill_at_snapshot(process, killed, count):
            break
        kills += 1
        begun = (killed / "runs" / "store.sqlite").exists() and _is_recorded(killed)
        again = ("resume", "mine") if begun else (*SEARCH, *KINDS[kind])
        process = start(killed, *again)
    else:
        ended(process)
    assert kills >= 2
    assert history(killed) == history(whole)
    left = [*killed.glob("tmp/nas-gym-shared-weights-*/*")]
    assert left == []  # it is finished, so nothing is kept


def _is_recorded(folder: Path) -> bool:
    with Store(folder / "runs" / "store.sqlite") as store:
        return any(run["name"] == "mine" for run in store.runs())
