import contextlib
import copy
import math
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from multiprocessing import forkserver
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from nas_gym.errors import InvalidDataset, InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.architecture import Architecture

sys.path.append(str(Path(__file__).parent))  # workers get it as well
from unruly import NoReturn, UnrulyEvaluator

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel")


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
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=2, timeout=5.0)
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


def test_workers_have_numbers_and_one_that_replaces_another_has_its_own():
    evaluator = ParallelEvaluator(UnrulyEvaluator(seconds=0.05), workers=3)
    with contextlib.closing(evaluator):
        answers = by_place(evaluator, *["number"] * 9)
        processes = {e.metrics["pid"]: e.accuracy for e in answers}
        assert len(set(processes.values())) == len(processes)
        assert set(processes.values()) <= {0.0, 0.01, 0.02}
        (pool,) = evaluator._pools
        assert sorted(worker.number for worker in pool._workers) == [0, 1, 2]
        before = {worker.process.pid for worker in pool._workers}
        by_place(evaluator, "exit", "number", "die", "number")
        by_place(evaluator, "number")
        assert len({worker.process.pid for worker in pool._workers} - before) >= 2
        assert sorted(worker.number for worker in pool._workers) == [0, 1, 2]


@pytest.mark.slow
def test_bad_children_are_rows_and_the_pool_goes_on(pool):
    answers = by_place(pool, "fine", "die", "raise", "hang", "exit", "odd", "fine", "fine")
    assert [e.failure for e in answers] == [
        None,
        "crashed",
        "error: RuntimeError: on purpose",
        "timeout",
        "crashed",
        "error: Odd: its __str__ raises ValueError",
        None,
        None,
    ]
    assert answers[3].seconds == 5.0
    assert all(e.failure is None for e in by_place(pool, *["fine"] * 4))
    # A failure says more than its reason.
    _, killed, raised, hung, left, *_ = answers
    assert raised.detail.splitlines()[-2:] == [
        '    raise RuntimeError("on purpose")',
        "RuntimeError: on purpose",
    ]
    assert killed.detail.startswith("killed by signal 9 (SIGKILL)")
    assert left.detail == "exit status 3"
    assert hung.detail == "ran longer than 5 s"
    assert 0 < left.seconds < 60


def test_a_child_that_calls_exit_has_failed_with_it(pool):
    found = by_place(pool, "exit 0", "fine")
    assert [e.failure for e in found] == ["error: SystemExit: 0", None]


def test_a_worker_killed_at_work_costs_no_child(tmp_path):
    """The kernel without memory, or an operator, may take the wrong process."""
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=2)
    begun = tmp_path / "begun"
    try:
        answers = evaluator.evaluate(children(f"once {begun}", *["fine"] * 3), range(4))
        failures = [next(answers).failure]
        assert within(100, begun.exists)
        os.kill(int(begun.read_text()), signal.SIGKILL)
        failures += [evaluation.failure for evaluation in answers]
        assert failures == [None] * 4
        assert evaluator._pools[0]._orphaned == {0}
    finally:
        evaluator.close()


@pytest.mark.slow
def test_a_worker_killed_at_work_costs_time(pool):
    answers = pool.evaluate(children("fine", "hang", "fine"), range(3))
    pid = int(next(answers).metrics["pid"])
    for worker in pool._pools[0]._workers:
        if worker.process.pid != pid:
            worker.process.kill()  # has "hang", or is about to get it
    failures = [e.failure for e in answers]
    assert failures.count(None) == 1
    assert {*failures} <= {None, "crashed", "timeout"}
    assert [e.failure for e in by_place(pool, "fine", "fine")] == [None, None]


@pytest.mark.slow
def test_the_fork_server_may_die_as_well(pool):
    before = {e.metrics["pid"] for e in by_place(pool, *["fine"] * 4)}
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    for worker in pool._pools[0]._workers:
        assert wait([worker.process.sentinel], 60)  # whose other end the server has
    after = by_place(pool, *["fine"] * 4)
    assert [e.failure for e in after] == [None] * 4
    assert within(60, lambda: not any(alive(int(pid)) for pid in before))


def test_a_worker_whose_gpu_is_lost_is_replaced():
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    try:
        before, lost, after = by_place(evaluator, "fine", "gpu lost", "fine")
        assert lost.failure.startswith("error: RuntimeError: CUDA error")
        assert before.metrics["pid"] != after.metrics["pid"]
    finally:
        evaluator.close()


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("wrong answer", r"the evaluator gave 0\.5: an evaluator yields"),
        ("no number", r"accuracy is .*NoReturn.*: an evaluator gives numbers"),
        ("another's", r"the evaluator answered \(-1,\) once more than it was asked"),
        ("twice", r"the evaluator answered \(0,\) once more than it was asked"),
        ("odd error", "the data is not there"),
    ],
)
def test_what_no_evaluator_may_answer_is_refused_as_it_is_without_workers(pool, order, says):
    with pytest.raises(NASGymError, match=says):
        by_place(pool, order)


