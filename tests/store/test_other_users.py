"""Files of another user: one sentence, and a live run is seen by who may only read."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nas_gym.store import Store
from nas_gym.store.begin import begin_run

END = "--- end ---"
# A user who may not write. What another user perhaps cannot import is imported before, by a search.
AS_NOBODY = f"""
import contextlib, io, json, os, sys, tempfile
from nas_gym.cli.main import main

def run(command):
    try:
        main(command)
    except SystemExit as exit_:
        print("exit", exit_.code or 0)
        for stream in (sys.stdout, sys.stderr):
            print({END!r}, end="", file=stream, flush=True)

os.chdir("/")
everything = ["search", "--evaluator", "landscape", "--agent", "random-search", "--budget", "2",
              "--workers", "1", "--run", "first"]
with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
    with contextlib.redirect_stderr(io.StringIO()):
        store = ["--store", folder + "/store.sqlite"]
        for command in (everything, ["report", "first"], ["list"], ["report", "none"]):
            run(command + store)
run(["list", "--store", "none"])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for command in json.loads(sys.argv[1]):
    run(command)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    ["folder", *(pytest.param(w, marks=pytest.mark.slow) for w in ("file", "hidden"))],
)
def test_files_of_another_user(what: str, stores: Any) -> None:
    root = Path(tempfile.mkdtemp())  # pytest's own folder is closed to others
    store = stores.fill(root / "store.sqlite")
    for left in ("-wal", "-shm"):
        Path(f"{store}{left}").unlink(missing_ok=True)
    store.chmod(0o444 if what == "file" else 0o644)
    before = store.read_bytes()
    root.chmod({"file": 0o777, "folder": 0o555, "hidden": 0o000}[what])
    try:
        second = stores.report if what == "hidden" else stores.list_
        searched, told = as_another_user([*stores.search, str(store)], [*second, str(store)])
    finally:
        root.chmod(0o777)
    expected = "cannot be opened (Permission denied)" if what == "hidden" else "read-only: make it"
    assert expected in stores.one_sentence(searched.stderr)
    assert searched.stdout == "exit 2\n"
    if what == "hidden":
        assert expected in stores.one_sentence(told.stderr)
        assert told.stdout == "exit 2\n"
    else:
        assert "first: finished, 20 evaluations" in told.stdout, told.stderr
        assert "cut: interrupted, 11 evaluations" in told.stdout
    assert store.read_bytes() == before
    shutil.rmtree(root)


def as_another_user(*commands: Sequence[str]) -> "list[subprocess.CompletedProcess[str]]":
    """Run commands as a user who may not do everything; this one, unless it is root."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, json.dumps(commands)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    parts = zip(done.stdout.split(END), done.stderr.split(END), strict=True)
    return [subprocess.CompletedProcess([], 0, *shown) for shown in parts][1:-1]


@pytest.mark.slow
def test_a_live_run_is_seen_by_those_who_may_only_read(stores: Any) -> None:
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    store = stores.fill(root / "store.sqlite")
    with Store(store) as opened:
        live = begin_run(opened, "live", {"budget": 3})
        (listed,) = as_another_user([*stores.list_, str(store)])
        live.close()
    (ended,) = as_another_user([*stores.list_, str(store)])
    assert "live: running, 0 evaluations" in listed.stdout, listed.stderr
    assert "live: cut, 0 evaluations" in ended.stdout, ended.stderr
    shutil.rmtree(root)
