"""Ctrl-C and SIGTERM at any moment: one line, the right status, nothing left behind."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

SEARCH = "search --budget 500 --workers 2 --set recipe.epochs=1 --run r"
FIRST = 0.35  # seconds in which Python itself starts


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_seconds_is_one_line(number: signal.Signals) -> None:
    moments = random.Random(0)
    for again in range(10):
        process = subprocess.Popen(
            [sys.executable, "-m", "nas_gym", *SEARCH.split(), "--store", f"{again}.sqlite"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        time.sleep(moments.uniform(FIRST, 8))
        for _ in range(1 + again % 2):  # twice, as impatient people do
            os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number, err
        assert "Traceback" not in out + err
        said = [line for line in err.splitlines() if line.startswith("nas-gym: ")]
        assert len(said) == 1, err
        assert said[0].startswith("nas-gym: interrupted")
        deadline = time.monotonic() + 5
        while _lives(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _lives(process.pid)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
