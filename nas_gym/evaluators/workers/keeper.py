"""The keeper of the worker processes: what a child started ends with the search, however that ends.

A killed process takes nothing along. On Linux the fork server therefore begins with a fork: its
parent stays behind as the keeper, a process of a few megabytes without torch. Orphans among its
descendants become its own children (``PR_SET_CHILD_SUBREAPER``), in whatever session they are, so
it finds all of them when the main process is gone, and kills them.

A process that a child started elsewhere (by a service, in a container) is none of ours.
"""

import ctypes
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

SUBREAPER, DEATH_SIGNAL = 36, 1  # PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG of linux/prctl.h
KILL_SECONDS = 10.0  # until nothing more is tried
PAUSE = 0.01  # seconds between looks for what is left
LOOKS = 2  # in a row that find nothing: one may miss a process that gets a new parent just then
IGNORED = (signal.SIGINT, signal.SIGTERM)  # the main process answers them


def keep() -> None:
    """Put a keeper above this process, which goes on as its child. Elsewhere do nothing."""
    if not sys.platform.startswith("linux") or not hasattr(os, "pidfd_open"):
        return
    libc = ctypes.CDLL(None)
    try:
        main = os.pidfd_open(os.getppid())
    except OSError:  # an older kernel
        return
    if libc.prctl(SUBREAPER, 1, 0, 0, 0) != 0:
        os.close(main)
        return
    keeper = os.getpid()
    server = os.fork()
    if server == 0:
        os.close(main)
        libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != keeper:
            os._exit(1)
        return
    try:
        _watch(main, server)
    finally:
        os._exit(1)


def _watch(main: int, server: int) -> None:
    """Wait until the main process or the fork server is gone; then kill all that are left."""
    os.setsid()  # what is sent to the terminal's processes, or to the group of main, misses it
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries our children
    child = os.pidfd_open(server)
    for name in os.listdir("/proc/self/fd"):  # the server's pipes must end with the server
        if int(name) > 2 and int(name) not in (main, child):
            with suppress(OSError):
                os.close(int(name))
    waiting = select.poll()
    waiting.register(main, select.POLLIN)
    waiting.register(child, select.POLLIN)
    waiting.poll()
    deadline, empty = time.monotonic() + KILL_SECONDS, 0
    while empty < LOOKS and time.monotonic() < deadline:
        left = descendants(os.getpid())
        kill(left)
        empty = 0 if left else empty + 1
        time.sleep(PAUSE)


def descendants(pid: int) -> list[int]:
    """Return the processes that ``pid`` started, and theirs; Linux only, else none.

    Those of a process that has ended are not among them, unless ``pid`` is a keeper. One whose
    first thread has ended looks like it, yet keeps its children while another thread is there.
    """
    if not sys.platform.startswith("linux"):
        return []
    children: dict[int, list[int]] = {}
    ended = set()
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):  # it has just ended
                fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
                state, parent, threads = fields[0], int(fields[1]), int(fields[17])
                children.setdefault(parent, []).append(int(name))
                if state in b"ZX" and threads < 2:
                    ended.add(int(name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return [one for one in found[1:] if one not in ended]


def kill(pids: list[int]) -> None:
    """Send SIGKILL to each that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
