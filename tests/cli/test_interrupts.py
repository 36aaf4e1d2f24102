"""Ctrl-C and SIGTERM at any moment: one line, the right status, nothing left behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SEARCH = "search --budget 500 --workers 2 --set recipe.epochs=1 --run r"
LONGEST = 8.0  # seconds from when the command answers signals, in which they come


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_seconds_is_one_line(number: signal.Signals) -> None:
    moments = random.Random(0)
    for again in range(10):
        process = subprocess.Popen(
            [sys.executable, "-m", "nas_gym", *SEARCH.split(), "--store", f"{again}.sqlite"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        wait_until_answered(process)  # before that Python itself starts
        time.sleep(moments.uniform(0, LONGEST))
        for _ in range(1 + again % 2):  # twice, as impatient people do
            os.killpg(process.pid, number)
        out, err = process.communicate(timeout=200)
        assert process.returncode == 128 + number, err
        assert "Traceback" not in out + err
        said = [line for line in err.splitlines() if line.startswith("nas-gym: ")]
        assert len(said) == 1, err
        assert said[0].startswith("nas-gym: interrupted")
        deadline = time.monotonic() + 60
        while _lives(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _lives(process.pid)


def wait_until_answered(process: "subprocess.Popen[str]") -> None:
    """Wait until a process catches SIGTERM, or does so soon where that cannot be seen."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        time.sleep(2)
        return
    deadline = time.monotonic() + 100
    while not caught(status.read_text()) & 1 << (signal.SIGTERM - 1):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def caught(status: str) -> int:
    """Return the mask of the signals that a process catches."""
    return int(next(line for line in status.splitlines() if line.startswith("SigCgt:"))[7:], 16)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
