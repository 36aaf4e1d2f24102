"""The command's standard streams: output that is closed, full or in ASCII never ends the work."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from nas_gym.options.lasting import LastingStream


@contextmanager
def lasting_streams() -> Iterator[tuple[LastingStream, LastingStream, bool]]:
    """Make stdout and stderr last; yields both, and whether stdout was there at all."""
    closed = _open_missing()
    before = sys.stdout, sys.stderr
    out, err = (LastingStream(stream) for stream in before)
    for stream in before:
        if getattr(stream, "errors", None) == "strict":
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout, sys.stderr = out, err
    try:
        yield out, err, 1 not in closed
    finally:
        sys.stdout, sys.stderr = before


_results: LastingStream | None = None  # where JSON goes, while stdout is kept for it


def results() -> Any:
    """Return the stream of a command's result."""
    return sys.stdout if _results is None else _results


@contextmanager
def kept_for_json(out: LastingStream, err: LastingStream, to_the_end: bool) -> Iterator[None]:
    """Let only ``results()`` write to stdout: what else is printed, in any process, is on stderr.

    Users' evaluators print, and so do the libraries and commands that they call.

    Args:
        out: The command's stdout.
        err: Its stderr.
        to_the_end: Of this process, which may print when it exits; else of the block.
    """
    global _results
    out.flush()
    err.flush()
    stream, kept = out.stream, None
    with suppress(OSError, ValueError, AttributeError):
        if stream.fileno() == 1:  # not when another stream took its place in Python
            kept = os.fdopen(os.dup(1), "w", encoding=stream.encoding, errors=stream.errors)
            os.dup2(2, 1)
            out.stream = kept
    _results, sys.stdout = out, err
    try:
        yield
    finally:
        out.flush()
        _results, sys.stdout = None, out
        if kept is not None and not to_the_end:
            stream.flush()
            os.dup2(kept.fileno(), 1)
            out.stream = stream
            kept.close()


def _open_missing() -> list[int]:
    """Open the standard streams that are closed; else files that are opened take their numbers."""
    closed = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
    for number, name in enumerate(("stdin", "stdout", "stderr")):  # not before all three are there
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    return closed
