"""``nas-gym tabulate`` after a real kill: nothing is trained twice, and the table is the same."""

import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from nas_gym.cli.main import main
from nas_gym.errors import StoreError
from nas_gym.store import Store

HELD = Path(__file__).with_name("held.py")
TABULATE = (
    *("tabulate", "nasbench201", "--sample", "6", "--set", "recipe.epochs=1"),
    *("--memory-limit", "inf"),
)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def paid() -> int:
    """The trainings that are on the disk."""
    if not Path("runs/store.sqlite").exists():
        return 0
    # It may just have been made.
    with suppress(StoreError), closing(Store("runs/store.sqlite", read_only=True)) as store:
        return sum(row["requests"] + row["unanswered"] for row in store.runs())
    return 0


@pytest.mark.slow
def test_a_killed_table_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen(
        [sys.executable, str(HELD), "8", *TABULATE, "--to", "t.npz", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while paid() < 4:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = paid()
    assert 4 <= kept < 12
    assert not Path("t.npz").exists()
    assert run(*TABULATE, "--to", "t.npz", "--workers", "2") == 0
    shown = capsys.readouterr()
    assert "t.npz has 12 trainings of 6 architectures x 2 seeds, 0 failed: complete" in shown.out
    assert paid() == 12
    # With nothing but the file, for which another name is no other table.
    Path("t.npz").rename("moved.npz")
    more = (*TABULATE, "--sample", "7", "--to", "moved.npz", "--store", "other.sqlite")
    assert run(*more, "--workers", "1") == 0
    with closing(Store("other.sqlite", read_only=True)) as store:
        assert [row["requests"] for row in store.runs()] == [1, 1]
    # At once, in one process.
    assert run(*TABULATE, "--sample", "7", "--to", "once.npz", "--store", "once.sqlite") == 0
    with np.load("moved.npz") as one, np.load("once.npz") as other:
        for name in ("architecture", "accuracy", "curves", "parameters", "failure"):
            assert (one[name] == other[name]).all(), name
