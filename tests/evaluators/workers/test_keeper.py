"""What a child started ends with it, and with the search, however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_gym.evaluators.workers.keeper import descendants, kill

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(os, "pidfd_open"), reason="Linux"
)

STARTS = """
import os, signal, subprocess, sys, time
from dataclasses import dataclass
from pathlib import Path
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(300)"]

@dataclass(frozen=True)
class Starts:
    folder: str
    stateful = False

    def evaluate(self, architectures, seeds):
        started = [subprocess.Popen(SLEEP), subprocess.Popen(SLEEP, start_new_session=True)]
        twice = "import os, time\\nif os.fork(): os._exit(0)\\nos.setsid()\\n" \\
            "print(os.getpid(), flush=True)\\nos.close(1)\\ntime.sleep(300)"
        daemon = subprocess.run([sys.executable, "-S", "-c", twice], stdout=-1, check=True).stdout
        forked = os.fork()
        if forked == 0:
            os.setsid()
            time.sleep(300)
        pids = [*(p.pid for p in started), int(daemon), forked, os.getpid()]
        Path(self.folder, "new").write_text(" ".join(map(str, pids)))
        Path(self.folder, "new").rename(Path(self.folder, "pids"))
        time.sleep(300)
        yield

    def close(self):
        pass

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, above all tests, would have it ignored
    folder, timeout = sys.argv[1], float(sys.argv[2]) or None
    evaluator = ParallelEvaluator(Starts(folder), 1, timeout=timeout)
    env = NASVectorEnv(NASNetCell(blocks=1), evaluator)
    answer = env.play([(0,) * 10])[0].evaluation
    print(answer.failure, flush=True)
    sys.stdin.read()
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in b"ZX"
    except OSError:
        return False


def within(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


def run(folder: Path, timeout: float) -> "tuple[subprocess.Popen[str], list[int]]":
    """Start a script, and return it with the processes of its child."""
    script = folder / "starts.py"
    script.write_text(STARTS)
    command = [sys.executable, str(script), str(folder), str(timeout)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
    file = folder / "pids"
    assert within(200, lambda: file.exists() or process.poll() is not None)
    return process, [int(pid) for pid in file.read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "SIGHUP", "SIGTERM", "group SIGHUP", "group SIGKILL"])
def test_nothing_outlives_the_search(how: str, tmp_path: Path) -> None:
    process, pids = run(tmp_path, 0)
    with process:
        assert all(map(alive, pids))
        everything = [*pids, *descendants(process.pid)]
        send = os.killpg if how.startswith("group") else os.kill
        send(process.pid, signal.Signals[how.split()[-1]])
        process.wait(100)
    gone = within(60, lambda: not any(map(alive, everything)))
    left = [pid for pid in everything if alive(pid)]
    kill(left)
    assert gone, left


@pytest.mark.slow
def test_what_ran_out_of_time_takes_its_processes_along(tmp_path: Path) -> None:
    """But not a daemon, which nothing ties to it: that ends with the search."""
    process, pids = run(tmp_path, 10.0)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "timeout\n"
        daemon = pids.pop(2)
        assert within(60, lambda: not any(map(alive, pids)))
        process.communicate("")
    assert process.returncode == 0
    assert within(60, lambda: not alive(daemon))


def test_descendants_are_found_in_any_session() -> None:
    nested = "import subprocess, sys, time; subprocess.Popen(['sleep', '300']); time.sleep(300)"
    command = [sys.executable, "-S", "-c", nested]
    with subprocess.Popen(command, start_new_session=True) as process:
        assert within(20, lambda: len(descendants(process.pid)) == 1)
        family = [process.pid, *descendants(process.pid)]
        assert set(family) <= set(descendants(os.getpid()))
        kill(family)
    assert within(30, lambda: not any(map(alive, family)))
    kill(family)  # gone already: nothing happens


def test_a_process_whose_first_thread_has_ended_keeps_its_children() -> None:
    """As one that a signal ends thread by thread does for a moment, longer on a busy machine."""
    code = """
import ctypes, os, subprocess, sys, threading, time
threading.Thread(target=time.sleep, args=(300,)).start()
print(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(99)"]).pid, flush=True)
libc = ctypes.CDLL(None)
libc.syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)  # exit: of this thread alone
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert within(20, lambda: not alive(process.pid))
        assert process.poll() is None
        assert alive(child)
        assert {child, process.pid} <= set(descendants(os.getpid()))
        kill([child, process.pid])
    assert within(30, lambda: not alive(child))
