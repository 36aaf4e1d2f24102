import contextlib
import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas_gym.architecture import Architecture
from nas_gym.errors import InvalidDataset, InvalidOption
from nas_gym.evaluation import Evaluator
from nas_gym.evaluators.parallel import ParallelEvaluator

sys.path.append(str(Path(__file__).parent))  # workers get it as well
from unruly import NoReturn, UnrulyEvaluator


def children(*orders):
    return [Architecture((n,), order, str(n)) for n, order in enumerate(orders)]


def by_place(evaluator, *orders):
    """Evaluations in the order asked; seeds are 100, 101, …"""
    asked = children(*orders)
    answers = list(evaluator.evaluate(asked, range(100, 100 + len(asked))))
    answers.sort(key=lambda evaluation: evaluation.architecture.tokens)
    assert [e.architecture for e in answers] == asked
    return answers


@pytest.fixture(scope="module")
def pool():
    """Two workers whose pool all tests of this module share, as a long search would."""
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=2, timeout=1.0)
    yield evaluator
    evaluator.close()


def test_is_an_evaluator(pool):
    assert isinstance(pool, Evaluator)
    assert pool.stateful is False


def test_every_child_gets_its_own_seed(pool):
    answers = by_place(pool, *["fine"] * 6)
    assert [e.accuracy for e in answers] == [0.1, 0.101, 0.102, 0.103, 0.104, 0.105]
    assert {e.metrics["pid"] for e in answers} & {os.getpid()} == set()
    assert list(pool.evaluate([], [])) == []


def test_bad_children_are_rows_and_the_pool_goes_on(pool):
    answers = by_place(pool, "fine", "die", "raise", "hang", "exit", "unreadable", "fine", "fine")
    assert [e.failure for e in answers] == [
        None,
        "crashed",
        "error: RuntimeError: on purpose",
        "timeout",
        "crashed",
        "error: its result cannot be read (TypeError: getenv() missing 1 required positional "
        "argument: 'key')",
        None,
        None,
    ]
    assert answers[3].seconds == 1.0
    assert all(e.failure is None for e in by_place(pool, *["fine"] * 4))


def test_a_worker_that_dies_between_rounds_costs_nothing(pool):
    for evaluation in by_place(pool, "fine", "fine"):
        with contextlib.suppress(ProcessLookupError):  # one worker may have had both children
            os.kill(int(evaluation.metrics["pid"]), signal.SIGKILL)
    assert [e.failure for e in by_place(pool, *["fine"] * 4)] == [None] * 4


def test_what_concerns_all_children_is_raised(pool):
    with pytest.raises(InvalidDataset, match="the data is gone"):
        by_place(pool, "fine", "no data")
    assert by_place(pool, "fine")[0].failure is None


def test_an_evaluator_that_workers_cannot_load(pool):
    evaluator = ParallelEvaluator(UnrulyEvaluator(NoReturn()), workers=1)
    try:
        with pytest.raises(InvalidOption, match="cannot load the evaluator"):
            by_place(evaluator, "fine")
    finally:
        evaluator.close()


def test_stopping_early_leaves_the_pool_usable(pool):
    answers = pool.evaluate(children("fine", *["hang"] * 3), range(4))
    next(answers)
    answers.close()
    start = time.monotonic()
    assert by_place(pool, "fine")[0].failure is None
    assert time.monotonic() - start < 30


def test_copies_have_the_configuration_and_no_processes(pool):
    by_place(pool, "fine")
    for twin in (copy.deepcopy(pool), pickle.loads(pickle.dumps(pool))):
        assert twin == pool
        assert twin._pools == []
        assert len(pool._pools) == 1


def test_close_is_final_for_processes_only():
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    evaluator.close()
    pid = int(by_place(evaluator, "fine")[0].metrics["pid"])
    evaluator.close()
    evaluator.close()
    assert not alive(pid)
    assert by_place(evaluator, "fine")[0].failure is None
    evaluator.close()


def test_systems_without_a_fork_server_spawn(monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    try:
        assert [e.failure for e in by_place(evaluator, "fine", "die")] == [None, "crashed"]
    finally:
        evaluator.close()


def test_daemonic_processes_are_told_what_to_do(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(InvalidOption, match="a daemonic process cannot start workers"):
        by_place(ParallelEvaluator(UnrulyEvaluator(), workers=1), "fine")


@pytest.mark.parametrize(("workers", "timeout"), [(0, None), (-1, None), (1.5, None), (True, None),
                                                  (1, 0), (1, float("nan"))])  # fmt: skip
def test_options_out_of_range(workers, timeout):
    with pytest.raises(InvalidOption):
        ParallelEvaluator(UnrulyEvaluator(), workers, timeout)


# ---------------------------------------------------------------- scripts


SCRIPT = """
import sys, time
sys.path.append({folder!r})
from unruly import UnrulyEvaluator
from nas_gym.architecture import Architecture
from nas_gym.evaluators.parallel import ParallelEvaluator

class Slow(UnrulyEvaluator):
    def evaluate(self, architectures, seeds):
        for evaluation in super().evaluate(architectures, seeds):
            yield evaluation
            time.sleep({seconds})

evaluator = ParallelEvaluator(Slow(), workers=2)

def main():
    asked = [Architecture((n,), order, str(n)) for n, order in enumerate({orders!r})]
    try:
        for evaluation in evaluator.evaluate(asked, range(len(asked))):
            print(evaluation.failure, int(evaluation.metrics["pid"]), flush=True)
    finally:
        if {close}:
            evaluator.close()

{guard}
    main()
"""
GUARD = 'if __name__ == "__main__":'


def start_script(folder, guard=GUARD, orders=("fine", "fine"), seconds=0, close=True):
    values = {
        "folder": str(Path(__file__).parent),
        "guard": guard,
        "orders": list(orders),
        "seconds": seconds,
        "close": close,
    }
    script = folder / "script.py"
    script.write_text(SCRIPT.format(**values))
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive(pid):
    """Whether the process still runs: a dead one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_script_may_define_its_own_evaluator_and_leave_it_open(tmp_path):
    process = start_script(tmp_path, close=False)
    output, errors = process.communicate(timeout=100)
    assert [line.split()[0] for line in output.splitlines()] == ["None", "None"]
    assert errors == ""
    assert process.returncode == 0
    assert not any(alive(int(line.split()[1])) for line in output.splitlines())


def test_a_script_without_the_main_guard_gets_one_clear_error(tmp_path):
    process = start_script(tmp_path, guard="if True:")
    output, errors = process.communicate(timeout=100)
    assert output == ""
    assert process.returncode == 1
    assert errors.count("Traceback") == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("nas_gym.errors.InvalidOption: ")
    assert 'put what it runs under `if __name__ == "__main__":`' in last


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["ctrl-c", "killed"])
def test_no_process_outlives_the_script(tmp_path, how):
    process = start_script(tmp_path, orders=["fine", "fine", "hang", "hang"])
    workers = [int(process.stdout.readline().split()[1]) for _ in range(2)]
    start = time.monotonic()
    if how == "ctrl-c":  # reaches all processes of a terminal's foreground group
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.kill()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - start < 30
    if how == "ctrl-c":
        assert errors.count("Traceback") == 1
        assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
