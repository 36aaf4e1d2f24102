"""The start of worker processes, and the reasons why they cannot start."""

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import BaseContext

from nas_gym.errors import InvalidOption

SAFE_FOR_NOW = "nas-gym"  # PYTHONSAFEPATH, of the fork server alone: ``_preload`` takes it away
NO_MAIN_GUARD = 73  # exit status of a worker that was about to run the main script again


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
        from multiprocessing import forkserver  # there is none on Windows

        # Before it ignores Ctrl-C itself, which reaches all processes of a terminal.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        # A random.py in the current folder is not what the server wants to import.
        os.environ.setdefault("PYTHONSAFEPATH", SAFE_FOR_NOW)
        try:
            forkserver.ensure_running()
        finally:
            if os.environ.get("PYTHONSAFEPATH") == SAFE_FOR_NOW:
                del os.environ["PYTHONSAFEPATH"]
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def check_main_process() -> None:
    """Raise InvalidOption if this process cannot have workers."""
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        os._exit(NO_MAIN_GUARD)  # silently: the parent says what is wrong
    if process.daemon:
        raise InvalidOption(
            "a daemonic process cannot start workers: let the main process evaluate, with "
            'gym.make_vec(id, vectorization_mode="vector_entry_point")'
        )
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None and not os.path.exists(script):
        raise InvalidOption(
            f"worker processes import the main script, and there is no file {script}: save it as a "
            "file, or evaluate in this process with workers=0"
        )


def cannot_start(exit_status: int | None) -> InvalidOption:
    """Return the error that says why the first worker ended before it was ready."""
    if exit_status == NO_MAIN_GUARD:
        return InvalidOption(
            "worker processes import the main script, and this one would search again in each: "
            'put what it runs under `if __name__ == "__main__":`'
        )
    return InvalidOption(
        f"worker processes cannot start (exit status {exit_status}): they import the main "
        "script, which failed as shown above; make it importable"
    )
