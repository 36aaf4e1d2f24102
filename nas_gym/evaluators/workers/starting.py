"""The start of worker processes, and the reasons why they cannot start."""

import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import BaseContext
from multiprocessing.util import Finalize
from typing import Any, TypeVar

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.training import main_script
from nas_gym.training.ctrl_c import ctrl_c_held

Started = TypeVar("Started")

# Bytes of a folder's name, beyond which a socket in it has no name that the system takes (104 on
# some): multiprocessing's own is "/listener-" and eight letters.
LONGEST_FOLDER = 103 - len("/listener-12345678")
_OTHER_PLACES = ("/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"))  # for that folder
SAFE_FOR_NOW = "nas-gym"  # PYTHONSAFEPATH, of the fork server alone: ``_preload`` takes it away


def worker_context() -> BaseContext:
    """Return what starts workers: a server that has torch loaded forks them, or they are spawned.

    The server also loads what this process has loaded of nas-gym: a worker imports the main script
    first, which would load it again, in each.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    loaded = sorted(name for name in sys.modules if name.startswith("nas_gym."))
    context.set_forkserver_preload(["nas_gym.evaluators.workers._preload", *loaded])
    return context


def start_server() -> None:
    """Start the fork server now, so that it loads torch while this process does other things.

    Its workers start by themselves when they are needed. Where there is no fork server, or it runs
    already, nothing happens.

    Raises:
        InvalidOption: This process cannot have workers.
    """
    check_main_process()
    if worker_context().get_start_method() == "forkserver":
        _ensure_server()


def _ensure_server() -> None:
    from multiprocessing import forkserver  # there is none on Windows

    with ctrl_c_held():  # until it ignores it itself
        # A random.py in the current folder is not what the server wants to import.
        os.environ.setdefault("PYTHONSAFEPATH", SAFE_FOR_NOW)
        try:
            mend_server()
            with suppress(OSError):  # the first worker will tell, or be started otherwise
                forkserver.ensure_running()
        finally:
            if os.environ.get("PYTHONSAFEPATH") == SAFE_FOR_NOW:
                del os.environ["PYTHONSAFEPATH"]


def start_worker(start: Callable[[BaseContext], Started]) -> Started:
    """Return what ``start`` starts; if it fails, try again with a new server, then without one.

    Args:
        start: Starts a worker process in a context.

    Raises:
        NASGymError: No process can be started; that is no child's fault.
    """
    context = worker_context()
    if context.get_start_method() == "forkserver":
        for _ in range(2):
            _ensure_server()
            with suppress(OSError, EOFError):  # its socket is gone, or it died meanwhile
                return start(context)
            _abandon_server()
    try:
        with ctrl_c_held():
            return start(multiprocessing.get_context("spawn"))
    except (OSError, EOFError, RuntimeError, MemoryError) as error:
        raise NASGymError(
            f"no worker process can be started ({type(error).__name__}: {error}): free processes, "
            "open files, memory or space in the temporary folder, or evaluate in this process "
            "with workers=0"
        ) from error


def mend_server() -> None:
    """See to it that the fork server has a folder for its socket, and is there or can be started.

    The usual temporary folder may be gone (a cleaner came by), read-only, or have too long a name.
    """
    from multiprocessing import forkserver  # there is none on Windows

    address = vars(forkserver)["_forkserver"]._forkserver_address
    if address is not None and not os.path.exists(address):
        _abandon_server()
    config: dict[str, Any] = vars(multiprocessing.current_process())["_config"]
    if config.get("tempdir") is not None and _fits(config["tempdir"]):
        return
    for place in (tempfile.gettempdir, *(lambda p=p: p for p in _OTHER_PLACES)):
        with suppress(OSError):
            if _fits(place(), len(b"/pymp-12345678")):
                folder = config["tempdir"] = tempfile.mkdtemp(prefix="pymp-", dir=place())
                Finalize(None, shutil.rmtree, (folder, True), exitpriority=-100)
                return
    config["tempdir"] = None


def _fits(folder: str, more: int = 0) -> bool:
    """Return whether a socket can be made in ``folder``, its name ``more`` bytes longer."""
    length = len(os.fsencode(folder)) + more
    return length <= LONGEST_FOLDER and os.access(folder, os.W_OK | os.X_OK)


def _abandon_server() -> None:
    """Forget the fork server, so that another is started; it ends when its last worker does."""
    from multiprocessing import forkserver

    server = vars(forkserver)["_forkserver"]
    with server._lock:
        if server._forkserver_alive_fd is not None:
            with suppress(OSError):
                os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None
        server._forkserver_address = None
        server._forkserver_pid = None


def check_main_process() -> None:
    """Raise InvalidOption if this process cannot have workers."""
    main_script.check_main_process(
        "workers: let the main process evaluate, with "
        'gym.make_vec(id, vectorization_mode="vector_entry_point")',
        "worker processes", "evaluate in this process with workers=0",
    )  # fmt: skip


def cannot_start(exit_status: int | None) -> InvalidOption:
    """Return the error that says why the first worker ended before it was ready."""
    if exit_status == main_script.NO_MAIN_GUARD:
        return InvalidOption(
            "worker processes import the main script, and this one would search again in each: "
            'put what it runs under `if __name__ == "__main__":`'
        )
    if exit_status is not None and exit_status < 0:
        return InvalidOption(
            f"worker processes cannot start: the first was killed by signal {-exit_status}, by "
            "someone, or by the system because memory ran out; look at the free memory, and try "
            "again"
        )
    return InvalidOption(
        f"worker processes cannot start (exit status {exit_status}): they import the main "
        "script, which failed as shown above; make it importable"
    )
