"""Workers start early, and light: nobody loads torch's compiler for a training."""

import json
import multiprocessing
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.starting import start_server

FORKS = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(), reason="has no fork server"
)


def run(folder: Path, script: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(script, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=seconds
    )


def server() -> Any:
    return vars(forkserver)["_forkserver"]._forkserver_pid


HELD = """
import os, signal, sys
from multiprocessing import forkserver, spawn, util
from pathlib import Path

if __name__ == "__main__":
    masks, start = [], util.spawnv_passfds

    def started(*told):
        pid = start(*told)
        status = Path(f"/proc/{pid}/status").read_text()
        masks.append(int(status.split("SigBlk:")[1].split()[0], 16) >> (signal.SIGINT - 1) & 1)
        return pid

    util.spawnv_passfds = started
    if sys.argv[1] == "server":
        from nas_gym.evaluators.workers.starting import start_server
        start_server()
    else:
        from nas_gym.benchmark.processes import fresh_processes
        from nas_gym.training.ctrl_c import ctrl_c_held
        with fresh_processes(1) as pool:
            with ctrl_c_held():
                done = pool.submit(int)
            done.result()
    print(masks[1:])  # the first is that of the tracker of resources, which ends with the command
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks the Linux kernel")
@pytest.mark.parametrize("what", [pytest.param("server", marks=pytest.mark.slow), "pool"])
def test_a_process_that_starts_never_gets_ctrl_c(what: str, tmp_path: Path) -> None:
    """Not the first one either, before which Python starts its tracker of resources."""
    (tmp_path / "script.py").write_text(HELD, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "script.py"), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout == "[1]\n", done.stderr


@FORKS
def test_the_server_starts_once() -> None:
    start_server()
    first = server()
    assert first is not None
    start_server()
    assert server() == first


def test_systems_without_a_fork_server_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.setattr(forkserver, "ensure_running", None)
    start_server()


def test_a_process_that_cannot_have_workers_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(vars(multiprocessing.current_process())["_config"], "daemon", True)
    with pytest.raises(InvalidOption, match="a daemonic process cannot start workers"):
        start_server()


# ---------------------------------------------------------------- searches


SPACE = '''
import json, sys
from torch import nn

FORWARDS = []

class Small(nn.Sequential):
    """Writes down, after the first update, what its process has loaded."""

    def forward(self, images):
        FORWARDS.append(self.training)
        if FORWARDS == [True, True]:
            with open("worker.json", "w") as file:
                json.dump(sorted(sys.modules), file)
        return super().forward(images)

class Space:
    tokens = ()
    max_length, max_options = 1, 2

    def choose(self, pick):
        return pick("width", (2, 4))

    def build(self, width, task):
        return Small(
            nn.Conv2d(task.channels, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, task.classes),
        )
'''
SEARCH = """
import json, sys
from multiprocessing import forkserver
import nas_gym

class Agent:
    batch_size = 1
    def search(self, env):
        print("server", forkserver._forkserver._forkserver_pid is not None)

def main():
    result = nas_gym.search(
        "small:Space",
        {{"name": "training", "recipe": {{"name": "quick", "epochs": 1}}}},
        {agent},
        budget={budget}, workers=1, run="one", store="store.sqlite",
    )
    print([answer.evaluation.failure for answer in result.answers])
    with open("parent.json", "w") as file:
        json.dump(sorted(sys.modules), file)

{guard}
    main()
"""
GUARD = 'if __name__ == "__main__":'


def search(folder: Path, agent: str, budget: int, guard: str = GUARD) -> Any:
    (folder / "small.py").write_text(SPACE, encoding="utf-8")
    return run(folder, SEARCH.format(agent=agent, budget=budget, guard=guard))


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent", [pytest.param("random-search", marks=pytest.mark.slow), "reinforce"]
)
def test_no_process_of_a_search_loads_the_compiler(tmp_path: Path, agent: str) -> None:
    done = search(tmp_path, repr(agent), budget=1)
    assert done.stdout.strip() == "[None]", done.stderr
    for process in ("parent", "worker"):
        loaded = set(json.loads((tmp_path / f"{process}.json").read_text(encoding="utf-8")))
        assert "torch" in loaded
        assert not {"torch._dynamo", "torch.distributed.fsdp", "sympy", "sklearn"} & loaded


@pytest.mark.slow
@FORKS
def test_a_search_starts_the_server_before_it_needs_workers(tmp_path: Path) -> None:
    done = search(tmp_path, "Agent()", budget=1)
    assert done.stdout.splitlines() == ["server True", "[]"], done.stderr


@pytest.mark.slow
def test_a_search_without_the_main_guard_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = search(tmp_path, "'random-search'", budget=1, guard="if True:")
    assert done.stdout == ""
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("nas_gym.errors.Inv"))
    assert 'put what it runs under `if __name__ == "__main__":`' in line
