"""The inside of a worker process, which evaluates one child after the other."""

import ctypes
import gc
import multiprocessing
import os
import re
import signal
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.failures import FAILURE_MOST, cut, lacks_memory
from nas_gym.evaluators.workers.jobs import dump_outcome, evaluate_job, load_evaluator
from nas_gym.evaluators.workers.number import set_worker_number
from nas_gym.options.lasting import LastingStream

READY, STARTED, DONE = "ready", "started", "done"  # kinds of messages to the pool
GIB = 2**30  # bytes
PASSED_OVER = (signal.SIGINT, signal.SIGTERM)
MAY_BE_LOST = 1 / 8  # of a memory limit, to fragmentation


def serve(
    connection: "Connection[Any, Any]", pickled: bytes, memory_limit: float | None, number: int
) -> None:
    """Evaluate the jobs that arrive on ``connection`` until it is closed.

    Messages to the pool are pairs: (READY, None) once; for each job (STARTED, None) and
    (DONE, outcome).

    Args:
        connection: To the pool.
        pickled: The evaluator.
        memory_limit: GiB that a child may allocate; None for no limit.
        number: Of this worker in its pool, from 0.
    """
    prepare_process(memory_limit)
    set_worker_number(number)
    broken: NASGymError | None = None
    try:
        evaluator = load_evaluator(pickled)
    except NASGymError as error:
        broken = error
    if memory_limit is not None:
        limit_memory(memory_limit)
    connection.send((READY, None))
    while True:
        try:
            job = connection.recv_bytes()
        except (EOFError, OSError):  # the pool is closed
            return
        connection.send((STARTED, None))
        outcome = broken or evaluate_job(evaluator, job)
        if memory_limit is not None and isinstance(outcome, NASGymError):
            outcome = _of_the_limit(outcome, memory_limit)
        connection.send((DONE, dump_outcome(outcome)))
        failure = outcome.failure if isinstance(outcome, Evaluation) else None
        if failure is not None and "CUDA error" in failure:
            return  # this process can use its GPU no more: the pool starts another
        if memory_limit is not None or failure == "out of memory":
            release_memory()
        if memory_limit is not None and freed_but_counted() > memory_limit * GIB * MAY_BE_LOST:
            return  # the next child would find too little: the pool starts another process


def _of_the_limit(error: NASGymError, memory_limit: float) -> NASGymError:
    """Return an error for all children that names the limit, if it came of it.

    What reads data says what it was about, and does not know that memory was kept from it.
    """
    cause: BaseException | None = error
    while cause is not None and not lacks_memory(cause):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return error
    return InvalidOption(
        f"a child may allocate {memory_limit:g} GiB, which is too little to read its data "
        f"({cut(str(cause) or type(cause).__name__, FAILURE_MOST)}): give more with --memory-limit "
        "(memory_limit), or inf for no limit"
    )


def prepare_process(memory_limit: float | None) -> None:
    """Make this process one that works for another, on one core."""
    if hasattr(os, "setsid"):
        os.setsid()  # what a child starts is of this group, and ends with it
    _pass_over_signals()
    _die_with_parent()
    for name in ("stdout", "stderr"):  # what a child prints is no reason to fail
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        setattr(sys, name, LastingStream(stream))
    keep_freed_memory(up_to=1 << 30 if memory_limit is None else 1 << 25)
    gc.freeze()  # what is loaded by now stays: collecting garbage need not look at it
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _pass_over_signals() -> None:
    """Leave Ctrl-C and SIGTERM to the main process; what a child starts is ended by them, as usual.

    A signal that is ignored stays so in other programs and in forks: a ``Pool`` or a ``Popen`` of
    the child's could not be terminated, and whoever waits for it would wait for ever.
    """
    for interrupt in PASSED_OVER:
        signal.signal(interrupt, _pass_over)  # a handler of Python's is no other program's
    if hasattr(signal, "pthread_sigmask"):  # until now it was held back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if hasattr(os, "register_at_fork"):  # not on Windows
        mask = threading.local()  # signals wait meanwhile: Python forgets those that a fork gets

        def before() -> None:
            mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_OVER)

        def after() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask.before)

        def after_in_child() -> None:
            _end_at_signals()
            after()

        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)


def _pass_over(number: int, frame: object) -> None:
    pass


def _end_at_signals() -> None:
    """Let signals end this fork, unless the child set a handler of its own."""
    for number in PASSED_OVER:
        if signal.getsignal(number) is _pass_over:
            usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, usual)


def limit_memory(gib: float) -> None:
    """Let this process allocate ``gib`` GiB more than it has now; Linux only.

    RLIMIT_DATA counts private writable memory. The more usual RLIMIT_AS counts the address space,
    of which CUDA reserves far more than it ever uses.
    """
    import resource  # there is none on Windows

    status = Path("/proc/self/status").read_text()
    used = int(re.findall(r"VmData:\s+(\d+) kB", status)[0]) * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + int(gib * GIB)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def release_memory() -> None:
    """Give back what the last child has freed: the next one must find the whole limit."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def freed_but_counted() -> int:
    """Count the bytes that are free in glibc's heap but cannot leave it: something lies behind."""
    mallinfo = _c_function("mallinfo2")
    if mallinfo is None:
        return 0
    mallinfo.restype = _Mallinfo
    return int(mallinfo().fordblks)


class _Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h."""

    _fields_ = [
        *((f"field{i}", ctypes.c_size_t) for i in range(8)),
        ("fordblks", ctypes.c_size_t),  # free bytes, of all arenas
        ("keepcost", ctypes.c_size_t),
    ]


def keep_freed_memory(up_to: int = 1 << 30) -> None:
    """Tell glibc to keep freed blocks of ``up_to`` bytes instead of giving them to the kernel.

    Without it a small network spends up to 43 % of its training in page faults. It does nothing if
    the C library is another.
    """
    mallopt = _c_function("mallopt")
    if mallopt is None:
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
    mallopt(mmap_threshold, up_to)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 1 << 24)  # a limit is exact to this many bytes


def _c_function(name: str) -> Any:
    """Return a function of glibc, or None if there is no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)


def _die_with_parent() -> None:
    """End this process when the main process is killed.

    A thread sees to it everywhere. On Linux the kernel does so too, for a child that blocks all
    threads of Python: it sends SIGIO, which ends a process, when the pipe from the main process is
    closed. (Its signal for a dead parent is about the fork server, which outlives the main one.)
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()
    if sys.platform.startswith("linux"):
        import fcntl

        pipe = parent.sentinel
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