def test_what_a_child_starts_can_be_ended(pool):
    found = by_place(pool, "ends its own", "ends its own")
    assert [e.failure for e in found] == [None, None]


def test_one_batch_at_a_time(pool):
    answers = pool.evaluate(children("fine", "fine"), range(2))
    next(answers)
    with pytest.raises(InvalidOption, match="busy with another batch"):
        by_place(pool, "fine")
    answers.close()
    assert by_place(pool, "fine")[0].failure is None


def test_closing_in_the_middle_of_a_batch_leaves_no_worker():
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1)
    answers = evaluator.evaluate(children("fine", "fine"), range(2))
    next(answers)
    evaluator.close()
    with pytest.raises(NASGymError, match="closed in the middle of a batch"):
        next(answers)
    assert evaluator._pools == []


@LINUX
def test_memory_beyond_the_limit_is_a_failure_and_the_worker_goes_on():
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1, memory_limit=1)
    gib = 2**30
    try:
        before, under, over, again, after = by_place(
            evaluator, "fine", gib * 7 // 10, gib * 11 // 10, gib * 7 // 10, "fine"
        )
    finally:
        evaluator.close()
    assert over.failure == "out of memory"
    assert "DefaultCPUAllocator" in over.detail
    assert [e.failure for e in (before, under, again, after)] == [None] * 4
    assert len({e.metrics["pid"] for e in (before, under, again, after)}) == 1


@pytest.mark.slow
@LINUX
def test_a_worker_that_cannot_give_back_its_memory_is_replaced():
    """Free memory in small pieces counts against the limit, and would fail the next child."""
    evaluator = ParallelEvaluator(UnrulyEvaluator(), workers=1, memory_limit=0.5)
    try:
        answers = by_place(evaluator, *["pieces", int(0.45 * 2**30)] * 3)
    finally:
        evaluator.close()
    assert [e.failure for e in answers] == [None] * 6


def test_memory_limits_need_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InvalidOption, match="only Linux can limit"):
        ParallelEvaluator(UnrulyEvaluator(), 1, memory_limit=1)


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
    assert time.monotonic() - start < 100  # and not after a thousand seconds


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", value) for value in (0, -1, 1.5, True)]
    + [(name, value) for name in ("timeout", "memory_limit") for value in (0, math.nan, "1", True)],
)
def test_options_out_of_range(name, value):
    with pytest.raises(InvalidOption, match=f"^{name} is {value!r}: give"):
        ParallelEvaluator(UnrulyEvaluator(), **{"workers": 1, name: value})


# ---------------------------------------------------------------- scripts


SCRIPT = """
import sys, time
sys.path.append({folder!r})
from unruly import UnrulyEvaluator
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.evaluators.workers.parallel import ParallelEvaluator

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


def within(seconds, done):
    """Whether something comes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    return done()


def alive(pid):
    """Whether the process still runs: a dead one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.slow
def test_a_script_may_define_its_own_evaluator_and_leave_it_open(tmp_path):
    process = start_script(tmp_path, close=False)
    output, errors = process.communicate(timeout=300)
    assert [line.split()[0] for line in output.splitlines()] == ["None", "None"]
    assert errors == ""
    assert process.returncode == 0
    assert not any(alive(int(line.split()[1])) for line in output.splitlines())


@pytest.mark.slow
def test_a_script_without_the_main_guard_gets_one_clear_error(tmp_path):
    process = start_script(tmp_path, guard="if True:")
    output, errors = process.communicate(timeout=300)
    assert output == ""
    assert process.returncode == 1
    assert errors.count("Traceback") == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("nas_gym.errors.InvalidOption: ")
    assert 'put what it runs under `if __name__ == "__main__":`' in last


@pytest.mark.few(1)
@LINUX
@pytest.mark.parametrize("how", ["ctrl-c", "killed"])
def test_no_process_outlives_the_script(tmp_path, how):
    process = start_script(tmp_path, orders=["fine", "fine", "hang", "stuck"])
    workers = [int(process.stdout.readline().split()[1]) for _ in range(2)]
    if how == "ctrl-c":  # reaches all processes of a terminal's foreground group
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.kill()
    _, errors = process.communicate(timeout=200)
    if how == "ctrl-c":
        assert errors.count("Traceback") == 1
        assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert within(60, lambda: not any(map(alive, workers)))
